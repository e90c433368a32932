"""References to shapes: an independent reading of the words finds the very shapes that the edit changes."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from src.miniature.world.edits_referential import REFERENTIAL
from src.miniature.world.phrasing import Change, Setting
from src.miniature.world.scene import Scene, Thing

Shapes = Sequence[Thing]
NTH = {"first": 0, "second": 1, "third": 2, "fourth": 3, "one": 1, "two": 2, "three": 3, "four": 4}
TIMES = {"once": 1, "twice": 2, "three times": 3, "four times": 4}
NAME = r"([a-z]+ (?:circle|square|triangle))"
SIDE = r"(left|right|top|bottom)"
TOWARDS = r"(to the left of|to the right of|above|below)"
END = {"leftmost": "left", "rightmost": "right", "topmost": "top", "lowest": "bottom"}
WAY = {"to the left of": "left", "to the right of": "right", "above": "top", "below": "bottom"}
SAME = {"left": "left", "right": "right", "upper": "top", "lower": "bottom"}


def ordered(shapes: Shapes, side: str) -> list[int]:
    """Return the shapes as counted from a side."""
    along = {"left": lambda t: t.x, "right": lambda t: -t.x, "top": lambda t: t.y, "bottom": lambda t: -t.y}[side]
    return sorted(range(len(shapes)), key=lambda i: along(shapes[i]))


def called(shapes: Shapes, name: str) -> list[int]:
    return [i for i, shape in enumerate(shapes) if f"{shape.colour} {shape.kind}" == name]


def beside(shapes: Shapes, index: int, side: str) -> list[int]:
    order = ordered(shapes, side)
    place = order.index(index) - 1
    return [order[place]] if place >= 0 else []


def twins(shapes: Shapes) -> list[int]:
    counts = Counter((shape.colour, shape.kind) for shape in shapes)
    return [i for i, shape in enumerate(shapes) if counts[shape.colour, shape.kind] == 2]


def extreme(shapes: Shapes, most: str) -> int:
    sizes = [shape.size for shape in shapes]
    return sizes.index(max(sizes) if most in ("largest", "larger", "most") else min(sizes))


def distance(one: Thing, other: Thing) -> float:
    return abs(one.x - other.x) + abs(one.y - other.y)


def nearest(shapes: Shapes, candidates: list[int], goal: str, near: bool) -> list[int]:
    anchor = shapes[called(shapes, goal)[0]]
    choose = min if near else max
    return [choose(candidates, key=lambda i: distance(shapes[i], anchor))]


def counted(shapes: Shapes, aspect: str, count: int) -> list[int]:
    values = Counter(getattr(shape, aspect) for shape in shapes)
    return [i for i, shape in enumerate(shapes) if values[getattr(shape, aspect)] == count]


def frequent(shapes: Shapes, aspect: str, most: bool) -> list[int]:
    values = Counter(getattr(shape, aspect) for shape in shapes)
    value = (max if most else min)(values, key=lambda name: values[name])
    return [i for i, shape in enumerate(shapes) if getattr(shape, aspect) == value]


def lacking(shapes: Shapes, value: str) -> list[int]:
    return [i for i, shape in enumerate(shapes) if value not in (shape.colour, shape.kind)]


def alike(shapes: Shapes, aspect: str, name: str) -> list[int]:
    (own,) = called(shapes, name)
    value = getattr(shapes[own], aspect)
    return [i for i, shape in enumerate(shapes) if i != own and getattr(shape, aspect) == value]


ASPECT = {"colour": "colour", "form": "kind"}
READINGS: list[tuple[str, Callable[..., list[int]]]] = [
    (r"the (leftmost|rightmost|topmost|lowest) shape", lambda s, end: [ordered(s, END[end])[0]]),
    (rf"the shape that has nothing {TOWARDS} it", lambda s, way: [ordered(s, WAY[way])[0]]),
    (rf"the (\w+) shape from the {SIDE}", lambda s, nth, side: [ordered(s, side)[NTH[nth]]]),
    (rf"the shape that comes (\w+) from the {SIDE}", lambda s, nth, side: [ordered(s, side)[NTH[nth]]]),
    (rf"the shape in (\w+) place from the {SIDE}", lambda s, nth, side: [ordered(s, side)[NTH[nth]]]),
    (rf"the shape with exactly (\w+) shapes? {TOWARDS} it", lambda s, n, way: [ordered(s, WAY[way])[NTH[n]]]),
    (rf"the shape that has just (\w+) others? {TOWARDS} it", lambda s, n, way: [ordered(s, WAY[way])[NTH[n]]]),
    (rf"the shape just {TOWARDS} the {NAME}", lambda s, way, name: beside(s, called(s, name)[0], WAY[way])),
    (
        rf"the (left|right|upper|lower) neighbour of the {NAME}",
        lambda s, way, name: beside(s, called(s, name)[0], SAME[way]),
    ),
    (
        rf"the shape whose (left|right|upper|lower) neighbour is the {NAME}",
        lambda s, way, name: [i for i in range(len(s)) if beside(s, i, SAME[way]) == called(s, name)],
    ),
    (
        rf"the shape (?:between|whose neighbours are|that keeps) the {NAME} and the {NAME}(?: apart)?",
        lambda s, one, two: [
            i
            for i in range(len(s))
            if {
                *beside(s, i, "left" if s[0].x != s[1].x else "top"),
                *beside(s, i, "right" if s[0].x != s[1].x else "bottom"),
            }
            == {called(s, one)[0], called(s, two)[0]}
        ],
    ),
    (
        r"the (left|right|upper|lower) one of the two (?:equal shapes|that look alike)",
        lambda s, side: [next(i for i in ordered(s, SAME[side]) if i in twins(s))],
    ),
    (
        rf"the shape that has its double {TOWARDS} it",
        lambda s, way: [[i for i in ordered(s, WAY[way]) if i in twins(s)][1]],
    ),
    (rf"the {NAME} nearer to the {NAME}", lambda s, own, goal: nearest(s, called(s, own), goal, near=True)),
    (rf"the {NAME} further from the {NAME}", lambda s, own, goal: nearest(s, called(s, own), goal, near=False)),
    (rf"the one of the two doubles nearer to the {NAME}", lambda s, goal: nearest(s, twins(s), goal, near=True)),
    (rf"the one of the two doubles further from the {NAME}", lambda s, goal: nearest(s, twins(s), goal, near=False)),
    (r"the shape that has no double", lambda s: [i for i in range(len(s)) if i not in twins(s)]),
    (r"the only shape that has no exact copy", lambda s: [i for i in range(len(s)) if i not in twins(s)]),
    (r"the (largest|smallest) shape", lambda s, most: [extreme(s, most)]),
    (r"the shape that is (larger|smaller) than all others", lambda s, most: [extreme(s, most)]),
    (
        r"the shape that is neither the largest nor the smallest",
        lambda s: [i for i in range(3) if i not in (extreme(s, "largest"), extreme(s, "smallest"))],
    ),
    (
        rf"the shape just {TOWARDS} the (largest|smallest) one",
        lambda s, way, most: beside(s, extreme(s, most), WAY[way]),
    ),
    (
        r"the (left|right|upper|lower) neighbour of the (largest|smallest) shape",
        lambda s, way, most: beside(s, extreme(s, most), SAME[way]),
    ),
    (r"(?:every shape|the only shape) that is not (?:a )?(\w+)", lacking),
    (r"whatever is not (?:a )?(\w+)", lacking),
    (r"everything except the (\w+?)(?: ones|s)", lacking),
    (
        r"the shapes? whose (colour|form) occurs exactly (once|twice|three times|four times)",
        lambda s, aspect, times: counted(s, ASPECT[aspect], TIMES[times]),
    ),
    (r"the shape whose (colour|form) no other shape has", lambda s, aspect: counted(s, ASPECT[aspect], 1)),
    (
        r"the only (\w+) shapes of their (colour|form)",
        lambda s, count, aspect: counted(s, ASPECT[aspect], NTH[count]),
    ),
    (
        r"the shapes? of the (most|least) frequent (colour|form)",
        lambda s, most, aspect: frequent(s, ASPECT[aspect], most == "most"),
    ),
    (
        r"the shapes? of the (commonest|rarest) (colour|form)",
        lambda s, most, aspect: frequent(s, ASPECT[aspect], most == "commonest"),
    ),
    (r"the shape on the (left|right)", lambda s, side: [ordered(s, side)[0]]),
    (r"the shape in the middle", lambda s: [ordered(s, "left")[1]]),
    (r"the shape that only has a (left|right) neighbour", lambda s, side: [ordered(s, side)[-1]]),
    (r"the shape that has a neighbour on both sides", lambda s: [ordered(s, "left")[1]]),
    (rf"the other shape of the same (colour|form) as the {NAME}", lambda s, a, name: alike(s, ASPECT[a], name)),
    (rf"the shape that matches the {NAME} in (colour|form)", lambda s, name, a: alike(s, ASPECT[a], name)),
    (r"the two shapes on the (left|right)", lambda s, side: ordered(s, side)[:2]),
    (r"the two outer shapes", lambda s: [ordered(s, "left")[0], ordered(s, "right")[0]]),
    (
        r"the middle shape and its (left|right) neighbour",
        lambda s, side: [ordered(s, "left")[1], ordered(s, side)[0]],
    ),
    (r"the two shapes that have only one neighbour", lambda s: [ordered(s, "left")[0], ordered(s, "right")[0]]),
]


def changed(source: Scene, target: Scene) -> set[int]:
    """Return the shapes that are gone or different, or that got company above or below."""
    left = list(target.things)
    found = {i for i, thing in enumerate(source.things) if thing not in left}
    new = [thing for thing in left if thing not in source.things]
    if len(left) > len(source.things):
        return {i for i, thing in enumerate(source.things) if thing.x == new[0].x}
    return found


def read(setting: Setting, text: str) -> set[int] | None:
    """Return the shapes that the longest known reference in an English text means; None where there is none."""
    found = [
        (match, reading) for pattern, reading in READINGS if (match := re.search(pattern, text[0].lower() + text[1:]))
    ]
    if not found:
        return None
    match, reading = max(found, key=lambda one: len(one[0][0]))
    return set(reading(setting.source.things, *match.groups()))


def medium_and_first_hard(change: Change) -> list[str]:
    return [text.en for reason in change.reasons for text in (*reason.medium, reason.hard[0])]


@pytest.mark.parametrize("name", REFERENTIAL)
def test_medium_and_hard_references_mean_the_shapes_that_change(name: str) -> None:
    for seed in range(60):
        setting = REFERENTIAL[name].make(random.Random(seed))
        for change in setting.changes:
            for text in medium_and_first_hard(change):
                meant = read(setting, text)
                if meant is None:
                    assert any(words in text for words in UNREAD), text
                    continue
                assert meant == changed(setting.source, change.target), text


UNREAD = ("nearest to the", "needs the", "of medium size")
"""Hard references that the reader above does not know."""
