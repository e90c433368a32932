"""因果: what happens to balloons on strings and to things on ropes."""

from __future__ import annotations

import random

from src.miniature.world.palette import COLOURS
from src.miniature.world.phrasing import SIDE_WORDS, Change, Reason, Setting, SettingKind, Words, fill, named
from src.miniature.world.scene import Scene, Side, Thing

_SIDES: tuple[Side, ...] = ("left", "right")

_RISE = (
    Words("Move the {thing} to the top edge and remove its string.", "把{thing}移到顶部，去掉它的绳子。"),
    Words(
        "Draw the {thing} at the top of the sky; remove the {side} string.",
        "把{thing}画到天空顶部，去掉{side}边的绳子。",
    ),
    Words(
        "Erase the {side} string and move the {thing} up to the top edge.", "擦掉{side}边的绳子，把{thing}移到最上方。"
    ),
    Words("Draw the {thing} high up at the top of the picture, without a string.", "把{thing}画到画面顶部，不要绳子。"),
)
_CUT_STRING = Reason(
    "balloon_cut",
    Words(
        "A balloon is lighter than air, so without its string the {thing} rises.",
        "气球比空气轻，没有了绳子，{thing}就升起来。",
    ),
    (
        Words("Cut the string of the {thing}.", "剪断{thing}的绳子。"),
        Words("Untie the {thing}.", "解开{thing}。"),
        Words("Let the {thing} fly.", "让{thing}飞走。"),
        Words("Set the {thing} free.", "放飞{thing}。"),
    ),
    (
        Words("The knot on the {side} comes loose.", "{side}边的结松开了。"),
        Words("A bird pecks through what ties down the {thing}.", "小鸟啄断了拴住{thing}的东西。"),
        Words("The pin on the {side} box gives way.", "{side}边箱子上的别针脱落了。"),
        Words("A kite's sharp line saws through the cord on the {side}.", "锋利的风筝线割断了{side}边的细绳。"),
    ),
)
_VANISH = (
    Words("Remove the {thing} and its string.", "去掉{thing}和它的绳子。"),
    Words("Erase the {thing} and the string on the {side}.", "擦掉{thing}和{side}边的绳子。"),
    Words(
        "Draw only sky above the {side} box, no balloon and no string.", "{side}边的箱子上面只画天空，不要气球和绳子。"
    ),
    Words(
        "Remove the {side} balloon with its string; keep the box below.", "去掉{side}边的气球和绳子，保留下面的箱子。"
    ),
)
_POP = Reason(
    "balloon_pop",
    Words(
        "A burst balloon holds no gas, so nothing of the {thing} stays in the air.",
        "破了的气球留不住气体，{thing}不再浮在空中。",
    ),
    (
        Words("Burst the {thing}.", "弄破{thing}。"),
        Words("Pop the {thing}.", "把{thing}戳爆。"),
        Words("Let the {thing} explode.", "让{thing}爆开。"),
        Words("Make the {thing} go bang.", "让{thing}“砰”地炸掉。"),
    ),
    (
        Words("A needle touches the {thing}.", "一根针碰到了{thing}。"),
        Words("A dart flies at the {thing} and hits it.", "飞镖射向{thing}并且命中。"),
        Words("The thorns of a rose brush against the {thing}.", "玫瑰的刺划过{thing}。"),
        Words("The {thing} was blown up far beyond what its skin bears.", "{thing}充的气远远超过了它能承受的。"),
    ),
)


def _balloons(rng: random.Random) -> Setting:
    """Make two balloons, each tied to a box; each may rise or burst."""
    colours = rng.sample([name for name in sorted(COLOURS) if name != "white"], 2)
    posts = rng.sample(sorted(COLOURS), 2)
    ground, knot, x = rng.randint(53, 57), rng.randint(32, 35), rng.randint(-2, 2)
    things: list[Thing] = []
    for index, place in enumerate((17 + x, 47 + x)):
        things += [
            Thing("string", "black", place, ground - 8, ground - 8 - knot),
            Thing("balloon", colours[index], place, knot, 12),
            Thing("box", posts[index], place, ground, 9),
        ]
    source = Scene("meadow", tuple(things), horizon=rng.randint(40, 44))
    changes = []
    for index, side in enumerate(_SIDES):
        slots = {"thing": named(colours[index], "balloon"), "side": SIDE_WORDS[side]}
        string, balloon = 3 * index, 3 * index + 1
        risen = source.changing(balloon, y=17).without(string)
        changes += [
            Change(risen, _RISE, (_CUT_STRING,), slots, ("string", "lift"), "which:rise"),
            Change(source.without(string, balloon), _VANISH, (_POP,), slots, ("pressure",), "which:pop"),
        ]
    return Setting(source, fill(_BALLOONS, _both(colours, ["balloon", "balloon"])), tuple(changes))


_BALLOONS = Words(
    "The {left} on the left and the {right} on the right are each tied to a box.",
    "左边是{left}，右边是{right}，各系在一个箱子上。",
)

