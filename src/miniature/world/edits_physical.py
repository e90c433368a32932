"""物理: light and shadow, reflection, support, gravity, balance."""

from __future__ import annotations

import random
from dataclasses import replace

from src.miniature.world.palette import COLOURS
from src.miniature.world.phrasing import (
    COLOUR_WORDS,
    KIND_WORDS,
    MEASURES,
    SIDE_WORDS,
    Draft,
    Rule,
    Texts,
    Words,
    a,
    named,
)
from src.miniature.world.scene import (
    SCALE_ARM,
    Backdrop,
    Scene,
    Side,
    Thing,
    opposite,
    pan_height,
    slope_surface,
    towards,
)

_SIDES: tuple[Side, ...] = ("left", "right")
_OUTDOORS: tuple[Backdrop, ...] = ("meadow", "sand")

_MOVE_LIGHT = Texts(
    description=Words(
        "{a_thing} in the open; the sun is in the upper {old} corner.", "空地上有{a_thing}，太阳在{old}上角。"
    ),
    rationale=Words(
        "Shadows fall on the side away from the sun, so they now point to the {old}.",
        "影子总在背对太阳的一侧，所以现在朝{old}。",
    ),
    easy=(
        Words(
            "Draw the sun in the upper {new} corner and the shadows pointing to the {old}.",
            "把太阳画在{new}上角，影子画向{old}边。",
        ),
        Words(
            "Move the sun to the upper {new} corner and flip the shadows to the {old} side.",
            "把太阳移到{new}上角，影子翻到{old}侧。",
        ),
        Words(
            "Erase the sun at the upper {old}, draw it at the upper {new}, and draw the shadows to the {old}.",
            "擦掉{old}上角的太阳，画到{new}上角，影子画到{old}边。",
        ),
    ),
    medium=(
        Words("Move the sun to the {new} side of the sky.", "把太阳移到天空的{new}边。"),
        Words("Let the sunlight come from the {new}.", "让阳光从{new}边照过来。"),
        Words("Put the sun on the other side.", "把太阳放到另一边。"),
    ),
    hard=(
        Words(
            "Show this place half a day later, when the sun has crossed the sky.", "展示半天之后太阳越过天空的样子。"
        ),
        Words("Morning turns to late afternoon here.", "这里从早晨到了下午晚些时候。"),
        Words("Let the daylight hours pass by.", "让白天的时光流逝过去。"),
    ),
)


def move_light(rng: random.Random, difficulty: str) -> Draft:
    """The sun changes sides; shadows follow."""
    sun = rng.choice(_SIDES)
    ground = rng.randint(48, 54)
    kinds = {"house": 18.0, "tree": 14.0, "box": 12.0, "ball": 12.0, "person": 17.0}
    first, second = rng.sample(sorted(kinds), 2)
    things = [Thing(first, rng.choice(sorted(COLOURS)), rng.randint(18, 24), ground, kinds[first])]
    if rng.random() < 0.7:
        things.append(Thing(second, rng.choice(sorted(COLOURS)), rng.randint(40, 46), ground + 3, kinds[second]))
    if rng.random() < 0.5:
        things = [replace(thing, x=64 - thing.x) for thing in things]
    source = Scene(rng.choice(_OUTDOORS), tuple(things), horizon=rng.randint(36, 42), sun=sun)
    slots = {
        "a_thing": a(KIND_WORDS[first], MEASURES.get(first, "个")),
        "old": SIDE_WORDS[sun],
        "new": SIDE_WORDS[opposite(sun)],
    }
    return Draft(source, replace(source, sun=opposite(sun)), _MOVE_LIGHT, slots, ("light", "shadow"))


