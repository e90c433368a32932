"""物理: weight on a scale and gravity on a hill; with `edits_physical_light` the settings of this category."""

from __future__ import annotations

import random
from dataclasses import replace

from src.miniature.world.edits_physical_light import recolour_at_lake, sunlight
from src.miniature.world.palette import COLOURS
from src.miniature.world.phrasing import SIDE_WORDS, Change, Reason, Setting, SettingKind, Words, fill, named
from src.miniature.world.scene import SCALE_ARM, Backdrop, Scene, Side, Thing, opposite, pan_height, towards

_SIDES: tuple[Side, ...] = ("left", "right")
_BRIGHT = tuple(colour for colour in sorted(COLOURS) if colour != "black")

_TILT = (
    Words(
        "Move the {thing} and its pan down; move the {lighter} and its pan up.",
        "把{thing}和它的盘子移低，把{lighter}和它的盘子移高。",
    ),
    Words(
        "Draw the {side} pan with the {thing} low and the {other} pan with the {lighter} high.",
        "把{side}盘和{thing}画低，把{other}盘和{lighter}画高。",
    ),
    Words(
        "Tilt the scale to the {side}: the {thing} low, the {lighter} high.",
        "让天平向{side}倾斜：{thing}低，{lighter}高。",
    ),
    Words(
        "Tilt the scale: draw the {side} pan lower and the {other} pan higher.",
        "让天平倾斜：{side}盘画得低，{other}盘画得高。",
    ),
)
_FILL = Reason(
    "scale_fill",
    Words("The {thing} is heavier now, and the heavier side of a scale sinks.", "{thing}变重了，天平较重的一侧下沉。"),
    (
        Words("Make the {thing} much heavier.", "让{thing}重得多。"),
        Words("Put more weight into the {thing}.", "给{thing}增加重量。"),
        Words("The {thing} shall weigh more than the {lighter}.", "让{thing}比{lighter}重。"),
        Words("Give the {thing} twice the weight of the {lighter}.", "让{thing}的重量是{lighter}的两倍。"),
    ),
    (
        Words("The {thing} gets filled with lead.", "{thing}里装满了铅。"),
        Words("Someone secretly hides a gold bar inside the {thing}.", "有人偷偷往{thing}里藏了一根金条。"),
        Words("Wet sand is packed into the {thing}.", "{thing}里塞满了湿沙子。"),
        Words("A child drops a big stone into the {thing}.", "孩子往{thing}里放了一块大石头。"),
    ),
)
_EMPTY = Reason(
    "scale_empty",
    Words(
        "The {lighter} is lighter now, so the scale sinks on the side of the {thing}.",
        "{lighter}变轻了，所以天平向{thing}一侧下沉。",
    ),
    (
        Words("Make the {lighter} much lighter.", "让{lighter}轻得多。"),
        Words("Take the weight out of the {lighter}.", "减去{lighter}里面的重量。"),
        Words("The {lighter} shall weigh less than the {thing}.", "让{lighter}比{thing}轻。"),
        Words("Halve the weight of the {lighter}.", "让{lighter}的重量减半。"),
    ),
    (
        Words("The {lighter} is emptied completely.", "{lighter}被完全掏空了。"),
        Words("All the sand trickles out of the {lighter}.", "{lighter}里的沙子全漏光了。"),
        Words("A thief takes the coins that were in the {lighter}.", "小偷拿走了{lighter}里的硬币。"),
        Words("The {lighter} is swapped for a paper one of the same look.", "{lighter}被换成了同样外观的纸盒。"),
    ),
)
_LIFT = (
    Words("Remove the {gone}; move its pan up and the {stays} down.", "去掉{gone}，把它的盘子移高，把{stays}移低。"),
    Words(
        "Remove the {gone}, draw the {side} pan high and the {other} pan with the {stays} low.",
        "去掉{gone}，把{side}盘画高，把{other}盘和{stays}画低。",
    ),
    Words(
        "Erase the {gone} and tilt the scale to the {other}: the {stays} low, the empty pan high.",
        "擦掉{gone}，让天平向{other}倾斜：{stays}低，空盘高。",
    ),
    Words(
        "Draw the {side} pan empty and higher, the {stays} and its pan lower.",
        "{side}盘画成空的而且更高，{stays}和它的盘子画得更低。",
    ),
)
_TAKE = Reason(
    "scale_take",
    Words(
        "The pan without the {gone} carries nothing, so the side of the {stays} sinks.",
        "没有了{gone}，那边的盘子空了，{stays}一侧下沉。",
    ),
    (
        Words("Take the {gone} off the scale.", "把{gone}从天平上拿走。"),
        Words("Show the scale without the {gone}.", "展示没有{gone}的天平。"),
        Words("Let the {gone} disappear.", "让{gone}消失。"),
        Words("Pick up the {gone} and carry it away.", "拿起{gone}带走。"),
    ),
    (
        Words("A customer buys the {gone} and goes home with it.", "顾客买下{gone}带回了家。"),
        Words("Somebody needs the {gone} in the next room.", "隔壁房间有人需要{gone}。"),
        Words("A monkey runs off with the {gone}.", "猴子抱着{gone}跑了。"),
        Words("The owner of the {gone} comes to fetch it.", "{gone}的主人来把它取走了。"),
    ),
)


