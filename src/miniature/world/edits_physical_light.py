"""物理: what the sun, its shadows and a lake's reflections do."""

from __future__ import annotations

import random
from dataclasses import replace

from src.miniature.world.palette import COLOURS
from src.miniature.world.phrasing import (
    COLOUR_WORDS,
    KIND_WORDS,
    MEASURES,
    SIDE_WORDS,
    Change,
    Reason,
    Setting,
    SettingKind,
    Words,
    a,
    fill,
    named,
)
from src.miniature.world.scene import Backdrop, Scene, Side, Thing, opposite

_SIDES: tuple[Side, ...] = ("left", "right")
_OUTDOORS: tuple[Backdrop, ...] = ("meadow", "sand")

_MOVE_SUN = (
    Words(
        "Move the sun to the upper {new} corner and the shadows to the {old} side.",
        "把太阳移到{new}上角，把影子移到{old}侧。",
    ),
    Words(
        "Draw the sun at the upper {new} and draw the shadows to the {old}.", "把太阳画在{new}上角，把影子画向{old}边。"
    ),
    Words(
        "Erase the sun on the {old}, draw it on the {new}, and flip the shadows to the {old}.",
        "擦掉{old}边的太阳，画到{new}边，影子翻到{old}边。",
    ),
    Words(
        "Draw the sun in the {new} corner of the sky; all shadows point to the {old}.",
        "把太阳画在天空的{new}角，影子都朝{old}。",
    ),
)
_ADD_SUN = (
    Words(
        "Remove the cloud; draw the sun in the upper {new} corner and the shadows to the {old} side.",
        "去掉云，把太阳画在{new}上角，把影子画在{old}侧。",
    ),
    Words(
        "Draw the sun at the upper {new} instead of the cloud and draw shadows to the {old}.",
        "不要云，把太阳画在{new}上角，把影子画向{old}边。",
    ),
    Words(
        "Erase the cloud, draw the sun on the {new}, and add shadows to the {old}.",
        "擦掉云，把太阳画到{new}边，在{old}边加上影子。",
    ),
    Words(
        "Draw the sun in the {new} corner of the sky, no cloud; all shadows point to the {old}.",
        "把太阳画在天空的{new}角，不要云，影子都朝{old}。",
    ),
)
_SHADOWS = Words(
    "Shadows fall on the side away from the sun, so with the sun on the {new} they point to the {old}.",
    "影子总在背对太阳的一侧，太阳在{new}边，所以影子朝{old}。",
)
_CROSSES = Reason(
    "sun_crosses",
    _SHADOWS,
    (
        Words("Move the sun to the {new} side of the sky.", "把太阳移到天空的{new}边。"),
        Words("Put the sun on the other side.", "把太阳放到另一边。"),
        Words("Let the sun travel to the {new}.", "让太阳走到{new}边。"),
        Words("Let the sun stand on the {new}.", "让太阳停在{new}边。"),
    ),
    (
        Words(
            "Show this place half a day later, when the sun has crossed the sky.", "展示半天之后太阳越过天空的样子。"
        ),
        Words("Morning turns to late afternoon here, still without a cloud.", "这里从早晨到了傍晚前，天上依旧没有云。"),
        Words("The bright hours pass by, from early to late in the day.", "白天的时光从早流逝到晚。"),
        Words("The sunny day goes on for eight more hours.", "晴天又过了八个小时。"),
    ),
)
_APPEARS = Reason(
    "sun_appears",
    _SHADOWS,
    (
        Words("Let the sun come out on the {new}.", "让太阳从{new}边出来。"),
        Words("Clear the sky and show the sun on the {new}.", "让天空放晴，太阳在{new}边。"),
        Words("Let the sun shine in the {new} part of the sky.", "让太阳在天空{new}边照耀。"),
        Words("Swap the cloud for sunshine on the {new}.", "把云换成{new}边的太阳。"),
    ),
    (
        Words(
            "The wind clears the sky, and whoever looks up to the {new} is dazzled.",
            "风吹散了云，抬头看{new}边会觉得刺眼。",
        ),
        Words("It turns into a fine day; the {new} side of each thing is lit.", "天放晴了，每样东西的{new}面被照亮。"),
        Words(
            "After the overcast hours it is bright again, brightest at the {new}.", "阴天过后又亮了起来，{new}边最亮。"
        ),
        Words("The sky is blue at last, and the warm rays come from the {new}.", "天终于蓝了，温暖的光线来自{new}边。"),
    ),
)
_DIRECTION = Reason(
    "shadow_direction",
    _SHADOWS,
    (
        Words("Let the sunlight come from the {new}.", "让阳光从{new}边照过来。"),
        Words("Light this place from the {new} with sunlight.", "用{new}边来的阳光照亮这里。"),
        Words("Let the sunbeams fall from the {new}.", "让光线从{new}边洒下来。"),
        Words("Let the sun light everything from its {new} side.", "让太阳从{new}边照亮一切。"),
    ),
    (
        Words("The shade of everything shall lie to its {old}.", "让每样东西的阴影都落在它的{old}边。"),
        Words("Whoever sits down to the {old} of a thing sits in the shade.", "坐在东西的{old}边正好能乘凉。"),
        Words("A sundial here would now point to the {old}.", "日晷的影子此刻会指向{old}边。"),
        Words("Each thing keeps the sun off the ground to its {old}.", "每样东西都替{old}边的地面挡住了太阳。"),
    ),
)
_CLOUD = (
    Words(
        "Remove the sun and all shadows; draw a cloud at the top in the middle.",
        "去掉太阳和所有影子，在顶部中间画一朵云。",
    ),
    Words(
        "Erase the sun on the {old} and the shadows, and draw a white cloud in the sky.",
        "擦掉{old}边的太阳和影子，在天空画一朵白云。",
    ),
    Words(
        "Draw a white cloud at the top in the middle instead of the sun; remove the shadows.",
        "在顶部中间画一朵白云代替太阳，去掉影子。",
    ),
    Words("Draw a cloud in the middle of the sky, no sun and no shadows.", "在天空中间画一朵云，不要太阳和影子。"),
)
_COVERED = Reason(
    "clouds_over",
    Words("Without direct sunlight nothing throws a shadow.", "没有直射的阳光，就没有影子。"),
    (
        Words("Let a cloud hide the sun.", "让云遮住太阳。"),
        Words("Make the sky cloudy.", "让天空多云。"),
        Words("Let the sun disappear behind a cloud.", "让太阳躲到云后面。"),
        Words("Put a cloud in place of the sun.", "用云代替太阳。"),
    ),
    (
        Words(
            "Nobody needs sunglasses here any more, though it is still day and dry.",
            "还是白天，也没下雨，但不再需要墨镜了。",
        ),
        Words("The forecast said: overcast, but no rain.", "天气预报说：阴天，没有雨。"),
        Words("It is day, but the sky gives only dull light now.", "还是白天，但天光变得很暗淡。"),
        Words("A sundial no longer shows the time in this daylight.", "虽是白天，日晷却看不出时间了。"),
    ),
)
_REMOVE = (
    Words("Remove the {thing}.", "去掉{thing}。"),
    Words("Erase the {thing} on the {side}.", "擦掉{side}边的{thing}。"),
    Words("Remove the {thing} from the picture.", "从画面中去掉{thing}。"),
    Words("Draw only ground and sky in place of the {thing}.", "在{thing}的位置只画地面和天空。"),
)
_TAKEN = Reason(
    "thing_leaves",
    Words(
        "What is not there throws no shadow either, so nothing of the {thing} is left.",
        "不在的东西也没有影子，所以{thing}什么也没留下。",
    ),
    (
        Words("Take the {thing} away.", "把{thing}拿走。"),
        Words("Show the place without the {thing}.", "展示没有{thing}的样子。"),
        Words("Let the {thing} disappear.", "让{thing}消失。"),
        Words("Get rid of the {thing}.", "清走{thing}。"),
    ),
    (
        Words("A lorry loads the {thing} and drives off.", "卡车装上{thing}开走了。"),
        Words("Somebody has bought the {thing} and comes to fetch it.", "有人买下{thing}来取走了。"),
        Words("The {thing} is needed in another town today.", "今天另一个城镇需要{thing}。"),
        Words("A crane lifts the {thing} onto a ship.", "起重机把{thing}吊上了船。"),
    ),
)


