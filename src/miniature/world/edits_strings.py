"""因果: what happens when a string is cut, to a balloon and to a hanging thing."""

from __future__ import annotations

import random

from src.miniature.world.palette import COLOURS
from src.miniature.world.phrasing import SIDE_WORDS, Draft, Texts, Words, a, named
from src.miniature.world.scene import Scene, Side, Thing

_SIDES: tuple[Side, ...] = ("left", "right")

_BALLOON = Texts(
    description=Words(
        "{a_left} on the left and {a_right} on the right, each tied to a box.",
        "左边是{a_left}，右边是{a_right}，各系在一个箱子上。",
    ),
    rationale=Words(
        "A balloon is lighter than air, so without its string the {thing} rises.",
        "气球比空气轻，没有了绳子，{thing}就升起来。",
    ),
    easy=(
        Words("Draw the {thing} at the top of the sky and remove its string.", "把{thing}画到天空顶部，去掉它的绳子。"),
        Words(
            "Move the {thing} up to the top edge and erase the string below it.",
            "把{thing}移到最上方，擦掉下面的绳子。",
        ),
        Words(
            "Erase the {side} string; draw the {thing} high up at the top of the picture.",
            "擦掉{side}边的绳子，把{thing}画到画面顶部。",
        ),
    ),
    medium=(
        Words("Cut the string of the {thing}.", "剪断{thing}的绳子。"),
        Words("Untie the {thing}.", "解开{thing}。"),
        Words("Remove the string that holds the {thing}.", "去掉拴住{thing}的绳子。"),
    ),
    hard=(
        Words("The knot on the {side} comes loose.", "{side}边的结松开了。"),
        Words("A bird pecks through what holds back the {side} one.", "小鸟啄断了拴住{side}边那个的东西。"),
        Words("The pin on the {side} box gives way.", "{side}边箱子上的别针脱落了。"),
    ),
)


def cut_balloon_string(rng: random.Random, difficulty: str) -> Draft:
    """One of two balloons loses its string and rises."""
    colours = rng.sample([name for name in sorted(COLOURS) if name != "white"], 2)
    posts = rng.sample(sorted(COLOURS), 2)
    ground, knot = rng.randint(52, 56), [rng.randint(30, 35) for _ in _SIDES]
    xs = (rng.randint(15, 19), rng.randint(45, 49))
    things: list[Thing] = []
    for i in range(2):
        things += [
            Thing("string", "black", xs[i], ground - 8, ground - 8 - knot[i]),
            Thing("balloon", colours[i], xs[i], knot[i], 11),
            Thing("box", posts[i], xs[i], ground, 9),
        ]
    source = Scene("meadow", tuple(things), horizon=rng.randint(40, 44))
    cut = rng.randrange(2)
    target = source.changing(3 * cut + 1, y=16).without(3 * cut)
    slots = {
        "a_left": a(named(colours[0], "balloon")),
        "a_right": a(named(colours[1], "balloon")),
        "thing": named(colours[cut], "balloon"),
        "side": SIDE_WORDS[_SIDES[cut]],
    }
    return Draft(source, target, _BALLOON, slots, ("string", "lift"))


_ROPE = Texts(
    description=Words(
        "{a_left} on the left and {a_right} on the right hang on ropes from a beam.",
        "横梁的绳子上，左边挂着{a_left}，右边挂着{a_right}。",
    ),
    rationale=Words(
        "Without its rope nothing holds the {thing}, so it falls to the floor.", "没有了绳子，{thing}落到地板上。"
    ),
    easy=(
        Words(
            "Draw the {thing} on the floor straight below and remove its rope.",
            "把{thing}画在正下方的地板上，去掉它的绳子。",
        ),
        Words(
            "Move the {thing} down to the floor and erase the rope above it.", "把{thing}移到地板上，擦掉上面的绳子。"
        ),
        Words("Erase the {side} rope and draw the {thing} on the floor.", "擦掉{side}边的绳子，把{thing}画在地板上。"),
    ),
    medium=(
        Words("Cut the rope of the {thing}.", "剪断{thing}的绳子。"),
        Words("Remove the rope that holds the {thing}.", "去掉吊着{thing}的绳子。"),
        Words("Untie the {thing} from the beam.", "把{thing}从横梁上解开。"),
    ),
    hard=(
        Words("A mouse gnaws on the {side} until something snaps.", "老鼠在{side}边啃，直到什么东西断了。"),
        Words("A flame burns for a while high up on the {side}.", "{side}边高处有火苗烧了一会儿。"),
        Words("The {side} knot on the beam was badly tied.", "横梁上{side}边的结没有打好。"),
    ),
)


def cut_rope(rng: random.Random, difficulty: str) -> Draft:
    """One of two hanging things loses its rope and falls to the floor."""
    kinds = [rng.choice(("ball", "box")) for _ in _SIDES]
    colours = rng.sample(sorted(COLOURS), 2)
    floor, bottoms = rng.randint(56, 59), [rng.randint(28, 40) for _ in _SIDES]
    xs, size = (rng.randint(16, 22), rng.randint(42, 48)), 11.0
    things: list[Thing] = [Thing("hook", "black", 32, 8, 50)]
    for i in range(2):
        top = bottoms[i] - size
        things += [
            Thing("string", "black", xs[i], top + 1, top - 7),
            Thing(kinds[i], colours[i], xs[i], bottoms[i], size),
        ]
    source = Scene("room", tuple(things), horizon=48, shade=rng.randrange(3))
    cut = rng.randrange(2)
    target = source.changing(2 * cut + 2, y=floor).without(2 * cut + 1)
    slots = {
        "a_left": a(named(colours[0], kinds[0])),
        "a_right": a(named(colours[1], kinds[1])),
        "thing": named(colours[cut], kinds[cut]),
        "side": SIDE_WORDS[_SIDES[cut]],
    }
    return Draft(source, target, _ROPE, slots, ("string", "gravity"))
