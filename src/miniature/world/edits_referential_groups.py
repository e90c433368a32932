"""指代: groups of shapes by colour or form (negation, counting, frequency), and three shapes that move or swap."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from src.miniature.world.phrasing import COLOUR_WORDS, KIND_WORDS, Change, Setting, Words
from src.miniature.world.referring import (
    COPY,
    FORMS,
    LOWER,
    RAISE,
    REMOVE,
    SHAPE_COLOURS,
    SWAP,
    Action,
    Reference,
    add,
    board,
    change,
    listed,
    paint,
    the_name,
    unused_colour,
)
from src.miniature.world.scene import Scene, Thing

_STEP = 20.0
"""How far shapes move up or down."""
_TIMES = {1: Words("once", "一"), 2: Words("twice", "两"), 3: Words("three times", "三"), 4: Words("four times", "四")}
_NUMBERS = {2: Words("two", "两"), 3: Words("three", "三"), 4: Words("four", "四")}
_ASPECTS = {"colour": Words("colour", "颜色"), "kind": Words("form", "形状")}


def _negated(aspect: str, value: str, alone: bool) -> Reference:
    """Refer to the shapes that do not have a colour or form."""
    if aspect == "colour":
        colour = COLOUR_WORDS[value]
        is_not, those = Words(f"not {colour.en}", f"不是{colour.zh}"), Words(f"the {colour.en} ones", f"{colour.zh}")
    else:
        form = KIND_WORDS[value]
        is_not, those = Words(f"not a {form.en}", f"不是{form.zh}"), Words(f"the {form.en}s", form.zh)
    plain = Words(f"every shape that is {is_not.en}", f"所有{is_not.zh}的图形")
    if alone:
        plain = Words(f"the only shape that is {is_not.en}", f"唯一{is_not.zh}的图形")
    return Reference(
        "crowd_not",
        plain,
        (
            Words(f"everything except {those.en}", f"除{those.zh}以外的一切图形"),
            Words(f"whatever is {is_not.en}", f"凡是{is_not.zh}的图形"),
            Words(f"everything apart from {those.en}", f"{those.zh}之外的全部图形"),
        ),
    )


def _counted(aspect: str, count: int) -> Reference:
    """Refer to the shapes of the colour or form of which there are so many."""
    what, times = _ASPECTS[aspect], _TIMES[count]
    if count == 1:
        return Reference(
            "crowd_count",
            Words(f"the shape whose {what.en} occurs exactly once", f"{what.zh}只出现一次的图形"),
            (
                Words(f"the shape whose {what.en} no other shape has", f"{what.zh}和谁都不同的图形"),
                Words(f"the shape that is alone in its {what.en}", f"{what.zh}独一无二的图形"),
                Words(f"the shape that shares its {what.en} with none", f"不与任何图形{what.zh}相同的图形"),
            ),
        )
    number = _NUMBERS[count]
    return Reference(
        "crowd_count",
        Words(f"the shapes whose {what.en} occurs exactly {times.en}", f"{what.zh}恰好出现{times.zh}次的图形"),
        (
            Words(
                f"the only {number.en} shapes of their {what.en}",
                f"只有{number.zh}个图形有的那种{what.zh}的图形",
            ),
            Words(
                f"the shapes of the {what.en} counted exactly {times.en}",
                f"数出来恰好{number.zh}个的那种{what.zh}的图形",
            ),
            Words(
                f"the shapes of the {what.en} with just {number.en} members",
                f"成员恰好{number.zh}个的那种{what.zh}的图形",
            ),
        ),
    )


def _frequent(aspect: str, most: bool, alone: bool) -> Reference:
    """Refer to the shapes of the most or least frequent colour or form."""
    what = _ASPECTS[aspect]
    noun = "shape" if alone else "shapes"
    often, zh = ("most", "最多") if most else ("least", "最少")
    return Reference(
        "crowd_most",
        Words(f"the {noun} of the {often} frequent {what.en}", f"{what.zh}出现{zh}的那类图形"),
        (
            Words(
                f"the {noun} of the {'commonest' if most else 'rarest'} {what.en}",
                f"{'最常见' if most else '最少见'}的那种{what.zh}的图形",
            ),
            Words(
                f"the {noun} in the {'majority' if most else 'minority'} by {what.en}",
                f"按{what.zh}看占{'多数' if most else '少数'}的图形",
            ),
            Words(
                f"the {'larger' if most else 'smaller'} group when sorting by {what.en}",
                f"按{what.zh}分组后较{'多' if most else '少'}的那组图形",
            ),
        ),
    )


def _members(shapes: Sequence[Thing], aspect: str, value: str) -> list[int]:
    return [i for i, shape in enumerate(shapes) if getattr(shape, aspect) == value]


def _group_name(shapes: Sequence[Thing], aspect: str, value: str) -> Words:
    """Return the plain name of a group, or of its only member."""
    members = _members(shapes, aspect, value)
    if len(members) == 1:
        return the_name(shapes[members[0]])
    if aspect == "colour":
        return Words(f"all {COLOUR_WORDS[value].en} shapes", f"所有{COLOUR_WORDS[value].zh}的图形")
    return Words(f"all {KIND_WORDS[value].en}s", f"所有{KIND_WORDS[value].zh}")


def _crowd_shapes(rng: random.Random) -> list[Thing]:
    """Return five or six shapes in two rows, of two colours and two forms that divide them differently."""
    colours, forms = rng.sample(SHAPE_COLOURS, 2), rng.sample(FORMS, 2)
    while True:
        count = rng.choice((5, 6))
        splits = ((3, 2), (4, 1)) if count == 5 else ((4, 2),)
        shapes_of = []
        for values in (colours, forms):
            many, few = rng.choice(splits)
            dealt = [values[0]] * many + [values[1]] * few
            rng.shuffle(dealt)
            shapes_of.append(dealt)
        cells = sorted(rng.sample([(y, x) for y in (18.0, 46.0) for x in (11.0, 32.0, 53.0)], count))
        shapes = [Thing(form, colour, x, y, 12.0) for (y, x), colour, form in zip(cells, *shapes_of, strict=True)]
        by_colour = {tuple(_members(shapes, "colour", value)) for value in colours}
        if not by_colour & {tuple(_members(shapes, "kind", value)) for value in forms}:
            return shapes


def crowd(rng: random.Random) -> Setting:
    """Two colours and two forms among five or six shapes; whole groups are removed or painted."""
    shapes = _crowd_shapes(rng)
    source = board(rng, shapes)
    new = unused_colour(rng, shapes)
    changes = []
    for aspect in ("colour", "kind"):
        values = sorted({getattr(shape, aspect) for shape in shapes})
        for value, other in (values, values[::-1]):
            members = _members(shapes, aspect, value)
            references = [
                _negated(aspect, other, len(members) == 1),
                _counted(aspect, len(members)),
                _frequent(aspect, len(members) > len(shapes) / 2, len(members) == 1),
            ]
            painted = source
            for i in members:
                painted = painted.changing(i, colour=new)
            for action, target in ((REMOVE, source.without(*members)), (paint(new), painted)):
                name = _group_name(shapes, aspect, value)
                label = f"which:{_ASPECTS[aspect].en} {action.tag}"
                changes.append(change(action, name, references, target, label))
    upper = [shape for shape in shapes if shape.y < 32]
    rows = listed(upper), listed(shapes[len(upper) :])
    description = Words(f"Above: {rows[0].en}; below: {rows[1].en}.", f"上面是{rows[0].zh}；下面是{rows[1].zh}。")
    return Setting(source, description, tuple(changes))


_PLACES = (
    Reference(
        "move_place",
        Words("the shape on the left", "左边的图形"),
        (
            Words("the shape that only has a right neighbour", "只有右邻的图形"),
            Words("the shape at the left end", "左端的图形"),
            Words("the first shape in reading order", "按阅读顺序的第一个图形"),
        ),
    ),
    Reference(
        "move_place",
        Words("the shape in the middle", "中间的图形"),
        (
            Words("the shape that has a neighbour on both sides", "左右都有邻居的图形"),
            Words("the shape that stands at neither end", "不在两端的图形"),
            Words("the second shape in reading order", "按阅读顺序的第二个图形"),
        ),
    ),
    Reference(
        "move_place",
        Words("the shape on the right", "右边的图形"),
        (
            Words("the shape that only has a left neighbour", "只有左邻的图形"),
            Words("the shape at the right end", "右端的图形"),
            Words("the last shape in reading order", "按阅读顺序的最后一个图形"),
        ),
    ),
)

_PAIRS = {
    (0, 1): (
        Words("the two shapes on the left", "左边的两个图形"),
        Words("the middle shape and its left neighbour", "中间的图形和它的左邻"),
        Words("the leftmost shape and the one beside it", "最左边的图形和它旁边的图形"),
        Words("all shapes but the rightmost one", "除最右边以外的图形"),
    ),
    (1, 2): (
        Words("the two shapes on the right", "右边的两个图形"),
        Words("the middle shape and its right neighbour", "中间的图形和它的右邻"),
        Words("the rightmost shape and the one beside it", "最右边的图形和它旁边的图形"),
        Words("all shapes but the leftmost one", "除最左边以外的图形"),
    ),
    (0, 2): (
        Words("the two outer shapes", "两端的图形"),
        Words("the two shapes that have only one neighbour", "只有一个邻居的两个图形"),
        Words("the two shapes that are furthest apart", "相距最远的两个图形"),
        Words("all shapes but the one in the middle", "除中间以外的图形"),
    ),
}


def _by_likeness(shapes: Sequence[Thing], index: int) -> list[Reference]:
    """Refer to a shape as the other one of a colour or form."""
    found = []
    for aspect, what in _ASPECTS.items():
        alike = [i for i in _members(shapes, aspect, getattr(shapes[index], aspect)) if i != index]
        if len(alike) != 1:
            continue
        name = the_name(shapes[alike[0]])
        found.append(
            Reference(
                "move_like",
                Words(f"the other shape of the same {what.en} as {name.en}", f"与{name.zh}{what.zh}相同的另一个图形"),
                (
                    Words(f"the shape that matches {name.en} in {what.en}", f"{what.zh}和{name.zh}一样的图形"),
                    Words(f"the one that shares its {what.en} with {name.en}", f"和{name.zh}共有一种{what.zh}的图形"),
                    Words(f"the partner of {name.en} by {what.en}", f"按{what.zh}与{name.zh}成对的图形"),
                ),
            )
        )
    return found


def moves(rng: random.Random) -> Setting:
    """Three different shapes in a row: they move up or down, get company, double, go, or swap places."""
    names = rng.sample([(colour, form) for colour in rng.sample(SHAPE_COLOURS, 2) for form in FORMS], 3)
    shapes = [Thing(form, colour, 64 / 3 * (i + 0.5), 32.0, 12.0) for i, (colour, form) in enumerate(names)]
    source = board(rng, shapes)
    guest = Thing(rng.choice(FORMS), unused_colour(rng, shapes), 0.0, 0.0, 12.0)
    changes = []
    for i, shape in enumerate(shapes):
        references = [_PLACES[i], *_by_likeness(shapes, i)]
        for action, target, opposite in _pair(rng.choice(("move", "company", "number")), source, i, guest):
            changes.append(
                change(action, the_name(shape), references, target, f"{opposite}:{shape.colour} {shape.kind}")
            )
    changes.extend(_swapped(source, pair) for pair in _PAIRS)
    names_listed = listed(shapes)
    description = Words(f"Left to right, in a row: {names_listed.en}.", f"一排从左到右是：{names_listed.zh}。")
    return Setting(source, description, tuple(changes))


def _pair(mode: str, source: Scene, index: int, guest: Thing) -> list[tuple[Action, Scene, str]]:
    """Return two contrary actions on a shape, with their results and the kind of their contrariness."""
    shape = source.things[index]
    above, below = shape.y - _STEP, shape.y + _STEP
    if mode == "move":
        return [(RAISE, source.changing(index, y=above), "side"), (LOWER, source.changing(index, y=below), "side")]
    if mode == "number":
        double = source.adding(replace(shape, y=below))
        return [(COPY, double, "add_remove"), (REMOVE, source.without(index), "add_remove")]
    return [
        (add(guest.colour, guest.kind, y == above), source.adding(replace(guest, x=shape.x, y=y)), "side")
        for y in (above, below)
    ]


def _swapped(source: Scene, pair: tuple[int, int]) -> Change:
    one, two = (source.things[i] for i in pair)
    first, second = the_name(one), the_name(two)
    plain, *indirect = _PAIRS[pair]
    reference = Reference("move_swap", plain, (indirect[0], indirect[1], indirect[2]))
    target = source.changing(pair[0], x=two.x).changing(pair[1], x=one.x)
    opposite = "side:swap" if pair != (0, 2) else ""
    name = Words(f"{first.en} and {second.en}", f"{first.zh}和{second.zh}")
    return change(SWAP, name, [reference], target, opposite)