_COLOUR_HINTS: dict[str, Words] = {
    "red": Words("a ripe tomato", "熟番茄"),
    "orange": Words("a ripe orange", "橙子"),
    "yellow": Words("a lemon", "柠檬"),
    "green": Words("fresh leaves", "新叶"),
    "blue": Words("a clear deep sea", "深海"),
    "purple": Words("grapes", "葡萄"),
    "white": Words("fresh snow", "新雪"),
    "black": Words("coal", "煤炭"),
}

_WATER = Texts(
    description=Words(
        "{a_thing} stands on the shore of a lake and is mirrored in it.", "湖边有{a_thing}，倒映在水中。"
    ),
    rationale=Words(
        "The water mirrors what stands above it, so the reflection turns {new} too.",
        "水面映出岸上的东西，所以倒影也变成{new}。",
    ),
    easy=(
        Words("Paint the {kind} and its reflection in the water {new}.", "把{kind}和它在水中的倒影都涂成{new}。"),
        Words("Change the colour of the {thing} and its reflection to {new}.", "把{thing}和倒影的颜色改成{new}。"),
        Words("Make the {kind} {new}, and its reflection {new} as well.", "让{kind}变成{new}，倒影也变成{new}。"),
    ),
    medium=(
        Words("Paint the {kind} {new}.", "把{kind}涂成{new}。"),
        Words("Make the {thing} {new}.", "让{thing}变成{new}。"),
        Words("Give the {kind} the colour {new}.", "给{kind}换成{new}。"),
    ),
    hard=(
        Words("The {kind} takes on the colour of {hint}.", "{kind}换上了{hint}的颜色。"),
        Words("Somebody has painted the {kind} the colour of {hint}.", "有人把{kind}刷成了{hint}的颜色。"),
        Words("Let the {kind} on the shore look like {hint} in colour.", "让岸上的{kind}颜色像{hint}一样。"),
    ),
)


def recolour_over_water(rng: random.Random, difficulty: str) -> Draft:
    """A thing on the shore changes its colour; its reflection follows."""
    kind, size = rng.choice((("house", 20.0), ("box", 14.0), ("ball", 14.0), ("car", 20.0)))
    old, new = rng.sample(sorted(COLOURS), 2)
    x, horizon = rng.randint(16, 48), rng.randint(31, 34)
    things = [Thing(kind, old, x, horizon + 3, size)]
    if rng.random() < 0.5:
        things.append(Thing("tree", "green", x + 22 if x < 32 else x - 22, horizon + 3, 12))
    source = Scene("lake", tuple(things), horizon=horizon)
    slots = {
        "a_thing": a(named(old, kind), MEASURES.get(kind, "个")),
        "thing": named(old, kind),
        "kind": KIND_WORDS[kind],
        "new": COLOUR_WORDS[new],
        "hint": _COLOUR_HINTS[new],
    }
    return Draft(source, source.changing(0, colour=new), _WATER, slots, ("reflection", "colour"))


_SUPPORT = Texts(
    description=Words(
        "{a_thing} on a {support} in a room, and {a_other} on the floor.",
        "房间里，{support}上放着{a_thing}，地上有{a_other}。",
    ),
    rationale=Words(
        "Without the {support} nothing holds the {thing} up, so it rests on the floor.",
        "没有了{support}，{thing}失去支撑，落到地板上。",
    ),
    easy=(
        Words(
            "Remove the {support} and draw the {thing} on the floor straight below.",
            "去掉{support}，把{thing}画在正下方的地板上。",
        ),
        Words(
            "Erase the {support}; put the {thing} on the floor at the same side.",
            "擦掉{support}，把{thing}放在同一侧的地板上。",
        ),
        Words(
            "Delete the {support} and move the {thing} straight down to the floor.",
            "删除{support}，把{thing}竖直移到地板上。",
        ),
    ),
    medium=(
        Words("Remove the {support}.", "去掉{support}。"),
        Words("Take the {support} away.", "把{support}拿走。"),
        Words("Show the room without the {support}.", "展示没有{support}的房间。"),
    ),
    hard=(
        Words("The {thing} has just lost the wood that carried it.", "承托{thing}的木头突然不见了。"),
        Words("A carpenter takes back his piece of furniture.", "木匠收回了他的家具。"),
        Words("Show what happens when the only furniture here is sold.", "展示这里唯一的家具被卖掉之后的样子。"),
    ),
)


