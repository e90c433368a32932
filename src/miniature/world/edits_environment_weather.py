"""The weather: sunshine, rain, fog, thunderstorm and rainbow over the same place."""

from __future__ import annotations

import random
from dataclasses import replace

from src.miniature.world.edits_environment_place import place
from src.miniature.world.phrasing import Change, Reason, Setting, SettingKind, Words
from src.miniature.world.scene import Scene, Thing, Weather

_DESCRIPTIONS = {
    "sunshine": Words("A house and a tree in sunshine.", "阳光下有一座房子和一棵树。"),
    "rain": Words("A house and a tree in the rain.", "雨中有一座房子和一棵树。"),
    "fog": Words("A house and a tree in thick fog.", "浓雾里有一座房子和一棵树。"),
    "storm": Words("A house and a tree in a thunderstorm.", "雷雨中有一座房子和一棵树。"),
    "rainbow": Words("A house and a tree under a rainbow.", "彩虹下有一座房子和一棵树。"),
}
_OPPOSITES = {
    "sunshine": "sky:sun and rain",
    "rain": "sky:sun and rain",
    "storm": "sky:storm and rainbow",
    "rainbow": "sky:storm and rainbow",
}
_EXPLICIT = {
    "sunshine": (
        Words(
            "Paint the sky light blue and draw only a yellow sun at the upper right.",
            "把天空涂成浅蓝色，右上角只画黄色的太阳。",
        ),
        Words(
            "Draw a light blue sky with nothing but a yellow sun on the right.", "画浅蓝色的天空，只有右边黄色的太阳。"
        ),
        Words(
            "Make the sky light blue with a yellow sun, the ground bright and dry.",
            "让天空变成浅蓝色，有黄色的太阳，地面又亮又干。",
        ),
        Words(
            "Put a yellow sun at the upper right into an empty light blue sky.",
            "在空空的浅蓝色天空右上角放黄色的太阳。",
        ),
    ),
    "rain": (
        Words(
            "Paint the sky grey, draw white rain drops and blue puddles.",
            "把天空涂成灰色，画上白色的雨滴和蓝色的水坑。",
        ),
        Words(
            "Draw a grey sky, white rain drops and two blue puddles on the ground.",
            "画灰色的天空、白色的雨滴和地上两个蓝色的水坑。",
        ),
        Words(
            "Make the sky grey without sun, add white rain drops and blue puddles.",
            "让天空变成灰色没有太阳，加上白色的雨滴和蓝色的水坑。",
        ),
        Words(
            "Put white rain drops into a grey sky and blue puddles on the ground.",
            "在灰色的天空放白色的雨滴，地上放蓝色的水坑。",
        ),
    ),
    "fog": (
        Words("Paint pale white fog over everything.", "给一切都涂上淡白色的雾。"),
        Words(
            "Draw a white sky and a white haze over house, tree and ground.", "画白色的天空，房子、树和地面都蒙上白雾。"
        ),
        Words("Make everything pale and whitish, without sun.", "让一切变得又淡又白，没有太阳。"),
        Words("Put a white veil over the whole picture.", "给整个画面蒙上白色的雾。"),
    ),
    "storm": (
        Words(
            "Paint the sky dark grey and draw a yellow lightning in the middle.",
            "把天空涂成深灰色，在中间画黄色的闪电。",
        ),
        Words(
            "Draw a dark grey sky, a yellow lightning, rain drops and puddles.",
            "画深灰色的天空、黄色的闪电、雨滴和水坑。",
        ),
        Words(
            "Make the sky and the ground dark, add a yellow lightning and rain drops.",
            "让天空和地面变暗，加上黄色的闪电和雨滴。",
        ),
        Words("Put a yellow lightning into a dark grey sky with rain drops.", "在有雨滴的深灰色天空放黄色的闪电。"),
    ),
    "rainbow": (
        Words("Paint the sky light blue, draw a yellow sun and a rainbow.", "把天空涂成浅蓝色，画黄色的太阳和彩虹。"),
        Words(
            "Draw a rainbow of red, yellow and blue across a light blue sky.",
            "在浅蓝色的天空画红色、黄色、蓝色的彩虹。",
        ),
        Words(
            "Make the sky light blue with a yellow sun, add a rainbow.", "让天空变成浅蓝色，有黄色的太阳，加上彩虹。"
        ),
        Words("Put a rainbow and a yellow sun into a light blue sky.", "在浅蓝色的天空放彩虹和黄色的太阳。"),
    ),
}
_LOOKS = {
    "sunshine": Words(
        "In fine weather the sky is blue, the sun shines and shadows fall.", "天气好时天空是蓝色，太阳照耀，有影子。"
    ),
    "rain": Words(
        "Rain clouds hide the sun, the light turns grey and puddles form.", "雨云遮住太阳，光线变灰，地上积水。"
    ),
    "fog": Words("Fog hides the sun and makes everything pale.", "雾遮住太阳，让一切变得淡白。"),
    "storm": Words(
        "In a thunderstorm the sky is dark, lightning flashes and rain pours.", "雷雨时天空昏暗，电闪雷鸣，大雨倾盆。"
    ),
    "rainbow": Words("When the sun shines on falling drops, a rainbow appears.", "阳光照在雨滴上，就出现彩虹。"),
}
_FORECAST_MEDIUM = {
    "sunshine": (
        Words("Make the weather fine.", "让天气晴朗。"),
        Words("Turn the weather into plain sunshine.", "把天气变成晴天。"),
        Words("Show this place on a fine day.", "展示这个地方晴天的样子。"),
        Words("Let the sun shine and nothing else be in the sky.", "让太阳照耀，天上别无他物。"),
    ),
    "rain": (
        Words("Make it rain.", "让天下雨。"),
        Words("Turn the weather into steady rain.", "把天气变成雨天。"),
        Words("Show this place on a rainy day.", "展示这个地方雨天的样子。"),
        Words("Let rain fall quietly.", "让雨静静地落下。"),
    ),
    "fog": (
        Words("Make it foggy.", "让天起雾。"),
        Words("Turn the weather into thick fog.", "把天气变成大雾。"),
        Words("Show this place on a foggy day.", "展示这个地方雾天的样子。"),
        Words("Let mist cover the place.", "让雾笼罩这里。"),
    ),
    "storm": (
        Words("Make a thunderstorm.", "让天打雷下雨。"),
        Words("Turn the weather into a thunderstorm.", "把天气变成雷雨。"),
        Words("Show this place in a thunderstorm.", "展示这个地方雷雨时的样子。"),
        Words("Let lightning strike.", "让闪电劈下来。"),
    ),
    "rainbow": (
        Words("Make a rainbow appear.", "让彩虹出现。"),
        Words("Turn the weather into sun with a rainbow.", "把天气变成有彩虹的晴天。"),
        Words("Show this place under a rainbow.", "展示这个地方彩虹当空的样子。"),
        Words("Let a rainbow span the sky.", "让彩虹横跨天空。"),
    ),
}
_FORECAST_HARD = {
    "sunshine": (
        Words("High pressure brings a perfect dry day with blue above.", "高气压带来干爽的一天，头顶一片蓝。"),
        Words("The forecast promises ten hours of sun and not a drop.", "预报说有十小时日照，滴雨不下。"),
        Words("Solar panels now yield as much as they can.", "太阳能板现在发电最多。"),
        Words("The light meter climbs and the hygrometer falls to its lowest.", "光照升高，湿度降到最低。"),
    ),
    "rain": (
        Words("The farmer's wish after the long drought comes true gently.", "久旱之后，农夫的愿望静静地实现了。"),
        Words("Low grey clouds empty their water over the land.", "低低的灰云把水洒向大地。"),
        Words("The rain gauge fills up slowly.", "雨量计慢慢地满了。"),
        Words("The forecast says wet all day, but no thunder.", "预报说整天有雨，但不打雷。"),
    ),
    "fog": (
        Words("The airport closes because nobody can see the runway.", "看不清跑道，机场关闭了。"),
        Words("A cloud has sunk down to the ground.", "云降到了地面上。"),
        Words("Visibility drops to a few steps.", "能见度只有几步远。"),
        Words("Moist air cools down and the view gets lost in white.", "湿空气变冷，景色隐没在白色中。"),
    ),
    "storm": (
        Words("Hot air has risen all day and now discharges with thunder.", "热空气积了一天，现在轰隆隆地放电。"),
        Words("There is a loud crack, and the lightning rod does its duty.", "一声巨响，避雷针起了作用。"),
        Words("The forecast warns of dangerous electric discharges.", "预报警告有危险的放电。"),
        Words("Flash and bang follow each other within a second.", "亮光和巨响只隔一秒。"),
    ),
    "rainbow": (
        Words("The sun breaks through while the last drops still fall.", "最后的雨滴还在落，太阳就出来了。"),
        Words("Drops in the air split the sunlight into its colours.", "空中的水滴把阳光分成各种颜色。"),
        Words("A short shower ends and the sky becomes colourful.", "阵雨过后，天空变得五彩缤纷。"),
        Words("Light is refracted in the drops of a passing shower.", "光线在阵雨的水滴中折射。"),
    ),
}
_PEOPLE_MEDIUM = {
    "sunshine": (
        Words("Give the people a sunny day.", "给人们一个大晴天。"),
        Words("Bring sunshine to the house.", "给房子带来阳光。"),
        Words("Everyone gets fine weather.", "大家迎来好天气。"),
        Words("The place enjoys a sky of pure sun.", "这里享受着大太阳。"),
    ),
    "rain": (
        Words("Give the people a rainy day.", "给人们一个下雨天。"),
        Words("Bring rain to the garden.", "给花园带来雨水。"),
        Words("Everyone gets wet in the rain.", "大家被雨淋湿。"),
        Words("The place is washed by rain.", "这里被雨水冲洗。"),
    ),
    "fog": (
        Words("Give the people a day in the fog.", "给人们一个大雾天。"),
        Words("Bring fog to the house.", "给房子带来雾。"),
        Words("Everyone walks in the mist.", "大家走在雾里。"),
        Words("The place sinks into fog.", "这里沉入雾中。"),
    ),
    "storm": (
        Words("Give the people a day of thunder and lightning.", "给人们一个电闪雷鸣的日子。"),
        Words("Bring a thunderstorm to the house.", "给房子带来雷雨。"),
        Words("Everyone sees the lightning.", "大家看见了闪电。"),
        Words("The place is hit by a thunderstorm.", "这里遭遇雷雨。"),
    ),
    "rainbow": (
        Words("Give the people a rainbow to look at.", "给人们看一道彩虹。"),
        Words("Bring a rainbow over the house.", "给房子上方带来彩虹。"),
        Words("Everyone admires the rainbow.", "大家欣赏彩虹。"),
        Words("The place is crowned by a rainbow.", "这里的天上挂着彩虹。"),
    ),
}
_PEOPLE_HARD = {
    "sunshine": (
        Words("A family hangs out the washing and puts on sun hats.", "一家人晾衣服，戴上遮阳帽。"),
        Words("People rub in sun cream and have a picnic.", "人们涂上防晒霜去野餐。"),
        Words("Everybody puts on sunglasses for a walk.", "大家戴上墨镜去散步。"),
        Words("The beach is crowded and ice cream melts.", "海滩挤满了人，冰淇淋化了。"),
    ),
    "rain": (
        Words("Anyone who goes out now just needs an umbrella.", "现在出门只要带把伞就行。"),
        Words("Children in rubber boots jump into puddles.", "孩子们穿着雨靴踩水坑。"),
        Words("People put on raincoats, but nobody is afraid.", "人们穿上雨衣，但没人害怕。"),
        Words("A soft patter on the roof sends the baby to sleep.", "屋顶上轻柔的滴答声让宝宝入睡。"),
    ),
    "fog": (
        Words("Drivers switch on their fog lamps and creep along.", "司机打开雾灯慢慢开。"),
        Words("The ship sounds its horn, for the captain sees nothing.", "船长什么也看不见，船鸣起了汽笛。"),
        Words("People can hardly make out the house next door.", "人们几乎看不清隔壁的房子。"),
        Words("The guide loses the way, as all is hidden in white.", "四周白茫茫，向导迷了路。"),
    ),
    "storm": (
        Words("The dog hides under the bed at every bang from above.", "天上每响一声，狗就躲到床下。"),
        Words("Swimmers must leave the water at once, for it may strike.", "可能遭雷击，游泳的人必须马上上岸。"),
        Words("People pull out the plugs and count seconds until the bang.", "人们拔掉插头，数着秒等巨响。"),
        Words("Nobody may stand under a tree, for it could be struck.", "谁也不能站在树下，会被击中。"),
    ),
    "rainbow": (
        Words("Children look up and count the seven colours.", "孩子们抬头数七种颜色。"),
        Words("A legend says that gold lies buried where it ends.", "传说它的尽头埋着金子。"),
        Words("Everyone takes photos of the coloured bridge above.", "大家都在拍天上的彩桥。"),
        Words("A girl makes a wish at the sight of the coloured arch.", "女孩看见彩色的拱桥，许了愿。"),
    ),
}


