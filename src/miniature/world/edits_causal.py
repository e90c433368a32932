"""因果: dominoes and snowmen; with `edits_lamps` and `edits_strings` the settings of this category."""

from __future__ import annotations

import random

from src.miniature.world.edits_lamps import lamps
from src.miniature.world.edits_strings import balloons, ropes
from src.miniature.world.palette import COLOURS
from src.miniature.world.phrasing import COLOUR_WORDS, SIDE_WORDS, Change, Reason, Setting, SettingKind, Words, fill
from src.miniature.world.scene import Scene, Side, Thing, opposite, towards

_SIDES: tuple[Side, ...] = ("left", "right")

_TIP_ALL = (
    Words("Draw all five dominoes fallen to the {way}.", "把五块骨牌都画成向{way}倒下。"),
    Words("Tilt every domino to the {way}.", "让每块骨牌都向{way}倾倒。"),
    Words("Draw the whole row tipped over to the {way}.", "把整排骨牌画成倒向{way}边。"),
    Words("Tip all the dominoes over to the {way} side.", "让所有骨牌倒向{way}侧。"),
)
_TIP_TWO = (
    Words(
        "Draw the two {colour} dominoes on the {side} fallen to the {way}.",
        "把{side}边的两块{colour}骨牌画成向{way}倒下。",
    ),
    Words(
        "Tilt two dominoes on the {side} to the {way}; keep the others.", "让{side}边的两块骨牌向{way}倾倒，其余不变。"
    ),
    Words(
        "Draw two dominoes on the {side} tipped over to the {way}, the rest upright.",
        "{side}边的两块骨牌画成倒向{way}边，其余直立。",
    ),
    Words("Tip the first two dominoes on the {side} over to the {way} side.", "让{side}边前两块骨牌倒向{way}侧。"),
)
_CHAIN = Words(
    "Each falling domino knocks over the next one, so the whole row lies to the {way}.",
    "每块倒下的骨牌推倒下一块，所以整排都向{way}倒。",
)
_CAT = Reason(
    "domino_cat",
    _CHAIN,
    (
        Words("Push the first domino on the {side} to the {way}.", "把{side}边第一块骨牌向{way}推倒。"),
        Words("Knock over the outer domino on the {side} towards the {way}.", "把最{side}边的骨牌向{way}碰倒。"),
        Words("Let the domino on the far {side} fall to the {way}.", "让最{side}端的骨牌向{way}倒。"),
        Words("Give the {side} end of the row a push to the {way}.", "在这排骨牌的{side}端向{way}推一下。"),
    ),
    (
        Words("A cat running in from the {side} bumps into the row.", "一只从{side}边跑来的猫撞上了这排骨牌。"),
        Words("Somebody taps the row from the {side}.", "有人从{side}侧碰了一下这排骨牌。"),
        Words("A child pokes the {side} end of the row with a finger.", "孩子用手指戳了一下这排骨牌的{side}端。"),
        Words("A dog wags its tail against the {side} end of the row.", "小狗的尾巴扫到了这排骨牌的{side}端。"),
    ),
)
_MARBLE = Reason(
    "domino_marble",
    _CHAIN,
    (
        Words("Start the chain reaction from the {side}.", "从{side}边开始连锁反应。"),
        Words("Let the row topple, beginning at the {side}.", "让这排骨牌从{side}边开始倒。"),
        Words("Set off the dominoes at their {side} end.", "从{side}端触发骨牌。"),
        Words("Make the row fall down starting with the domino on the {side}.", "让骨牌从{side}边那块开始接连倒。"),
    ),
    (
        Words("A marble comes rolling from the {side} and hits the row.", "一颗弹珠从{side}边滚来撞上骨牌。"),
        Words("A toy train from the {side} does not brake before the row.", "玩具火车从{side}边开来，没有刹住。"),
        Words("A strong gust blows in from the {side}.", "一阵强风从{side}边吹来。"),
        Words("A book falls from the {side} against the row.", "一本书从{side}边倒过来砸到骨牌。"),
    ),
)
_GLUE = Reason(
    "domino_glue",
    Words(
        "The {middle} domino holds fast, so the push from the {side} ends there.",
        "{middle}骨牌纹丝不动，所以{side}边来的推力到它为止。",
    ),
    (
        Words("Hold the {middle} domino and push the row from the {side}.", "按住{middle}骨牌，从{side}边推这排骨牌。"),
        Words(
            "Fix the {middle} domino and knock the row over from the {side}.", "固定{middle}骨牌，从{side}边碰倒骨牌。"
        ),
        Words(
            "Push the row from the {side}, but the {middle} domino cannot fall.",
            "从{side}边推骨牌，但{middle}骨牌倒不了。",
        ),
        Words(
            "Let the chain reaction from the {side} stop at the {middle} domino.",
            "让{side}边来的连锁反应停在{middle}骨牌。",
        ),
    ),
    (
        Words(
            "The {middle} domino is glued down, and a mouse bumps into the row from the {side}.",
            "{middle}骨牌粘住了，一只老鼠从{side}边撞上骨牌。",
        ),
        Words(
            "The {middle} domino is of solid lead; somebody flicks the row from the {side}.",
            "{middle}骨牌是实心铅块，有人从{side}边弹了一下。",
        ),
        Words(
            "The {middle} domino is nailed to the floor when a toy car hits from the {side}.",
            "{middle}骨牌钉在地上，玩具车从{side}边撞来。",
        ),
        Words(
            "A screw holds the {middle} domino; a bird flies against the {side} end of the row.",
            "螺丝固定着{middle}骨牌，小鸟撞到骨牌的{side}端。",
        ),
    ),
)


