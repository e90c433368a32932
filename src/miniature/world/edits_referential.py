"""指代: which of several shapes is meant, in a line of shapes and among two equal ones."""

from __future__ import annotations

import random

from src.miniature.world.edits_referential_groups import crowd, moves
from src.miniature.world.edits_referential_sizes import sizes
from src.miniature.world.phrasing import Setting, SettingKind, Words, named
from src.miniature.world.referring import (
    ENLARGE,
    FORMS,
    REMOVE,
    SHAPE_COLOURS,
    Reference,
    board,
    change,
    paint,
    the_name,
    unused_colour,
)
from src.miniature.world.scene import Thing
from src.miniature.world.shape_lines import LINES, End, described, line

_ORDINALS = tuple(Words(*words) for words in (("first", "一"), ("second", "二"), ("third", "三"), ("fourth", "四")))
_COUNTS = tuple(
    Words(*words) for words in (("no", "没"), ("one", "一"), ("two", "两"), ("three", "三"), ("four", "四"))
)
_SIZE_IN_LINE = {3: 13.0, 4: 12.0, 5: 10.0}


def _by_place(steps: int, end: End, other: End) -> Reference:
    """Refer to the shape that is `steps` away from the end."""
    if steps == 0:
        return Reference(
            "row_place",
            Words(f"the {end.outermost.en} shape", f"{end.outermost.zh}的图形"),
            (
                Words(f"the shape nearest to the {end.edge.en} edge", f"离{end.edge.zh}边缘最近的图形"),
                Words(f"the shape that has nothing {end.beside.en} it", f"{end.beside.zh}没有别的图形的图形"),
                Words(f"the shape furthest from the {other.edge.en} edge", f"离{other.edge.zh}边缘最远的图形"),
            ),
        )
    nth = _ORDINALS[steps]
    return Reference(
        "row_place",
        Words(f"the {nth.en} shape {end.start.en}", f"{end.start.zh}数第{nth.zh}个图形"),
        (
            Words(f"the shape that comes {nth.en} {end.start.en}", f"{end.start.zh}边开始排第{nth.zh}的图形"),
            Words(f"the shape in {nth.en} place {end.start.en}", f"{end.start.zh}数排在第{nth.zh}位的图形"),
            Words(f"what you meet {nth.en} when coming {end.start.en}", f"{end.start.zh}边过来遇到的第{nth.zh}个图形"),
        ),
    )


def _by_count(steps: int, end: End) -> Reference:
    """Refer to a shape by how many shapes are between it and the end."""
    count = _COUNTS[steps]
    others = "other" if steps == 1 else "others"
    shapes = "shape" if steps == 1 else "shapes"
    return Reference(
        "row_count",
        Words(
            f"the shape with exactly {count.en} {shapes} {end.beside.en} it",
            f"{end.beside.zh}恰好有{count.zh}个图形的图形",
        ),
        (
            Words(
                f"the shape that has just {count.en} {others} {end.beside.en} it",
                f"{end.beside.zh}只有{count.zh}个图形的图形",
            ),
            Words(
                f"the shape with {count.en} {others} {end.beside.en} it, not more",
                f"{end.beside.zh}不多不少有{count.zh}个图形的图形",
            ),
            Words(
                f"the shape that comes after exactly {count.en} {others} {end.start.en}",
                f"{end.start.zh}数排在恰好{count.zh}个图形之后的图形",
            ),
        ),
    )


def _by_neighbour(anchor: Thing, end: End, other: End) -> Reference:
    """Refer to the neighbour of a shape on the side of `end`."""
    name = the_name(anchor)
    return Reference(
        "row_next",
        Words(f"the shape just {end.beside.en} {name.en}", f"{name.zh}{end.beside.zh}紧挨着的图形"),
        (
            Words(f"the {end.one.en} neighbour of {name.en}", f"{name.zh}在{end.one.zh}的邻居"),
            Words(f"the shape whose {other.one.en} neighbour is {name.en}", f"{other.one.zh}的邻居是{name.zh}的图形"),
            Words(f"what comes directly {end.beside.en} {name.en}", f"{name.zh}{end.beside.zh}第一个碰到的图形"),
        ),
    )


def _by_both_neighbours(one: Thing, two: Thing) -> Reference:
    """Refer to the shape between two others."""
    first, second = the_name(one), the_name(two)
    return Reference(
        "row_between",
        Words(f"the shape between {first.en} and {second.en}", f"{first.zh}和{second.zh}之间的图形"),
        (
            Words(
                f"the shape whose neighbours are {second.en} and {first.en}", f"两个邻居是{second.zh}和{first.zh}的图形"
            ),
            Words(f"the shape that keeps {first.en} and {second.en} apart", f"把{first.zh}和{second.zh}隔开的图形"),
            Words(
                f"the shape that has both {second.en} and {first.en} beside it",
                f"紧挨着{second.zh}又紧挨着{first.zh}的图形",
            ),
        ),
    )