def remove_support(rng: random.Random, difficulty: str) -> Draft:
    """A table or shelf disappears; what stood on it comes to rest on the floor."""
    floor = rng.randint(54, 58)
    support = rng.choice(("table", "shelf"))
    kind, other = rng.choice((("ball", "box"), ("box", "ball")))
    colour, other_colour = rng.sample(sorted(COLOURS), 2)
    x = rng.randint(18, 22)
    height = floor - 16 if support == "table" else rng.randint(26, 32)
    stand = Thing(support, "black", x, floor if support == "table" else height, 24)
    things: tuple[Thing, ...] = (
        stand,
        Thing(kind, colour, x + rng.randint(-4, 4), height, rng.choice((10, 12))),
        Thing(other, other_colour, rng.randint(46, 52), floor, 11),
    )
    if rng.random() < 0.5:
        things = tuple(replace(thing, x=64 - thing.x) for thing in things)
    source = Scene("room", things, horizon=46, shade=rng.randrange(3))
    slots = {
        "thing": named(colour, kind),
        "a_thing": a(named(colour, kind)),
        "a_other": a(named(other_colour, other)),
        "support": KIND_WORDS[support],
    }
    return Draft(source, source.changing(1, y=floor).without(0), _SUPPORT, slots, ("gravity", "support"))


_SLOPE = Texts(
    description=Words(
        "{a_thing} high on a slope, held by a black block.", "斜坡高处有{a_thing}，被一个黑色的挡块挡着。"
    ),
    rationale=Words(
        "Nothing holds the {thing} any more, so it rolls down to the {low} end of the slope.",
        "没有东西挡住{thing}，它滚到斜坡{low}边的底部。",
    ),
    easy=(
        Words(
            "Remove the black block and draw the {thing} on the floor at the {low} end of the slope.",
            "去掉黑色的挡块，把{thing}画在斜坡{low}端的地板上。",
        ),
        Words(
            "Erase the block; move the {thing} down to the floor on the {low} side.",
            "擦掉挡块，把{thing}移到{low}边坡底的地板上。",
        ),
        Words(
            "Draw the {thing} at the bottom of the slope on the {low} and delete the black block.",
            "把{thing}画在{low}边的坡底，并删除黑色的挡块。",
        ),
    ),
    medium=(
        Words("Take the black block away.", "把黑色的挡块拿走。"),
        Words("Remove the block and let the {thing} go.", "去掉挡块，松开{thing}。"),
        Words("Let the {thing} roll without the block.", "没有挡块，让{thing}滚动。"),
    ),
    hard=(
        Words("What held the {kind} back has gone.", "挡住{kind}的东西没了。"),
        Words("Somebody sets the {kind} free.", "有人放开了{kind}。"),
        Words("Show the slope a moment after the stopper is pulled out.", "展示抽走挡块片刻之后的斜坡。"),
    ),
)


def release_on_slope(rng: random.Random, difficulty: str) -> Draft:
    """The block that holds a ball on a slope is removed; the ball ends at the bottom."""
    high = rng.choice(_SIDES)
    down = towards(opposite(high))
    colour = rng.choice([name for name in sorted(COLOURS) if name != "black"])
    floor, size = rng.randint(54, 58), rng.choice((10, 12))
    slope = Thing("slope", "black", 32 - 8 * down, floor, rng.randint(34, 40), high)
    low_end = slope.x + down * slope.size / 2
    x = low_end - down * slope.size * 0.78
    block_x = x + down * (size / 2 + 2)
    block = Thing("box", "black", block_x, slope_surface(slope, block_x + down * 2.5) + 1, 5.5)
    ball = Thing("ball", colour, x, slope_surface(slope, x) - size * 0.07 + 0.5, size)
    source = Scene("room", (ball, block, slope), horizon=46, shade=rng.randrange(3))
    target = source.changing(0, x=low_end + down * (size / 2 + 1), y=floor).without(1)
    slots = {
        "thing": named(colour, "ball"),
        "a_thing": a(named(colour, "ball")),
        "kind": KIND_WORDS["ball"],
        "low": SIDE_WORDS[opposite(high)],
    }
    return Draft(source, target, _SLOPE, slots, ("gravity", "motion"))