_PAINTED = (0, 1, 3, 4, 2)
"""The order in which the places of the row are painted: the middle one in front of what leans on it."""
_FROM_LEFT = (0, 1, 4, 2, 3)
"""Where the dominoes are in that order, from left to right."""


def _dominoes(rng: random.Random) -> Setting:
    """Make a row of five dominoes that may be pushed from either side and be held in the middle."""
    colour, middle = rng.sample(sorted(COLOURS), 2)
    floor, x = rng.randint(54, 58), rng.randint(-1, 1)
    things = tuple(Thing("domino", middle if i == 2 else colour, 32 + x + 8 * (i - 2), floor, 13) for i in _PAINTED)
    source = Scene("room", things, horizon=46, shade=rng.randrange(3))
    changes = []
    for side in _SIDES:
        way = opposite(side)
        order = _FROM_LEFT if side == "left" else _FROM_LEFT[::-1]
        slots = {
            "side": SIDE_WORDS[side],
            "way": SIDE_WORDS[way],
            "colour": COLOUR_WORDS[colour],
            "middle": COLOUR_WORDS[middle],
        }
        for count, explicit, reasons, label in (
            (5, _TIP_ALL, (_CAT, _MARBLE), "side:push"),
            (2, _TIP_TWO, (_GLUE,), "side:stopped"),
        ):
            target = source
            for index in order[:count]:
                target = target.changing(index, state=way)
            changes.append(Change(target, explicit, reasons, slots, ("chain reaction",), label))
    description = fill(
        Words(
            "A row of five dominoes stands on the floor, four of them {colour}, the middle one {middle}.",
            "地板上立着一排五块骨牌，四块{colour}，中间一块{middle}。",
        ),
        {"colour": COLOUR_WORDS[colour], "middle": COLOUR_WORDS[middle]},
    )
    return Setting(source, description, tuple(changes))


