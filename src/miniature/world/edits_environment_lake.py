"""A lake that is clear, frozen, dried up, full of algae or covered with oil."""

from __future__ import annotations

import random
from dataclasses import replace

from src.miniature.world.edits_environment_place import shore
from src.miniature.world.phrasing import Change, Reason, Setting, SettingKind, Words
from src.miniature.world.scene import Scene, Side, Water

_SIDES: tuple[Side, ...] = ("left", "right")
_DESCRIPTIONS: dict[Water, Words] = {
    "open": Words("A house and a tree at a lake of clear water.", "清澈的湖边有一座房子和一棵树。"),
    "frozen": Words("A house and a tree at a frozen lake.", "结冰的湖边有一座房子和一棵树。"),
    "dry": Words("A house and a tree at a lake that has dried up.", "干涸的湖边有一座房子和一棵树。"),
    "green": Words("A house and a tree at a lake full of algae.", "长满水藻的湖边有一座房子和一棵树。"),
    "black": Words("A house and a tree at a lake covered with oil.", "浮满石油的湖边有一座房子和一棵树。"),
}
_EXPLICIT: dict[Water, tuple[Words, ...]] = {
    "open": (
        Words("Paint the lake blue with mirror images of house and tree.", "把湖面涂成蓝色，映出房子和树的倒影。"),
        Words("Draw blue water that mirrors the house and the tree.", "画蓝色的水，映着房子和树。"),
        Words(
            "Make the lake blue and draw the house and the tree upside down in it.",
            "让湖面变成蓝色，水里画倒着的房子和树。",
        ),
        Words("Put clear blue water with reflections into the lake.", "在湖里放清澈的蓝色湖水，有倒影。"),
    ),
    "frozen": (
        Words("Paint the lake white.", "把湖面涂成白色。"),
        Words("Draw white ice in place of the lake.", "在湖的地方画白色的冰。"),
        Words("Make the lake white without mirror images.", "让湖面变成白色，没有倒影。"),
        Words("Put white ice over the whole lake.", "在整个湖面放上白色的冰。"),
    ),
    "dry": (
        Words("Paint the lake brown.", "把湖面涂成棕色。"),
        Words("Draw brown earth in place of the lake.", "在湖的地方画棕色的泥土。"),
        Words("Make the lake brown without mirror images.", "让湖面变成棕色，没有倒影。"),
        Words("Put brown earth over the whole lake.", "在整个湖面放上棕色的泥土。"),
    ),
    "green": (
        Words("Paint the lake dark green.", "把湖面涂成深绿色。"),
        Words("Draw dark green algae in place of the lake.", "在湖的地方画深绿色的水藻。"),
        Words("Make the lake dark green without mirror images.", "让湖面变成深绿色，没有倒影。"),
        Words("Put dark green algae over the whole lake.", "在整个湖面放上深绿色的水藻。"),
    ),
    "black": (
        Words("Paint the lake black.", "把湖面涂成黑色。"),
        Words("Draw black oil in place of the lake.", "在湖的地方画黑色的石油。"),
        Words("Make the lake black without mirror images.", "让湖面变成黑色，没有倒影。"),
        Words("Put black oil over the whole lake.", "在整个湖面放上黑色的石油。"),
    ),
}
_WHY: dict[Water, Words] = {
    "open": Words(
        "Clear calm water is blue and mirrors what stands at the shore.", "清澈平静的水是蓝色，映出岸上的东西。"
    ),
    "frozen": Words(
        "In hard frost water turns into white ice, which mirrors nothing.", "严寒中水结成白色的冰，没有倒影。"
    ),
    "dry": Words("Without water only the brown bottom of the lake is left.", "没有水，只剩棕色的湖底。"),
    "green": Words("Algae cover the water with a green layer.", "水藻给水面盖上一层绿色。"),
    "black": Words("Oil floats on water as a black layer.", "石油浮在水上，形成黑色的一层。"),
}
_CAUSE_MEDIUM: dict[Water, tuple[Words, ...]] = {
    "open": (
        Words("Make the lake clear and liquid.", "让湖水清澈流动。"),
        Words("Fill the lake with clean water.", "让湖里充满干净的水。"),
        Words("Turn the lake into pure water.", "把湖变成纯净的水。"),
        Words("Let the lake have fresh water.", "让湖里有新鲜的水。"),
    ),
    "frozen": (
        Words("Make the lake freeze.", "让湖结冰。"),
        Words("Cover the lake with ice.", "让冰盖住湖面。"),
        Words("Turn the lake into ice.", "把湖变成冰。"),
        Words("Let the lake freeze over.", "让湖面冻住。"),
    ),
    "dry": (
        Words("Make the lake dry up.", "让湖干涸。"),
        Words("Empty the lake of all its water.", "让湖里的水流光。"),
        Words("Turn the lake into dry land.", "把湖变成干地。"),
        Words("Let the lake lose all its water.", "让湖失去所有的水。"),
    ),
    "green": (
        Words("Make algae grow all over the lake.", "让水藻长满湖面。"),
        Words("Cover the lake with algae.", "让水藻盖住湖面。"),
        Words("Turn the lake into a soup of algae.", "把湖变成一锅水藻汤。"),
        Words("Let the lake be full of algae.", "让湖里满是水藻。"),
    ),
    "black": (
        Words("Make oil spread all over the lake.", "让石油流满湖面。"),
        Words("Cover the lake with oil.", "让石油盖住湖面。"),
        Words("Turn the lake into a pool of oil.", "把湖变成一池石油。"),
        Words("Let the lake be polluted by oil.", "让湖被石油污染。"),
    ),
}
_CAUSE_HARD: dict[Water, tuple[Words, ...]] = {
    "open": (
        Words("A mild spring and a fresh mountain stream have restored the lake.", "温暖的春天和山泉让湖恢复了原样。"),
        Words("Everything bad is gone and the lake is healthy again.", "坏东西都没了，湖又健康了。"),
        Words("The town has cared for years and the lake has fully recovered.", "城里人照料多年，湖完全恢复了。"),
        Words("Plenty of pure water has flowed in from the springs.", "泉眼流进了充足的净水。"),
    ),
    "frozen": (
        Words("For three weeks the thermometer has been far below zero.", "三个星期以来气温都在零下很多度。"),
        Words("An icy wind from the pole has blown all month.", "极地的寒风吹了一个月。"),
        Words("The hardest frost in ten years has come.", "十年来最冷的严寒来了。"),
        Words("The water has become so cold that it is solid.", "水冷得变成了固体。"),
    ),
    "dry": (
        Words("No rain has fallen for two years.", "两年没有下雨了。"),
        Words("The dam has burst and everything has run out.", "大坝决口，一切都流走了。"),
        Words("The farmers have pumped everything onto their fields.", "农民把水全抽到田里去了。"),
        Words("The river that fed the lake was diverted years ago.", "流进湖里的河多年前改道了。"),
    ),
    "green": (
        Words("Too much fertiliser has run into the lake from the fields.", "太多的肥料从田里流进湖中。"),
        Words("Warmth and sewage feed tiny plants in the lake.", "温暖和污水养出了湖里的小植物。"),
        Words("Phosphate from washing powder makes the lake bloom.", "洗衣粉里的磷让湖里长满了植物。"),
        Words("Dung from a farm gives water plants more food than ever.", "农场的粪便给水草带来空前的养料。"),
    ),
    "black": (
        Words("A tanker has sprung a leak.", "一艘油轮漏了。"),
        Words("A pipeline for crude has burst at the shore.", "岸边的原油管道破裂了。"),
        Words("A ship lost all its fuel in the lake.", "一艘船的燃料全漏进了湖里。"),
        Words("A truck full of tar has tipped over into the lake.", "一辆装满沥青的卡车翻进了湖里。"),
    ),
}
_SIGN_MEDIUM: dict[Water, tuple[Words, ...]] = {
    "open": (
        Words("Show the lake as a mirror.", "展示湖面如镜的样子。"),
        Words("The lake reflects its shore.", "湖面映出岸边的景物。"),
        Words("See house and tree twice, on land and in water.", "房子和树在岸上水中各见一次。"),
        Words("The lake is a clear mirror now.", "湖现在是一面明镜。"),
    ),
    "frozen": (
        Words("Show the lake as a rink.", "展示湖成了溜冰场的样子。"),
        Words("The lake carries people on its ice.", "湖上的冰能站人。"),
        Words("See the lake hard and icy.", "看到又硬又冰的湖面。"),
        Words("The lake is one sheet of ice now.", "湖现在是一整块冰。"),
    ),
    "dry": (
        Words("Show the bottom of the lake.", "展示湖底露出来的样子。"),
        Words("The lake is a bed of dry mud.", "湖成了一片干泥。"),
        Words("See the lake without a drop.", "看到一滴水都没有的湖。"),
        Words("The lake is bare ground now.", "湖现在是光秃秃的地。"),
    ),
    "green": (
        Words("Show the lake overgrown.", "展示湖长满植物的样子。"),
        Words("The lake is a carpet of water plants.", "湖成了水草的地毯。"),
        Words("See the lake choked by plants.", "看到被植物堵塞的湖。"),
        Words("The lake is overgrown with slime now.", "湖现在长满了滑腻的水草。"),
    ),
    "black": (
        Words("Show the lake after an oil spill.", "展示漏油后的湖。"),
        Words("The lake has a film of crude oil.", "湖面有一层原油。"),
        Words("See the lake under an oil slick.", "看到浮油下的湖。"),
        Words("The lake is smeared with crude oil now.", "湖现在被原油弄脏了。"),
    ),
}
_SIGN_HARD: dict[Water, tuple[Words, ...]] = {
    "open": (
        Words("A swan glides over its own image.", "天鹅在自己的倒影上滑行。"),
        Words("Swimmers enjoy the lake and can see their feet.", "游泳的人玩得高兴，看得见自己的脚。"),
        Words("Fish leap, and one could drink from the lake.", "鱼儿跳跃，湖水可以喝。"),
        Words("The lifeguard puts out the sign that bathing is a pleasure.", "救生员挂出了适合游泳的牌子。"),
    ),
    "frozen": (
        Words("Children skate across the lake.", "孩子们在湖上滑冰。"),
        Words("A fisherman drills a hole to get at the fish.", "渔夫钻个洞才能钓鱼。"),
        Words("Two teams play hockey in the middle of the lake.", "两队人在湖中央打冰球。"),
        Words("A horse pulls a sledge over the lake.", "马拉着雪橇从湖上走过。"),
    ),
    "dry": (
        Words("One crosses the lake with dusty shoes.", "走过湖的人鞋上沾满灰尘。"),
        Words("The boats lie useless in the cracked mud.", "小船闲躺在开裂的泥里。"),
        Words("Children dig in the dust where they once swam.", "孩子们在曾经游泳的地方挖土。"),
        Words("The fish are dead and lizards live in the lake.", "鱼都死了，蜥蜴住在湖里。"),
    ),
    "green": (
        Words("Bathers come out with slimy plants in their hair.", "游泳的人出来时头发上挂着水草。"),
        Words("The lake looks like pea soup.", "湖看起来像一锅豌豆汤。"),
        Words("From far away one takes the lake for a lawn.", "远看会把湖当成草坪。"),
        Words("Frogs hide among the plants that choke the whole lake.", "青蛙藏在塞满湖的植物里。"),
    ),
    "black": (
        Words("The ducks have sticky dark feathers.", "鸭子的羽毛又黑又粘。"),
        Words("Smoking at the lake is forbidden, for it could catch fire.", "湖边禁止吸烟，湖面会着火。"),
        Words("Men in protective suits skim a dark layer off the lake.", "穿防护服的人从湖面撇去黑色的一层。"),
        Words("Birds that land on the lake are washed with soap afterwards.", "落在湖上的鸟要用肥皂洗干净。"),
    ),
}
_KINDS: tuple[Water, ...] = tuple(_DESCRIPTIONS)
_OPPOSITES: dict[Water, str] = {
    "open": "lake:frozen and thawed",
    "frozen": "lake:frozen and thawed",
    "green": "which:pollution",
    "black": "which:pollution",
}


def _reasons(name: Water) -> tuple[Reason, ...]:
    return (
        Reason("lake_cause", _WHY[name], _CAUSE_MEDIUM[name], _CAUSE_HARD[name]),
        Reason("lake_signs", _WHY[name], _SIGN_MEDIUM[name], _SIGN_HARD[name]),
    )


def make_lake(rng: random.Random) -> Setting:
    """Draw a lake in one of five states; the changes are the other four."""
    present, horizon = rng.choice(_KINDS), rng.randint(30, 34)
    things = shore(rng, horizon + 3)
    sun = rng.choice((None, *_SIDES))
    source = Scene("lake", things, horizon, water=present, sun=sun, cloud=rng.choice((None, 32)))
    others = [name for name in _KINDS if name != present]
    labels = [_OPPOSITES.get(name, "") for name in others]
    changes = []
    for name, label in zip(others, labels, strict=True):
        pair = label if labels.count(label) == 2 else ""
        target = replace(source, water=name)
        changes.append(Change(target, _EXPLICIT[name], _reasons(name), {}, ("water",), pair))
    return Setting(source, _DESCRIPTIONS[present], tuple(changes))


LAKE = SettingKind(make_lake, ("lake_cause", "lake_signs"))
"""The setting of the lake."""