_FALL = (
    Words("Move the {thing} down to the floor and remove its rope.", "把{thing}移到地板上，去掉它的绳子。"),
    Words(
        "Draw the {thing} on the floor straight below; remove the {side} rope.",
        "把{thing}画在正下方的地板上，去掉{side}边的绳子。",
    ),
    Words("Erase the {side} rope and move the {thing} to the floor.", "擦掉{side}边的绳子，把{thing}移到地板上。"),
    Words("Draw the {thing} on the floor on the {side}, without a rope.", "把{thing}画在{side}边的地板上，不要绳子。"),
)
_FALLS = Words(
    "Without its rope nothing holds the {thing}, so it falls to the floor.", "没有了绳子，{thing}落到地板上。"
)
_SNAP = Reason(
    "rope_cut",
    _FALLS,
    (
        Words("Cut the rope of the {thing}.", "剪断吊着{thing}的绳子。"),
        Words("Take away the rope that holds the {thing}.", "拿走吊着{thing}的绳子。"),
        Words("Untie the {thing} from the beam.", "把{thing}从横梁上解开。"),
        Words("Let the {thing} fall.", "让{thing}掉下来。"),
    ),
    (
        Words("A mouse gnaws on the {side} until something snaps.", "老鼠在{side}边啃，直到什么东西断了。"),
        Words("Sharp scissors close around what holds the {thing}.", "锋利的剪刀夹住了吊着{thing}的东西。"),
        Words("The {side} knot on the beam was badly tied.", "横梁上{side}边的结没有打好。"),
        Words("The cord on the {side} is old, and its last fibre tears.", "{side}边的绳子太旧，最后一根纤维也断了。"),
    ),
)
_FLAME = Reason(
    "rope_flame",
    _FALLS,
    (
        Words("Burn through the rope of the {thing}.", "烧断{thing}的绳子。"),
        Words("Set fire to the {side} rope.", "点燃{side}边的绳子。"),
        Words("Destroy the {side} rope with a flame.", "用火毁掉{side}边的绳子。"),
        Words("Let fire eat up the rope of the {thing}.", "让火烧掉{thing}的绳子。"),
    ),
    (
        Words("A candle burns for a while right at the {side} rope.", "蜡烛紧挨着{side}边的绳子烧了一会儿。"),
        Words("Sparks land on the dry cord above the {thing} and smoulder.", "火星落在{thing}上面的干绳上，阴燃着。"),
        Words("Acid drips on to the cord above the {thing}.", "酸液滴到了{thing}上面的绳子上。"),
        Words(
            "The sun's rays meet, through a lens, on the {side} cord for long.",
            "阳光透过透镜久久地聚在{side}边的绳子上。",
        ),
    ),
)
_HOIST = (
    Words("Move the {thing} up to the beam.", "把{thing}移到横梁下。"),
    Words("Draw the {thing} right under the beam on the {side}.", "把{thing}画在{side}边紧靠横梁的下方。"),
    Words("Move the {thing} up to the top; shorten the {side} rope.", "把{thing}移到顶部，缩短{side}边的绳子。"),
    Words(
        "Draw the {side} rope very short with the {thing} just below the beam.",
        "{side}边的绳子画得很短，{thing}就在横梁下面。",
    ),
)
_PULL = Reason(
    "rope_winch",
    Words("The shorter the rope, the higher hangs the {thing}.", "绳子越短，{thing}挂得越高。"),
    (
        Words("Pull the {thing} up.", "把{thing}拉上去。"),
        Words("Hoist the {thing}.", "吊起{thing}。"),
        Words("Wind in the rope of the {thing}.", "收起{thing}的绳子。"),
        Words("Raise the {thing} on its rope.", "用绳子把{thing}升起来。"),
    ),
    (
        Words(
            "Somebody on the beam hauls in the {side} rope, hand over hand.", "横梁上的人一把一把地收{side}边的绳子。"
        ),
        Words("A motor on the beam winds up what the {thing} hangs on.", "横梁上的电机把吊着{thing}的东西卷了起来。"),
        Words(
            "The {thing} shall be out of a jumping dog's reach, but stay on its rope.",
            "{thing}要让跳起的狗够不着，但仍吊在绳上。",
        ),
        Words("The crane driver pulls the lever “up” for the {side} load.", "吊车司机对{side}边的重物按下了“上升”。"),
    ),
)


def _ropes(rng: random.Random) -> Setting:
    """Make two things that hang on ropes from a beam; each may fall or be pulled up."""
    kinds = [rng.choice(("ball", "box")) for _ in _SIDES]
    colours = rng.sample(sorted(COLOURS), 2)
    floor, bottom, size, x = rng.randint(57, 60), rng.randint(36, 40), 12.0, rng.randint(-2, 2)
    things: list[Thing] = [Thing("hook", "black", 32, 8, 54)]
    for index, place in enumerate((18 + x, 46 + x)):
        things += [
            Thing("string", "black", place, bottom - size + 1, bottom - size - 7),
            Thing(kinds[index], colours[index], place, bottom, size),
        ]
    source = Scene("room", tuple(things), horizon=48, shade=rng.randrange(3))
    changes = []
    for index, side in enumerate(_SIDES):
        slots = {"thing": named(colours[index], kinds[index]), "side": SIDE_WORDS[side]}
        string, thing = 2 * index + 1, 2 * index + 2
        fallen = source.changing(thing, y=floor).without(string)
        raised = source.changing(thing, y=10 + size).changing(string, y=11, size=3)
        label, tags = f"up_down:{side} load", ("string", "gravity")
        changes += [
            Change(fallen, _FALL, (_SNAP, _FLAME), slots, tags, label),
            Change(raised, _HOIST, (_PULL,), slots, tags, label),
        ]
    return Setting(source, fill(_LOADS, _both(colours, kinds)), tuple(changes))


_LOADS = Words(
    "The {left} on the left and the {right} on the right hang on ropes from a beam.",
    "横梁的绳子上，左边挂着{left}，右边挂着{right}。",
)


def _both(colours: list[str], kinds: list[str]) -> dict[str, Words]:
    """Return the names of the left and the right thing."""
    return {side: named(colours[index], kinds[index]) for index, side in enumerate(_SIDES)}


balloons = SettingKind(_balloons, ("balloon_cut", "balloon_pop"))
"""Two balloons tied to boxes."""

ropes = SettingKind(_ropes, ("rope_cut", "rope_flame", "rope_winch"))
"""Two things hanging from a beam."""