_DRAW_PUDDLE = (
    Words(
        "Remove the snowman with the {colour} hat; draw a blue puddle with the hat there.",
        "去掉{colour}帽子的雪人，在那里画蓝色水坑和帽子。",
    ),
    Words(
        "Draw a blue puddle and the {colour} hat on the {side} instead of the snowman.",
        "在{side}边画蓝色水坑和{colour}帽子，代替雪人。",
    ),
    Words(
        "Replace the snowman on the {side} by a blue puddle with the {colour} hat on it.",
        "把{side}边的雪人换成蓝色水坑，上面放{colour}帽子。",
    ),
    Words(
        "Erase the {side} snowman; draw its {colour} hat in a blue puddle on the ground.",
        "擦掉{side}边的雪人，把{colour}帽子画在地上的蓝色水坑里。",
    ),
)
_FIRE = Reason(
    "snow_heat",
    Words(
        "Heat melts snow to water, so only a puddle and the {colour} hat are left.",
        "热量把雪融化成水，只剩一滩水和{colour}帽子。",
    ),
    (
        Words("Melt the snowman with the {colour} hat.", "让戴{colour}帽子的雪人融化。"),
        Words("Let the {side} snowman melt.", "让{side}边的雪人化掉。"),
        Words("Heat the snowman with the {colour} hat.", "给戴{colour}帽子的雪人加热。"),
        Words("Show the {side} snowman thawed.", "展示{side}边的雪人化开的样子。"),
    ),
    (
        Words("A camp fire has burned for an hour beside the {colour} hat.", "{colour}帽子旁边的篝火烧了一个小时。"),
        Words(
            "Somebody pours kettles of boiling water over the {side} snowman.", "有人往{side}边的雪人上浇了几壶开水。"
        ),
        Words(
            "A heater is left running at the snowman with the {colour} hat.", "暖风机一直对着戴{colour}帽子的雪人吹。"
        ),
        Words(
            "The wearer of the {colour} hat had thirty degrees around it all day.",
            "戴{colour}帽子的那个整天待在三十度的高温里。",
        ),
    ),
)
_DRAW_BIG = (
    Words("Draw the snowman with the {colour} hat much bigger.", "把戴{colour}帽子的雪人画大很多。"),
    Words(
        "Draw the {side} snowman bigger and taller, its hat higher up.", "把{side}边的雪人画得更大更高，帽子也更高。"
    ),
    Words(
        "Enlarge the snowman on the {side}; keep the {colour} hat on top.", "放大{side}边的雪人，{colour}帽子还在头顶。"
    ),
    Words("Draw the snowman on the {side} about half as big again.", "把{side}边的雪人画大一半左右。"),
)
_CHILDREN = Reason(
    "snow_children",
    Words("More snow makes the snowman larger and lifts the {colour} hat.", "雪多了，雪人变大，{colour}帽子也升高了。"),
    (
        Words("Add snow to the snowman with the {colour} hat.", "给戴{colour}帽子的雪人加雪。"),
        Words("Let the {side} snowman grow.", "让{side}边的雪人长大。"),
        Words("Put more snow on the {side} snowman.", "往{side}边的雪人上再堆雪。"),
        Words("Build up the snowman with the {colour} hat.", "把戴{colour}帽子的雪人堆得更高。"),
    ),
    (
        Words(
            "Children keep rolling snow on to the one with the {colour} hat.",
            "孩子们不停地把雪滚到戴{colour}帽子的那个上。",
        ),
        Words("The {side} snowman shall win the contest for the largest.", "{side}边的雪人要赢得最大雪人比赛。"),
        Words(
            "A whole school class works on the {side} snowman with shovels of snow.",
            "全班同学用铲子给{side}边的雪人添雪。",
        ),
        Words("A snow cannon was aimed at the {colour} hat's owner all night.", "造雪机整夜对着{colour}帽子的主人喷。"),
    ),
)
_MEDIUM, _LARGE = 12, 18


def _snowmen(rng: random.Random) -> Setting:
    """Make two snowmen, either of which may melt or grow."""
    colours = rng.sample([name for name in sorted(COLOURS) if name not in ("blue", "white", "green")], 2)
    ground, x = rng.randint(53, 58), rng.randint(-1, 1)
    things = tuple(
        Thing("snowman", colour, 32 + x + 15 * towards(side), ground, _MEDIUM)
        for side, colour in zip(_SIDES, colours, strict=True)
    )
    source = Scene("meadow", things, horizon=rng.randint(38, 42), sun=rng.choice(_SIDES))
    changes = []
    for index, side in enumerate(_SIDES):
        slots = {"colour": COLOUR_WORDS[colours[index]], "side": SIDE_WORDS[side]}
        melted, grown = source.changing(index, kind="puddle", size=20), source.changing(index, size=_LARGE)
        label = f"melt_grow:{side} snowman"
        changes += [
            Change(melted, _DRAW_PUDDLE, (_FIRE,), slots, ("heat", "melting"), label),
            Change(grown, _DRAW_BIG, (_CHILDREN,), slots, ("snow", "growing"), label),
        ]
    description = fill(
        Words(
            "Two snowmen of one size on a meadow; the hat on the left is {left}, the one on the right {right}.",
            "草地上有两个同样大的雪人，左边的戴{left}帽子，右边的戴{right}帽子。",
        ),
        {"left": COLOUR_WORDS[colours[0]], "right": COLOUR_WORDS[colours[1]]},
    )
    return Setting(source, description, tuple(changes))


CAUSAL: dict[str, SettingKind] = {
    "lamps": lamps,
    "dominoes": SettingKind(_dominoes, ("domino_cat", "domino_marble", "domino_glue")),
    "snowmen": SettingKind(_snowmen, ("snow_heat", "snow_children")),
    "balloons": balloons,
    "ropes": ropes,
}
"""The settings of the category 因果."""