def _scene(source: Scene, name: str) -> Scene:
    """Return the place in one kind of weather; the sun, where one is seen, stands at the upper right."""
    things = tuple(thing for thing in source.things if thing.kind != "rainbow")
    weather: dict[str, Weather] = {"rain": "rain", "fog": "fog", "storm": "storm"}
    scene = replace(source, things=things, weather=weather.get(name, "clear"), sun="right")
    if name != "rainbow":
        return scene
    return scene.adding(Thing("rainbow", "red", 28, source.horizon, 52), behind=True)


def _reasons(name: str) -> tuple[Reason, ...]:
    return (
        Reason("weather_forecast", _LOOKS[name], _FORECAST_MEDIUM[name], _FORECAST_HARD[name]),
        Reason("weather_people", _LOOKS[name], _PEOPLE_MEDIUM[name], _PEOPLE_HARD[name]),
    )


def make_weather(rng: random.Random) -> Setting:
    """Draw one of five kinds of weather; the changes are the other four."""
    kinds = tuple(_DESCRIPTIONS)
    present = rng.choice(kinds)
    source = _scene(Scene("meadow", place(rng), rng.randint(38, 42)), present)
    others = [name for name in kinds if name != present]
    labels = [_OPPOSITES.get(name, "") for name in others]
    changes = []
    for name, label in zip(others, labels, strict=True):
        pair = label if labels.count(label) == 2 else ""
        changes.append(Change(_scene(source, name), _EXPLICIT[name], _reasons(name), {}, ("weather",), pair))
    return Setting(source, _DESCRIPTIONS[present], tuple(changes))


WEATHER = SettingKind(make_weather, ("weather_forecast", "weather_people"))
"""The setting of the weather."""