def _sunlight(rng: random.Random) -> Setting:
    """Make two things in the open, under the sun on either side or under a cloud."""
    sun: Side | None = rng.choice(("left", "right", None))
    sizes = {"tree": 13.0, "box": 12.0, "ball": 13.0, "car": 18.0}
    kinds = dict(zip(_SIDES, rng.sample(sorted(sizes), 2), strict=True))
    colours = dict(zip(_SIDES, rng.sample([name for name in sorted(COLOURS) if name != "black"], 2), strict=True))
    ground, x = rng.randint(51, 56), rng.randint(-2, 2)
    things = tuple(
        Thing(kinds[side], colours[side], place + x, ground, sizes[kinds[side]])
        for side, place in zip(_SIDES, (19, 45), strict=True)
    )
    cloud = 32 if sun is None else None
    source = Scene(rng.choice(_OUTDOORS), things, horizon=rng.randint(37, 42), sun=sun, cloud=cloud)
    names = {
        side: KIND_WORDS["tree"] if kinds[side] == "tree" else named(colours[side], kinds[side]) for side in _SIDES
    }
    changes = [_sun_at(source, side) for side in _SIDES if side != sun]
    if sun is not None:
        covered = replace(source, sun=None, cloud=32)
        changes.append(Change(covered, _CLOUD, (_COVERED,), {"old": SIDE_WORDS[sun]}, ("light", "shadow")))
    for index, side in enumerate(_SIDES):
        slots = {"thing": names[side], "side": SIDE_WORDS[side]}
        changes.append(Change(source.without(index), _REMOVE, (_TAKEN,), slots, ("shadow", "remove"), "which:remove"))
    sky = (
        Words("a cloud hides the sun", "云遮住了太阳")
        if sun is None
        else Words(f"the sun is on the {sun}", f"太阳在{SIDE_WORDS[sun].zh}边")
    )
    measured: dict[str, Words] = {side: a(names[side], MEASURES.get(kinds[side], "个")) for side in _SIDES}
    description = fill(
        Words("{left} and {right} in the open; {sky}.", "空地上左边有{left}，右边有{right}；{sky}。"),
        {**measured, "sky": sky},
    )
    return Setting(source, description, tuple(changes))