_SCALE = Texts(
    description=Words(
        "A balance scale is level: {a_left} in the left pan, {a_right} in the right pan.",
        "天平保持水平：左盘是{a_left}，右盘是{a_right}。",
    ),
    rationale=Words(
        "The heavier side of a scale sinks, so the {side} pan goes down.", "天平较重的一侧下沉，所以{side}盘向下。"
    ),
    easy=(
        Words(
            "Tilt the scale: draw the {side} pan low and the {other} pan high, each with its box.",
            "让天平倾斜：{side}盘画低，{other}盘画高，箱子跟着盘子。",
        ),
        Words(
            "Draw the {thing} and its pan lower on the {side}, the other pan higher on the {other}.",
            "{side}边的{thing}和盘子画低一些，{other}边的盘子画高一些。",
        ),
        Words(
            "Tip the beam so that the {side} side is down and the {other} side is up.",
            "让横梁倾斜，{side}边向下，{other}边向上。",
        ),
    ),
    medium=(
        Words("Make the {thing} much heavier.", "让{thing}重得多。"),
        Words("The {thing} shall weigh more than the {lighter}.", "让{thing}比{lighter}重。"),
        Words("Put more weight into the {thing}.", "给{thing}增加重量。"),
    ),
    hard=(
        Words("The {thing} gets filled with lead.", "{thing}里装满了铅。"),
        Words("The {lighter} is emptied completely.", "{lighter}被完全掏空了。"),
        Words("Someone secretly hides a gold bar inside the {thing}.", "有人偷偷往{thing}里藏了一根金条。"),
    ),
)


def tip_scale(rng: random.Random, difficulty: str) -> Draft:
    """One of two boxes on a level scale becomes heavier; the scale tips to its side."""
    colours = dict(zip(_SIDES, rng.sample([name for name in sorted(COLOURS) if name != "black"], 2), strict=True))
    heavy = rng.choice(_SIDES)
    scale = Thing("scale", "black", 32 + rng.randint(-3, 3), rng.randint(55, 59), rng.randint(36, 40), "level")
    size = rng.choice((9, 10))

    def weighed(state: str) -> tuple[Thing, ...]:
        tipped = replace(scale, state=state)
        boxes = (
            Thing("box", colours[side], scale.x + towards(side) * SCALE_ARM, pan_height(tipped, side), size)
            for side in _SIDES
        )
        return (tipped, *boxes)

    source = Scene("room", weighed("level"), horizon=48, shade=rng.randrange(3))
    slots = {
        "a_left": a(named(colours["left"], "box")),
        "a_right": a(named(colours["right"], "box")),
        "thing": named(colours[heavy], "box"),
        "lighter": named(colours[opposite(heavy)], "box"),
        "side": SIDE_WORDS[heavy],
        "other": SIDE_WORDS[opposite(heavy)],
    }
    return Draft(source, replace(source, things=weighed(heavy)), _SCALE, slots, ("weight", "balance"))


PHYSICAL: dict[str, Rule] = {
    "move_light": move_light,
    "recolour_over_water": recolour_over_water,
    "remove_support": remove_support,
    "release_on_slope": release_on_slope,
    "tip_scale": tip_scale,
}
"""The edit rules of the category 物理."""
