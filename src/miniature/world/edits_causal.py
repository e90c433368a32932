"""因果: dominoes, heat and electricity; with the cut strings of `edits_strings` the edit rules of this category."""

from __future__ import annotations

import random
from typing import Literal

from src.miniature.world.edits_strings import cut_balloon_string, cut_rope
from src.miniature.world.palette import COLOURS
from src.miniature.world.phrasing import COLOUR_WORDS, NUMBER_WORDS, SIDE_WORDS, Draft, Rule, Texts, Words, a
from src.miniature.world.scene import Scene, Side, Thing, opposite, towards

_SIDES: tuple[Side, ...] = ("left", "right")

_DOMINOES = Texts(
    description=Words(
        "A row of {count} {colour} dominoes stands on the floor{gap}.", "地板上立着一排{count}块{colour}的骨牌{gap}。"
    ),
    rationale=Words(
        "Each falling domino knocks over the next one as long as it can reach it.", "倒下的骨牌推倒够得着的下一块。"
    ),
    easy=(
        Words(
            "Draw the {fallen} leftmost dominoes tipped over to the {way}.", "把最左边的{fallen}块骨牌画成向{way}倒下。"
        ),
        Words(
            "Tilt {fallen} dominoes, counted from the left, to the {way}; keep any others.",
            "从左边数起，让{fallen}块骨牌向{way}倾倒，其余不变。",
        ),
        Words("Draw {fallen} dominoes on the left fallen to the {way}.", "左边的{fallen}块骨牌画成倒向{way}边。"),
    ),
    medium=(
        Words("Push the leftmost domino to the {way}.", "把最左边的骨牌向{way}推倒。"),
        Words("Knock over the first domino on the left towards the {way}.", "把左边第一块骨牌向{way}碰倒。"),
        Words("Let the domino on the far left fall to the {way}.", "让最左端的骨牌向{way}倒。"),
    ),
    hard=(
        Words("A cat running in from the left bumps into the row.", "一只从左边跑来的猫撞上了这排骨牌。"),
        Words("Somebody taps the row from the left side.", "有人从左侧碰了一下这排骨牌。"),
        Words("A marble hits the row coming from the left.", "一颗弹珠从左边撞上这排骨牌。"),
    ),
)


def _mirrored(words: Words) -> Words:
    """Return a template in which left and right have changed places."""
    english = words.en.replace("left", "\0").replace("right", "left").replace("\0", "right")
    chinese = words.zh.replace("左", "\0").replace("右", "左").replace("\0", "右")
    return Words(english, chinese)


_DOMINOES_FROM_THE_RIGHT = Texts(
    _DOMINOES.description,
    _DOMINOES.rationale,
    tuple(map(_mirrored, _DOMINOES.easy)),
    tuple(map(_mirrored, _DOMINOES.medium)),
    tuple(map(_mirrored, _DOMINOES.hard)),
)


def push_domino(rng: random.Random, difficulty: str) -> Draft:
    """A push from one side fells every domino up to the first gap."""
    pushed = rng.choice(_SIDES)
    colour = rng.choice(sorted(COLOURS))
    places = 5
    gap = rng.choice((None, 2, 3))
    floor = rng.randint(54, 58)
    order = [i if pushed == "left" else places - 1 - i for i in range(places)]
    standing = [i for i in order if gap is None or i != order[gap]]
    things = tuple(Thing("domino", colour, 14 + 9 * i, floor, 13) for i in standing)
    source = Scene("room", things, horizon=46, shade=rng.randrange(3))
    fallen = places if gap is None else gap
    target = source
    for index in range(fallen):
        target = target.changing(index, state=opposite(pushed))
    slots = {
        "count": NUMBER_WORDS[len(things)],
        "fallen": NUMBER_WORDS[fallen],
        "colour": COLOUR_WORDS[colour],
        "way": SIDE_WORDS[opposite(pushed)],
        "gap": Words("", "") if gap is None else Words(", with a gap between them", "，中间有一个缺口"),
    }
    texts = _DOMINOES if pushed == "left" else _DOMINOES_FROM_THE_RIGHT
    return Draft(source, target, texts, slots, ("chain reaction",))


_SNOWMAN = Texts(
    description=Words(
        "A snowman with {a_colour} hat stands on the {side} of a meadow, with a tree.",
        "草地{side}边有一个戴{colour}帽子的雪人，还有一棵树。",
    ),
    rationale=Words(
        "Heat melts snow to water, so only a puddle and the hat are left.", "热量把雪融化成水，只剩一滩水和帽子。"
    ),
    easy=(
        Words(
            "Replace the snowman with a blue puddle and put the {colour} hat on it.",
            "把雪人换成一滩蓝色的水，上面放{colour}的帽子。",
        ),
        Words(
            "Erase the snowman; draw a blue puddle with the {colour} hat at the same place.",
            "擦掉雪人，在原地画蓝色的水坑和{colour}的帽子。",
        ),
        Words(
            "Draw a blue puddle and {a_colour} hat on the {side} instead of the snowman.",
            "在{side}边画蓝色的水坑和{colour}的帽子，代替雪人。",
        ),
    ),
    medium=(
        Words("Melt the snowman.", "让雪人融化。"),
        Words("Let the snowman melt in the sun.", "让雪人在阳光下融化。"),
        Words("Show the snowman after melting completely.", "展示雪人完全融化后的样子。"),
    ),
    hard=(
        Words("Show this place after a hot afternoon.", "展示炎热的下午过后这里的样子。"),
        Words("It has been thirty degrees warm for some hours.", "三十度的高温持续了几个小时。"),
        Words("A heat wave arrives in the meadow.", "热浪来到了草地。"),
    ),
)