def _sun_at(source: Scene, side: Side) -> Change:
    """Return the change that puts the sun on a side where it is not."""
    target = replace(source, sun=side, cloud=None)
    slots = {"new": SIDE_WORDS[side], "old": SIDE_WORDS[opposite(side)]}
    tags = ("light", "shadow")
    if source.sun is None:
        return Change(target, _ADD_SUN, (_APPEARS, _DIRECTION), slots, tags, "side:sun")
    return Change(target, _MOVE_SUN, (_CROSSES, _DIRECTION), slots, tags)


_HINTS: dict[str, Words] = {
    "red": Words("a ripe tomato", "熟番茄"),
    "orange": Words("a carrot", "胡萝卜"),
    "yellow": Words("a lemon", "柠檬"),
    "green": Words("fresh grass", "青草"),
    "blue": Words("the deep sea", "深海"),
    "purple": Words("an aubergine", "茄子"),
    "white": Words("fresh snow", "新雪"),
    "black": Words("coal", "煤炭"),
}
_MIXTURES: dict[str, Words] = {
    "orange": Words("red and yellow", "红色和黄色"),
    "green": Words("blue and yellow", "蓝色和黄色"),
    "purple": Words("red and blue", "红色和蓝色"),
}
_PAINT = (
    Words("Paint the {thing} and its reflection in the water {new}.", "把{thing}和它在水中的倒影涂成{new}。"),
    Words(
        "Paint the {kind} on the {side} {new}, and its reflection {new} as well.",
        "把{side}边的{kind}涂成{new}，倒影也涂成{new}。",
    ),
    Words("Change the colour of the {thing} and its reflection to {new}.", "把{thing}和倒影的颜色改成{new}。"),
    Words(
        "Draw the {kind} {new} instead of {old}, and the reflection below it {new} too.",
        "把{kind}画成{new}，不要{old}，下面的倒影也画成{new}。",
    ),
)
_MIRRORED = Words(
    "The water mirrors what stands above it, so the reflection turns {new} too.",
    "水面映出岸上的东西，所以倒影也变成{new}。",
)
_LIKE = Reason(
    "paint_like",
    _MIRRORED,
    (
        Words("Paint the {kind} {new}.", "把{kind}涂成{new}。"),
        Words("Make the {thing} {new}.", "让{thing}变成{new}。"),
        Words("Give the {kind} the colour {new}.", "给{kind}换成{new}。"),
        Words("Turn the {kind} {new}.", "让{kind}换上{new}。"),
    ),
    (
        Words("The {kind} takes on the colour of {hint}.", "{kind}换上了{hint}的颜色。"),
        Words("Somebody has painted the {kind} the colour of {hint}.", "有人把{kind}刷成了{hint}的颜色。"),
        Words("The {thing} shall look like {hint} in colour.", "让{thing}的颜色像{hint}一样。"),
        Words(
            "Beside the {kind}, {hint} would not stand out: both have one colour.",
            "{kind}和{hint}放在一起，颜色分不出来。",
        ),
    ),
)
_MIX = Reason(
    "paint_mix",
    _MIRRORED,
    (
        Words("Give the {kind} a coat of {new} paint.", "给{kind}刷一层{new}的漆。"),
        Words("Use {new} paint on the {thing}.", "在{thing}上用{new}的漆。"),
        Words("Spray the {kind} with {new} paint.", "给{kind}喷上{new}的漆。"),
        Words("Cover the {thing} with {new} paint.", "用{new}的漆盖住{thing}。"),
    ),
    (
        Words(
            "The painter mixes {mixture} and paints the {kind} with it.", "油漆工把{mixture}混在一起，涂到{kind}上。"
        ),
        Words("The {kind} gets a coat stirred from {mixture}.", "{kind}刷上了{mixture}调成的漆。"),
        Words(
            "Only {mixture} are left; stirred together they suffice for the {kind}.",
            "只剩{mixture}的漆，搅匀后正好够刷{kind}。",
        ),
        Words(
            "Cans of {mixture} flow into one bucket; the {thing} is dipped into it.",
            "{mixture}的漆倒进一个桶，{thing}浸了进去。",
        ),
    ),
)