def row(rng: random.Random) -> Setting:
    """Three to five different shapes in a row or a column; each may be removed or painted."""
    direction = rng.choice(("row", "column"))
    count = rng.choice((3, 4, 5))
    names = rng.sample([(colour, form) for colour in rng.sample(SHAPE_COLOURS, 4) for form in FORMS], count)
    shapes = line(names, direction, [_SIZE_IN_LINE[count]] * count)
    source = board(rng, shapes)
    first, last = LINES[direction]
    new = unused_colour(rng, shapes)
    changes = []
    for i, shape in enumerate(shapes):
        from_first = rng.random() < 0.5 if 0 < i < count - 1 else i == 0
        end, other, steps = (first, last, i) if from_first else (last, first, count - 1 - i)
        references = [_by_place(steps, end, other)]
        if i > 0:
            references.append(_by_neighbour(shapes[i - 1], last, first))
        if i < count - 1:
            references.append(_by_neighbour(shapes[i + 1], first, last))
        if 0 < i < count - 1:
            references.append(_by_both_neighbours(shapes[i - 1], shapes[i + 1]))
            references.append(_by_count(i, first))
            references.append(_by_count(count - 1 - i, last))
        for action, target in ((REMOVE, source.without(i)), (paint(new), source.changing(i, colour=new))):
            opposite = f"side:{action.tag}" if i in (0, count - 1) else ""
            changes.append(change(action, the_name(shape), references, target, opposite))
    return Setting(source, described(shapes, direction), tuple(changes))


def _by_side(end: End, other: End) -> Reference:
    """Refer to one of two equal shapes by its side."""
    return Reference(
        "twin_side",
        Words(f"the {end.one.en} one of the two equal shapes", f"两个相同图形中{end.one.zh}的那个"),
        (
            Words(f"the {end.one.en} one of the two that look alike", f"两个一模一样的图形中靠{end.edge.zh}的那个"),
            Words(f"the shape that has its double {other.beside.en} it", f"{other.beside.zh}有一个同样图形的图形"),
            Words(
                f"the shape with an exact copy further {other.edge.en.replace('upper', 'up').replace('lower', 'down')}",
                f"往{other.edge.zh}还有一个复制品的图形",
            ),
        ),
    )


def _by_distance(twin: Thing, anchor: Thing, near: bool) -> Reference:
    """Refer to one of two equal shapes by its distance from another shape."""
    name, goal = named(twin.colour, twin.kind), the_name(anchor)
    more, most, pair = ("nearer to", "closest to", "较近") if near else ("further from", "farthest from", "较远")
    other_word = "近" if near else "远"
    return Reference(
        "twin_near",
        Words(f"the {name.en} {more} {goal.en}", f"离{goal.zh}{pair}的{name.zh}"),
        (
            Words(f"the one of the two doubles {more} {goal.en}", f"两个相同图形中离{goal.zh}更{other_word}的那个"),
            Words(f"the twin that is {most} {goal.en}", f"成对的图形里离{goal.zh}最{other_word}的那个"),
            Words(
                f"the twin whose way to {goal.en} is {'shorter' if near else 'longer'}",
                f"成对的图形里到{goal.zh}距离更{'短' if near else '长'}的那个",
            ),
        ),
    )


_ALONE = Reference(
    "twin_single",
    Words("the shape that has no double", "没有相同伙伴的图形"),
    (
        Words("the only shape that has no exact copy", "唯一没有复制品的图形"),
        Words("the shape that is not one of the two equal ones", "不属于那两个相同图形的图形"),
        Words("the shape that differs from both others", "与另外两个都不一样的图形"),
    ),
)


def twins(rng: random.Random) -> Setting:
    """Two equal shapes and one or two others; one of the equal ones may be removed, painted or enlarged."""
    direction = rng.choice(("row", "column"))
    count = rng.choice((3, 4))
    twin, *others = rng.sample([(colour, form) for colour in rng.sample(SHAPE_COLOURS, 3) for form in FORMS], count - 1)
    small, large = (12.0, 17.0) if count == 3 else (11.0, 15.0)
    names = [twin, twin, *others]
    rng.shuffle(names)
    shapes = line(names, direction, [small] * count)
    source = board(rng, shapes)
    new = unused_colour(rng, shapes)
    pair = [i for i in range(count) if names[i] == twin]
    changes = []
    for place, (i, j) in enumerate((pair, pair[::-1])):
        end, other = LINES[direction] if place == 0 else LINES[direction][::-1]
        references = [_by_side(end, other)]
        for k in range(count):
            if k not in pair and abs(i - k) != abs(j - k):
                references.append(_by_distance(shapes[i], shapes[k], abs(i - k) < abs(j - k)))
        plain = named(*twin)
        name = Words(f"the {end.one.en} {plain.en}", f"{end.one.zh}的{plain.zh}")
        for action, target in (
            (REMOVE, source.without(i)),
            (paint(new), source.changing(i, colour=new)),
            (ENLARGE, source.changing(i, size=large)),
        ):
            changes.append(change(action, name, references, target, f"which:{action.tag}"))
    if count == 3:
        odd = next(i for i in range(count) if i not in pair)
        for action, target in ((REMOVE, source.without(odd)), (paint(new), source.changing(odd, colour=new))):
            changes.append(change(action, the_name(shapes[odd]), [_ALONE], target))
    return Setting(source, described(shapes, direction), tuple(changes))


REFERENTIAL: dict[str, SettingKind] = {
    "row": SettingKind(row, ("row_place", "row_next", "row_between", "row_count")),
    "twins": SettingKind(twins, ("twin_side", "twin_near", "twin_single")),
    "sizes": SettingKind(sizes, ("size_extreme", "size_beside", "size_middle")),
    "crowd": SettingKind(crowd, ("crowd_not", "crowd_count", "crowd_most")),
    "moves": SettingKind(moves, ("move_place", "move_like", "move_swap")),
}
"""The settings of the category 指代."""
