"""环境: night, sunset, rain, snow and autumn come over the same place."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from src.miniature.world.palette import COLOURS
from src.miniature.world.phrasing import MEASURES, SIDE_WORDS, Draft, Rule, Texts, Words, a, named
from src.miniature.world.scene import Backdrop, Scene, Season, Side, Thing, opposite

_SIDES: tuple[Side, ...] = ("left", "right")
_SUNNY: tuple[Season, ...] = ("summer", "autumn")
_GROUNDS: tuple[Backdrop, ...] = ("meadow", "sand")

_DESCRIPTION = Words(
    "{a_house} and a tree on a sunny day, the sun at the upper {sun}.", "晴天里有{a_house}和一棵树，太阳在{sun}上角。"
)

_NIGHT = Texts(
    description=_DESCRIPTION,
    rationale=Words(
        "At night the sky is dark, everything is dimmed, the moon shines and people light their windows.",
        "夜里天空变暗，万物昏暗，月亮升起，窗户亮灯。",
    ),
    easy=(
        Words(
            "Paint the sky dark blue, turn the sun into a white moon, darken the ground and light the windows yellow.",
            "把天空涂成深蓝色，太阳换成白色的月亮，地面变暗，窗户亮起黄灯。",
        ),
        Words(
            "Make the sky dark blue with a white moon at the upper {sun}, dim everything, paint the windows yellow.",
            "天空变成深蓝色，{sun}上角画白色的月亮，一切变暗，窗户涂成黄色。",
        ),
        Words(
            "Draw a dark blue sky, a white moon instead of the sun, a dark ground without shadows and yellow windows.",
            "画深蓝色的天空，用白色的月亮代替太阳，地面变暗没有影子，窗户是黄色。",
        ),
    ),
    medium=(
        Words("Turn the scene into night.", "把场景变成夜晚。"),
        Words("Make it night.", "让天黑下来，变成夜晚。"),
        Words("Show this place at night.", "展示这个地方夜晚的样子。"),
    ),
    hard=(
        Words("Show the same place at midnight.", "展示同一个地方午夜十二点的样子。"),
        Words("The owls come out and people switch on their lamps.", "猫头鹰出来了，人们点亮了灯。"),
        Words("Show it twelve hours after noon.", "展示正午过后十二个小时的样子。"),
    ),
)

_SUNSET = Texts(
    description=_DESCRIPTION,
    rationale=Words(
        "The setting sun is low and red, the sky glows orange and the shadows grow long.",
        "落日又低又红，天空呈橙色，影子变长。",
    ),
    easy=(
        Words(
            "Paint the sky orange, draw a red sun low at the {sun} horizon and long shadows to the {away}.",
            "把天空涂成橙色，{sun}边地平线上画红色的太阳，影子向{away}拉长。",
        ),
        Words(
            "Make the sky orange, move the sun down to the horizon and paint it red, lengthen the shadows.",
            "天空变成橙色，太阳降到地平线并涂成红色，影子变长。",
        ),
        Words(
            "Draw an orange sky, a red sun on the horizon at the {sun}, a darker ground and long shadows.",
            "画橙色的天空，{sun}边地平线上红色的太阳，地面变暗，影子很长。",
        ),
    ),
    medium=(
        Words("Turn the scene into sunset.", "把场景变成日落。"),
        Words("Make the sun set.", "让太阳落山。"),
        Words("Show this place at sunset.", "展示这个地方日落时的样子。"),
    ),
    hard=(
        Words("The day is nearly over and the birds fly home.", "一天快要结束，鸟儿归巢。"),
        Words("Show the last minutes of daylight.", "展示白天的最后几分钟。"),
        Words("Show it just before darkness falls.", "展示天黑之前的片刻。"),
    ),
)

_RAIN = Texts(
    description=_DESCRIPTION,
    rationale=Words(
        "Rain clouds hide the sun, so shadows vanish, the light turns grey and puddles form.",
        "雨云遮住太阳，影子消失，光线变灰，地上积水。",
    ),
    easy=(
        Words(
            "Paint the sky grey, remove the sun and the shadows, draw white rain drops and blue puddles on the ground.",
            "把天空涂成灰色，去掉太阳和影子，画上白色的雨滴和地上蓝色的水坑。",
        ),
        Words(
            "Make the sky grey without sun, darken the ground, remove shadows, add rain drops and two blue puddles.",
            "天空变成灰色没有太阳，地面变暗，去掉影子，加上雨滴和两个蓝色的水坑。",
        ),
        Words(
            "Draw a grey sky, falling rain drops and blue puddles; erase the sun and the shadows.",
            "画灰色的天空、落下的雨滴和蓝色的水坑，擦掉太阳和影子。",
        ),
    ),
    medium=(
        Words("Make it rain.", "让天下雨。"),
        Words("Turn the weather into rain.", "把天气变成雨天。"),
        Words("Show this place in the rain.", "展示这个地方下雨的样子。"),
    ),
    hard=(
        Words("Anyone who goes out now needs an umbrella.", "现在出门必须带伞。"),
        Words("The farmer's wish after the long drought comes true.", "久旱之后，农夫的愿望成真了。"),
        Words("The frogs rejoice and everyone runs for cover.", "青蛙欢叫，人人跑去避雨。"),
    ),
)

_SNOW = Texts(
    description=_DESCRIPTION,
    rationale=Words(
        "Snow covers ground, roof and tree, and the clouds that bring it hide the sun.",
        "雪盖住地面、屋顶和树，带来雪的云遮住了太阳。",
    ),
    easy=(
        Words(
            "Paint ground and roof white, the sky light grey, remove sun and shadows, snow on the tree, white flakes.",
            "把地面和屋顶涂成白色，天空浅灰色，去掉太阳和影子，树上盖雪，加上白色的雪花。",
        ),
        Words(
            "Make the ground white, the sky light grey without sun, cover roof and tree with snow, draw white flakes.",
            "地面变白，天空浅灰没有太阳，屋顶和树盖上雪，画上白色的雪花。",
        ),
        Words(
            "Draw white snow on ground, roof and tree, a light grey sky, white flakes; erase the sun and the shadows.",
            "在地面、屋顶和树上画白雪，天空浅灰色，飘着白色的雪花，擦掉太阳和影子。",
        ),
    ),
    medium=(
        Words("Make it snow.", "让天下雪。"),
        Words("Turn the scene into a snowy winter.", "把场景变成下雪的冬天。"),
        Words("Show this place on a snowy day.", "展示这个地方下雪天的样子。"),
    ),
    hard=(
        Words("Children take out their sledges.", "孩子们拿出了雪橇。"),
        Words("Show it in the coldest week of January, with flakes in the air.", "展示一月最冷、雪花飘飘的那一周。"),
        Words("Thick clouds come and the thermometer falls far below zero.", "乌云密布，气温降到零下很多度。"),
    ),
)

_AUTUMN = Texts(
    description=_DESCRIPTION,
    rationale=Words(
        "In autumn leaves turn orange and grass turns to the colour of straw.", "秋天树叶变成橙色，草地枯黄。"
    ),
    easy=(
        Words("Paint the tree orange and the ground brownish yellow.", "把树涂成橙色，地面涂成枯黄色。"),
        Words("Make the leaves of the tree orange and the grass brownish yellow.", "让树叶变成橙色，草地变成枯黄色。"),
        Words("Draw orange leaves on the tree and a brownish yellow ground.", "给树画上橙色的叶子，地面画成枯黄色。"),
    ),
    medium=(
        Words("Turn the season into autumn.", "把季节变成秋天。"),
        Words("Make it autumn.", "让这里变成秋天。"),
        Words("Show this place in autumn.", "展示这个地方秋天的样子。"),
    ),
    hard=(
        Words("Show the same place in October.", "展示同一个地方十月的样子。"),
        Words("Summer is over and the swallows fly south.", "夏天过去了，燕子南飞。"),
        Words("Show it a few weeks before winter comes.", "展示冬天到来前几周的样子。"),
    ),
)


def _place(rng: random.Random, season: Season) -> tuple[Scene, dict[str, Words]]:
    """Return a sunny place with a house, a tree and sometimes a third thing, and the slots that name them."""
    ground = rng.randint(47, 50)
    house = Thing("house", rng.choice(sorted(COLOURS)), rng.randint(20, 24), ground, rng.choice((18, 20, 22)))
    things = [house, Thing("tree", "green", rng.randint(41, 46), ground + rng.randint(0, 4), rng.choice((13, 15, 17)))]
    third = rng.choice(("none", "person", "box", "ball"))
    if third != "none":
        things.append(Thing(third, rng.choice(sorted(COLOURS)), 33, ground + 6, 15 if third == "person" else 9))
    if rng.random() < 0.5:
        things = [replace(thing, x=64 - thing.x) for thing in things]
    sun = rng.choice(_SIDES)
    backdrop = "meadow" if season == "summer" else rng.choice(_GROUNDS)
    cloud = rng.choice((None, 28, 36))
    scene = Scene(backdrop, tuple(things), rng.randint(38, 42), season=season, sun=sun, cloud=cloud)
    slots = {
        "a_house": a(named(house.colour, "house"), MEASURES["house"]),
        "sun": SIDE_WORDS[sun],
        "away": SIDE_WORDS[opposite(sun)],
    }
    return scene, slots


def _change(texts: Texts, tags: tuple[str, ...], **changes: Any) -> Rule:
    """Return the rule that sets fields of a sunny place."""

    def rule(rng: random.Random, difficulty: str) -> Draft:
        season: Season = "summer" if "season" in changes else rng.choice(_SUNNY)
        source, slots = _place(rng, season)
        return Draft(source, replace(source, **changes), texts, slots, tags)

    return rule


ENVIRONMENT: dict[str, Rule] = {
    "make_night": _change(_NIGHT, ("time of day", "light"), time="night"),
    "make_sunset": _change(_SUNSET, ("time of day", "light"), time="sunset"),
    "make_rain": _change(_RAIN, ("weather",), weather="rain"),
    "make_snow": _change(_SNOW, ("weather", "season"), weather="snow", season="winter"),
    "make_autumn": _change(_AUTUMN, ("season",), season="autumn"),
}
"""The edit rules of the category 环境."""
