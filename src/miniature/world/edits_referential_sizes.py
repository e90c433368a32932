"""指代: which of three shapes is meant, by their sizes."""

from __future__ import annotations

import random

from src.miniature.world.phrasing import Setting, Words
from src.miniature.world.referring import (
    ENLARGE,
    REMOVE,
    SHAPE_COLOURS,
    SHRINK,
    Reference,
    board,
    change,
    paint,
    the_name,
    unused_colour,
)
from src.miniature.world.shape_lines import LINES, End, described, line

_SIZES = (10.0, 14.0, 18.0)


def _by_size(largest: bool) -> Reference:
    most, compared, zh = ("largest", "larger", "大") if largest else ("smallest", "smaller", "小")
    return Reference(
        "size_extreme",
        Words(f"the {most} shape", f"最{zh}的图形"),
        (
            Words(f"the shape that is {compared} than all others", f"比其他图形都{zh}的图形"),
            Words(
                f"the shape that needs the {'most' if largest else 'least'} room",
                f"占地方最{'多' if largest else '少'}的图形",
            ),
            Words(f"the shape with the {most} area", f"面积最{zh}的图形"),
        ),
    )


def _by_neighbour_of_size(largest: bool, end: End) -> Reference:
    most, zh = ("largest", "最大") if largest else ("smallest", "最小")
    room, room_zh = ("most", "最多") if largest else ("least", "最少")
    return Reference(
        "size_beside",
        Words(f"the shape just {end.beside.en} the {most} one", f"紧挨在{zh}图形{end.beside.zh}的图形"),
        (
            Words(f"the {end.one.en} neighbour of the {most} shape", f"{zh}图形在{end.one.zh}的邻居"),
            Words(f"what stands directly {end.beside.en} the {most} shape", f"{zh}的图形{end.beside.zh}挨着的那个"),
            Words(
                f"the {end.one.en} neighbour of the shape that needs the {room} room",
                f"占地方{room_zh}的图形在{end.one.zh}的邻居",
            ),
        ),
    )


_MIDDLE = Reference(
    "size_middle",
    Words("the shape that is neither the largest nor the smallest", "既不是最大也不是最小的图形"),
    (
        Words("the shape of medium size", "大小居中的图形"),
        Words("the shape that is second in size", "大小排第二的图形"),
        Words("the shape larger than one and smaller than the other", "比一个大又比另一个小的图形"),
    ),
)


def sizes(rng: random.Random) -> Setting:
    """Three shapes of three sizes; areas follow the sizes, because triangles are never mixed with other forms."""
    direction = rng.choice(("row", "column"))
    forms = ["triangle"] * 3 if rng.random() < 1 / 3 else [rng.choice(("circle", "square")) for _ in range(3)]
    names = list(zip(rng.sample(SHAPE_COLOURS, 3), forms, strict=True))
    order = rng.sample(_SIZES, 3)
    shapes = line(names, direction, order)
    source = board(rng, shapes)
    first, last = LINES[direction]
    new = unused_colour(rng, shapes)
    changes = []
    for i, shape in enumerate(shapes):
        references = [_MIDDLE] if shape.size == _SIZES[1] else [_by_size(shape.size == _SIZES[2])]
        if i > 0 and order[i - 1] != _SIZES[1]:
            references.append(_by_neighbour_of_size(order[i - 1] == _SIZES[2], last))
        if i < 2 and order[i + 1] != _SIZES[1]:
            references.append(_by_neighbour_of_size(order[i + 1] == _SIZES[2], first))
        actions = [(REMOVE, source.without(i)), (paint(new), source.changing(i, colour=new))]
        if shape.size == _SIZES[1]:
            actions = [(ENLARGE, source.changing(i, size=_SIZES[2])), (SHRINK, source.changing(i, size=_SIZES[0]))]
        for action, target in actions:
            opposite = "size:middle" if shape.size == _SIZES[1] else f"which:{action.tag}"
            changes.append(change(action, the_name(shape), references, target, opposite))
    return Setting(source, described(shapes, direction), tuple(changes))