def _at_lake(rng: random.Random) -> Setting:
    """Make two things on a lake's shore, each of which may be painted in either of two colours."""
    sizes = {"house": 19.0, "box": 14.0, "ball": 14.0, "car": 20.0}
    kinds = dict(zip(_SIDES, rng.sample(sorted(sizes), 2), strict=True))
    drawn = rng.sample(sorted(COLOURS), 4)
    olds, news = dict(zip(_SIDES, drawn[:2], strict=True)), drawn[2:]
    horizon, x = rng.randint(31, 34), rng.randint(-2, 2)
    things = tuple(
        Thing(kinds[side], olds[side], place + x, horizon + 3, sizes[kinds[side]])
        for side, place in zip(_SIDES, (17, 47), strict=True)
    )
    source = Scene("lake", things, horizon=horizon)
    changes = []
    for index, side in enumerate(_SIDES):
        for new in news:
            slots = {
                "thing": named(olds[side], kinds[side]),
                "kind": KIND_WORDS[kinds[side]],
                "side": SIDE_WORDS[side],
                "old": COLOUR_WORDS[olds[side]],
                "new": COLOUR_WORDS[new],
                "hint": _HINTS[new],
            }
            reasons: tuple[Reason, ...] = (_LIKE,)
            if new in _MIXTURES:
                slots["mixture"], reasons = _MIXTURES[new], (_LIKE, _MIX)
            target = source.changing(index, colour=new)
            changes.append(Change(target, _PAINT, reasons, slots, ("reflection", "colour"), f"which:{new}"))
    description = fill(
        Words(
            "{left} and {right} stand on the shore of a lake and are mirrored in it.",
            "湖边左边有{left}，右边有{right}，倒映在水中。",
        ),
        {side: a(named(olds[side], kinds[side]), MEASURES.get(kinds[side], "个")) for side in _SIDES},
    )
    return Setting(source, description, tuple(changes))


sunlight = SettingKind(_sunlight, ("sun_crosses", "sun_appears", "shadow_direction", "clouds_over", "thing_leaves"))
"""Two things, the sun and a cloud."""

recolour_at_lake = SettingKind(_at_lake, ("paint_like", "paint_mix"))
"""Two things mirrored in a lake."""