def melt_snowman(rng: random.Random, difficulty: str) -> Draft:
    """A snowman melts; a puddle and the hat are left."""
    side = rng.choice(_SIDES)
    out = towards(side)
    colour = rng.choice([name for name in sorted(COLOURS) if name not in ("blue", "white", "green")])
    ground = rng.randint(52, 56)
    snowman = Thing("snowman", colour, 32 + out * rng.randint(9, 16), ground, rng.choice((14, 16)))
    tree = Thing("tree", "green", 32 - out * rng.randint(13, 18), ground - 3, 15)
    sun = rng.choice(_SIDES)
    source = Scene("meadow", (tree, snowman), horizon=rng.randint(38, 42), sun=sun)
    slots = {
        "colour": COLOUR_WORDS[colour],
        "a_colour": a(COLOUR_WORDS[colour]),
        "side": SIDE_WORDS[side],
    }
    return Draft(source, source.changing(1, kind="puddle", size=20), _SNOWMAN, slots, ("heat", "melting"))


_LAMP_OFF = Texts(
    description=Words(
        "{a_colour} lamp lights the {side} side of a dark room.", "{colour}的灯照亮了昏暗房间的{side}边。"
    ),
    rationale=Words(
        "Without power the lamp sends no light, so the light cone and the lit floor vanish.",
        "断电后灯不再发光，光柱和被照亮的地面都消失了。",
    ),
    easy=(
        Words(
            "Remove the yellow light cone below the {colour} lamp and make everything dark.",
            "去掉{colour}的灯下面的黄色光柱，让一切变暗。",
        ),
        Words(
            "Erase the yellow light on the {side} and paint lamp, wall and floor there dark.",
            "擦掉{side}边的黄色灯光，把那里的灯、墙和地板画暗。",
        ),
        Words(
            "Delete the yellow light below the lamp; dim the things that it lit.",
            "删除灯下的黄色灯光，把照亮的东西变暗。",
        ),
    ),
    medium=(
        Words("Switch the lamp off.", "把灯关掉。"),
        Words("Turn off the {colour} lamp.", "关掉{colour}的灯。"),
        Words("Let the lamp stop shining.", "让灯不再发光。"),
    ),
    hard=(
        Words("Somebody pulls the plug.", "有人拔掉了插头。"),
        Words("A power cut hits the house.", "房子停电了。"),
        Words("The bulb burns out.", "灯泡烧坏了。"),
    ),
)
_LAMP_ON = Texts(
    description=Words(
        "{a_colour} lamp hangs unlit on the {side} side of a dark room.",
        "昏暗房间的{side}边挂着一盏没有亮的{colour}的灯。",
    ),
    rationale=Words(
        "With power the lamp shines again and lights what is below it.", "通电后灯重新发光，照亮下面的东西。"
    ),
    easy=(
        Words(
            "Draw a yellow light cone below the {colour} lamp down to the floor and brighten what is in it.",
            "在{colour}的灯下画黄色的光柱直到地板，照亮其中的东西。",
        ),
        Words(
            "Draw yellow light on the {side} from the lamp to the floor and paint the lamp bright.",
            "{side}边从灯到地板画黄色的灯光，把灯画亮。",
        ),
        Words(
            "Add a yellow cone of light under the lamp; brighten the things in it.",
            "在灯下加上黄色的光柱，让其中的东西变亮。",
        ),
    ),
    medium=(
        Words("Switch the lamp on.", "把灯打开。"),
        Words("Turn on the {colour} lamp.", "打开{colour}的灯。"),
        Words("Let the lamp shine.", "让灯亮起来。"),
    ),
    hard=(
        Words("The power cut is over.", "停电结束了。"),
        Words("Somebody comes home and wants to read.", "有人回家想看书。"),
        Words("The electrician puts in a new bulb.", "电工换上了新灯泡。"),
    ),
)


def switch_lamp(rng: random.Random, difficulty: str) -> Draft:
    """A hanging lamp goes off or on; its light cone goes or comes."""
    switches_off = rng.random() < 0.5
    old, new = ("on", "off") if switches_off else ("off", "on")
    side = rng.choice(_SIDES)
    out = towards(side)
    colour = rng.choice(sorted(COLOURS))
    x = 32 + out * rng.randint(10, 15)
    kinds: list[Literal["ball", "box"]] = ["ball", "box"]
    rng.shuffle(kinds)
    things = (
        Thing("lamp", colour, x, rng.randint(17, 22), 15, old),
        Thing(kinds[0], rng.choice(sorted(COLOURS)), x + rng.randint(-4, 4), 57, 10),
        Thing(kinds[1], rng.choice(sorted(COLOURS)), 32 - out * rng.randint(15, 20), 57, 10),
    )
    source = Scene("room", things, horizon=47, shade=rng.randrange(3), time="night")
    slots = {
        "colour": COLOUR_WORDS[colour],
        "a_colour": a(COLOUR_WORDS[colour]),
        "side": SIDE_WORDS[side],
    }
    texts = _LAMP_OFF if switches_off else _LAMP_ON
    return Draft(source, source.changing(0, state=new), texts, slots, ("electricity", "light"))


CAUSAL: dict[str, Rule] = {
    "cut_balloon_string": cut_balloon_string,
    "cut_rope": cut_rope,
    "push_domino": push_domino,
    "melt_snowman": melt_snowman,
    "switch_lamp": switch_lamp,
}
"""The edit rules of the category 因果."""