def weigh(rng: random.Random) -> Setting:
    """Make a level scale with two boxes, either of which may become heavier, lighter or go away."""
    colours = dict(zip(_SIDES, rng.sample(_BRIGHT, 2), strict=True))
    scale = Thing("scale", "black", 32 + rng.randint(-2, 2), rng.randint(56, 59), 38, "level")

    def weighed(state: str) -> Scene:
        tipped = replace(scale, state=state)
        boxes = (
            Thing("box", colours[side], scale.x + towards(side) * SCALE_ARM, pan_height(tipped, side), 10)
            for side in _SIDES
        )
        return Scene("room", (tipped, *boxes), horizon=48, shade=shade)

    shade = rng.randrange(3)
    boxes: dict[str, Words] = {side: named(colours[side], "box") for side in _SIDES}
    changes = []
    for index, side in enumerate(_SIDES):
        other = opposite(side)
        sides = {"side": SIDE_WORDS[side], "other": SIDE_WORDS[other]}
        tilted = {**sides, "thing": boxes[side], "lighter": boxes[other]}
        lifted = {**sides, "gone": boxes[side], "stays": boxes[other]}
        changes += [
            Change(weighed(side), _TILT, (_FILL, _EMPTY), tilted, ("weight", "balance"), "side:scale"),
            Change(
                weighed(other).without(index + 1), _LIFT, (_TAKE,), lifted, ("weight", "balance"), "which:remove box"
            ),
        ]
    description = fill(
        Words(
            "A balance scale is level: the {left} in the left pan, the {right} in the right pan.",
            "天平保持水平：左盘是{left}，右盘是{right}。",
        ),
        boxes,
    )
    return Setting(weighed("level"), description, tuple(changes))


_DOWN = (
    Words(
        "Remove the block under the {thing} and move the {thing} to the floor on the {side}.",
        "去掉{thing}下面的挡块，把{thing}移到{side}边的地上。",
    ),
    Words(
        "Erase the {side} block; draw the {thing} at the foot of the hill on the {side}.",
        "擦掉{side}边的挡块，把{thing}画在{side}边的坡脚。",
    ),
    Words(
        "Move the {thing} down to the {side} foot of the hill and remove its black block.",
        "把{thing}移到{side}边坡脚，去掉它的黑色挡块。",
    ),
    Words(
        "Draw the {thing} on the floor at the {side} edge; no black block on the {side}.",
        "把{thing}画在{side}边缘的地上，{side}边不要黑色挡块。",
    ),
)
_RELEASE = Reason(
    "hill_release",
    Words(
        "Nothing holds the {thing} any more, so it rolls down the {side} side of the hill.",
        "没有东西挡住{thing}，它从{side}坡滚了下去。",
    ),
    (
        Words("Take away the block that holds the {thing}.", "拿走挡住{thing}的挡块。"),
        Words("Let the {thing} go.", "松开{thing}。"),
        Words("Let the {thing} roll down.", "让{thing}滚下去。"),
        Words("Remove what stops the {thing}.", "去掉挡着{thing}的东西。"),
    ),
    (
        Words("Somebody pulls out the stopper on the {side}.", "有人抽走了{side}边的挡块。"),
        Words("The black block on the {side} was of ice and has melted.", "{side}边的黑色挡块是冰做的，融化了。"),
        Words("A child kicks away what holds the {thing}.", "孩子踢走了挡住{thing}的东西。"),
        Words("The wood below the {thing} was rotten and breaks.", "{thing}下面的木头朽烂断掉了。"),
    ),
)
_UP = (
    Words("Move the {thing} to the top of the hill.", "把{thing}移到坡顶。"),
    Words("Draw the {thing} on top of the hill and keep its block.", "把{thing}画在坡顶，挡块不变。"),
    Words("Move the {thing} up from the {side} side to the top.", "把{thing}从{side}坡向上移到顶部。"),
    Words("Erase the {thing} on the {side} slope; draw it on the hilltop.", "擦掉{side}坡上的{thing}，画到坡顶。"),
)
_WINCH = Reason(
    "hill_winch",
    Words(
        "The pull is stronger than the weight of the {thing}, so it ends at the top.",
        "拉力胜过{thing}的重量，所以它到了坡顶。",
    ),
    (
        Words("Pull the {thing} up.", "把{thing}拉上去。"),
        Words("Let a rope pull the {thing} upwards.", "用绳子把{thing}往上拉。"),
        Words("Tow the {thing} up its slope.", "把{thing}沿坡拖上去。"),
        Words("Haul the {thing} up with a rope.", "用绳子把{thing}吊拉上来。"),
    ),
    (
        Words("A winch on the summit winds in a rope tied to the {thing}.", "坡顶的绞车收紧了系着{thing}的绳子。"),
        Words("A strong magnet on the summit attracts the {thing}.", "坡顶的强磁铁吸引着{thing}。"),
        Words(
            "Somebody on the summit has the {thing} on a line and reels it in.",
            "站在最高处的人用线拴着{thing}，正在收线。",
        ),
        Words(
            "A tractor behind the summit drags the {thing} until it can go no higher.",
            "坡后的拖拉机拽着{thing}，直到它不能再高。",
        ),
    ),
)
_PUSH = Reason(
    "hill_push",
    Words(
        "Somebody pushes harder than the weight of the {thing} pulls, so it ends at the top.",
        "推力胜过{thing}的重量，所以它到了坡顶。",
    ),
    (
        Words("Push the {thing} up.", "把{thing}推上去。"),
        Words("Roll the {thing} uphill.", "把{thing}往坡上滚。"),
        Words("Shove the {thing} upwards along the slope.", "沿着坡把{thing}往上推。"),
        Words("Drive the {thing} uphill by hand.", "用手把{thing}推上坡。"),
    ),
    (
        Words(
            "A strong dog presses against the {thing} from below and does not give up.",
            "一只大狗从下面顶着{thing}，毫不放弃。",
        ),
        Words("Somebody wants the {thing} as high as it can lie.", "有人想让{thing}待在能待的最高处。"),
        Words(
            "A jet of water drives the {thing} uphill until the ground is flat.",
            "水柱冲着{thing}逆坡而行，直到地面变平。",
        ),
        Words("Ten ants roll the {thing} against gravity as far as possible.", "十只蚂蚁逆着重力把{thing}滚到尽头。"),
    ),
)

_HILL_WIDTH = 44.0
_HILL_HEIGHT = 22.0
_BALL = 9.0


def roll(rng: random.Random) -> Setting:
    """Make a hill with a ball held half-way on either side; each may go down or up."""
    colours = dict(zip(_SIDES, rng.sample(_BRIGHT, 2), strict=True))
    backdrops: tuple[Backdrop, ...] = ("room", "meadow")
    x, floor = 32 + rng.randint(-1, 1), rng.randint(56, 59)
    top = floor - _HILL_HEIGHT
    things: list[Thing] = []
    for side in _SIDES:
        out = towards(side)
        things += [
            Thing("box", "black", x + out * 21.5, floor, 10),
            Thing("ball", colours[side], x + out * 16.5, floor - 11, _BALL),
        ]
    hill = Thing("hill", "black", x, floor, _HILL_WIDTH)
    source = Scene(rng.choice(backdrops), (*things, hill), horizon=46, shade=rng.randrange(3))
    changes = []
    for index, side in enumerate(_SIDES):
        ball, block = 2 * index + 1, 2 * index
        foot = x + towards(side) * (_HILL_WIDTH / 2 + _BALL / 2)
        slots = {"thing": named(colours[side], "ball"), "side": SIDE_WORDS[side]}
        down, up = source.changing(ball, x=foot, y=floor).without(block), source.changing(ball, x=x, y=top)
        label, tags = f"up_down:{side} ball", ("gravity", "motion")
        changes += [
            Change(down, _DOWN, (_RELEASE,), slots, tags, label),
            Change(up, _UP, (_WINCH, _PUSH), slots, tags, label),
        ]
    description = fill(
        Words(
            "A hill; a black block holds the {left} on its left slope, another the {right} on its right slope.",
            "一座坡，左坡的{left}和右坡的{right}各被一个黑色挡块挡着。",
        ),
        {side: named(colours[side], "ball") for side in _SIDES},
    )
    return Setting(source, description, tuple(changes))


PHYSICAL: dict[str, SettingKind] = {
    "scale": SettingKind(weigh, ("scale_fill", "scale_empty", "scale_take")),
    "hill": SettingKind(roll, ("hill_release", "hill_winch", "hill_push")),
    "sunlight": sunlight,
    "lake_paint": recolour_at_lake,
}
"""The settings of the category 物理."""
