"""指代: which of several shapes is meant; what is done to it is always simple."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from src.miniature.world.palette import COLOURS
from src.miniature.world.phrasing import COLOUR_WORDS, KIND_WORDS, Draft, Rule, Texts, Words, a, named
from src.miniature.world.scene import Scene, Thing

_KINDS = ("circle", "square", "triangle")
_SMALL, _LARGE = 9.0, 13.0
_ORDINALS = {1: Words("second", "二"), 2: Words("third", "三")}

Reference = tuple[Words, int]
"""The name of a shape, and its index."""


def _shapes(rng: random.Random, difficulty: str) -> tuple[Thing, ...]:
    """Return three or four shapes from left to right, no two alike in both colour and form."""
    count = rng.choice((3, 4))
    palette = rng.sample(sorted(COLOURS), 3)
    names = rng.sample([(colour, kind) for colour in palette for kind in _KINDS], count)
    # "Just to the right" and "between" are clear only in a row.
    in_a_row = difficulty == "hard" or rng.random() < 0.5
    heights = [32.0] * count if in_a_row else [float(rng.choice((14, 32, 50))) for _ in names]
    step = 64 / count
    return tuple(
        Thing(kind, colour, step * (i + 0.5), heights[i], rng.choice((_SMALL, _LARGE)))
        for i, (colour, kind) in enumerate(names)
    )


def _by_place(shapes: Sequence[Thing]) -> list[Reference]:
    """Return references by order from the left or right, and by height."""
    last = len(shapes) - 1
    found: list[Reference] = [
        (Words("leftmost shape", "最左边的图形"), 0),
        (Words("rightmost shape", "最右边的图形"), last),
    ]
    for steps in range(1, last):
        ordinal = _ORDINALS[steps]
        found.append((Words(f"{ordinal.en} shape from the left", f"从左数第{ordinal.zh}个图形"), steps))
        found.append((Words(f"{ordinal.en} shape from the right", f"从右数第{ordinal.zh}个图形"), last - steps))
    rows = [shape.y for shape in shapes]
    for words, row in (
        (Words("topmost shape", "最上面的图形"), min(rows)),
        (Words("lowest shape", "最下面的图形"), max(rows)),
    ):
        if rows.count(row) == 1:
            found.append((words, rows.index(row)))
    return found


def _by_size(shapes: Sequence[Thing]) -> list[Reference]:
    """Return references by size among all shapes, or between two of one form."""
    found: list[Reference] = []
    sizes = [shape.size for shape in shapes]
    for words, size in (
        (Words("largest shape", "最大的图形"), _LARGE),
        (Words("smallest shape", "最小的图形"), _SMALL),
    ):
        if sizes.count(size) == 1:
            found.append((words, sizes.index(size)))
    for kind in _KINDS:
        pair = [i for i, shape in enumerate(shapes) if shape.kind == kind]
        name = KIND_WORDS[kind]
        if len(pair) == 2:
            found.append((Words(f"left one of the two {name.en}s", f"两个{name.zh}中左边的那个"), pair[0]))
            found.append((Words(f"right one of the two {name.en}s", f"两个{name.zh}中右边的那个"), pair[1]))
        if len(pair) == 2 and sizes[pair[0]] != sizes[pair[1]]:
            small, large = sorted(pair, key=lambda i: sizes[i])
            found.append((Words(f"larger of the two {name.en}s", f"两个{name.zh}中较大的那个"), large))
            found.append((Words(f"smaller of the two {name.en}s", f"两个{name.zh}中较小的那个"), small))
    return found


def _by_neighbour(shapes: Sequence[Thing]) -> list[Reference]:
    """Return references by what stands next to the shape, from left to right."""
    found: list[Reference] = []
    names = [named(shape.colour, shape.kind) for shape in shapes]
    for i in range(len(shapes) - 1):
        left, right = names[i], names[i + 1]
        found.append((Words(f"shape just to the right of the {left.en}", f"{left.zh}右边紧挨着的图形"), i + 1))
        found.append((Words(f"shape just to the left of the {right.en}", f"{right.zh}左边紧挨着的图形"), i))
    for i in range(1, len(shapes) - 1):
        left, right = names[i - 1], names[i + 1]
        found.append((Words(f"shape between the {left.en} and the {right.en}", f"{left.zh}和{right.zh}之间的图形"), i))
    return found


def _by_likeness(shapes: Sequence[Thing]) -> list[Reference]:
    """Return references by sharing colour or form with a shape that is itself given by its place or size."""
    found: list[Reference] = []
    for anchor, index in _by_place(shapes)[:2] + [ref for ref in _by_size(shapes) if "est shape" in ref[0].en]:
        for aspect, english, chinese in (
            ("colour", "of the same colour as", "颜色相同"),
            ("kind", "of the same form as", "形状相同"),
        ):
            alike = [
                i
                for i, shape in enumerate(shapes)
                if i != index and getattr(shape, aspect) == getattr(shapes[index], aspect)
            ]
            if len(alike) == 1:
                found.append(
                    (Words(f"other shape {english} the {anchor.en}", f"与{anchor.zh}{chinese}的另一个图形"), alike[0])
                )
    return found


def _refer(rng: random.Random, shapes: Sequence[Thing], difficulty: str) -> Reference:
    """Choose a shape and how to call it; kinds of reference are equally likely, not single references."""
    if difficulty == "easy":
        index = rng.randrange(len(shapes))
        return named(shapes[index].colour, shapes[index].kind), index
    finders = (_by_place, _by_size) if difficulty == "medium" else (_by_neighbour, _by_likeness)
    return rng.choice(rng.choice([found for find in finders if (found := find(shapes))]))


_DESCRIPTION = Words("From left to right: {list}.", "从左到右依次是：{list}。")
_RATIONALE = Words("The shape that is meant is the {name}; nothing else changes.", "所指的图形是{name}，其他都不变。")


def _texts(*templates: Words) -> Texts:
    """Return texts in which easy names the shape and the others refer to it."""
    easy = tuple(Words(words.en.replace("{ref}", "{name}"), words.zh.replace("{ref}", "{name}")) for words in templates)
    return Texts(_DESCRIPTION, _RATIONALE, easy, templates, templates)


_RECOLOUR = _texts(
    Words("Paint the {ref} {new}.", "把{ref}涂成{new}。"),
    Words("Change the colour of the {ref} to {new}.", "把{ref}的颜色改成{new}。"),
    Words("Make the {ref} {new}.", "让{ref}变成{new}。"),
)
_REMOVE = _texts(
    Words("Remove the {ref}.", "去掉{ref}。"),
    Words("Erase the {ref}.", "擦掉{ref}。"),
    Words("Delete the {ref} from the picture.", "从画面中删除{ref}。"),
)
_RESHAPE = _texts(
    Words("Replace the {ref} with a {form} of the same colour.", "把{ref}换成同样颜色的{form}。"),
    Words("Turn the {ref} into a {form}.", "把{ref}变成{form}。"),
    Words("Draw a {form} in the same colour instead of the {ref}.", "用同样颜色的{form}代替{ref}。"),
)
_FRAME = _texts(
    Words("Draw {a_new} frame around the {ref}.", "在{ref}周围画一个{new}的方框。"),
    Words("Put {a_new} square frame around the {ref}.", "给{ref}加上{new}的方框。"),
    Words("Mark the {ref} with {a_new} frame.", "用{new}的方框标出{ref}。"),
)

Change = Callable[[random.Random, Scene, int], tuple[Scene, dict[str, Words]]]


def _recolour(rng: random.Random, scene: Scene, index: int) -> tuple[Scene, dict[str, Words]]:
    new = rng.choice([name for name in sorted(COLOURS) if name != scene.things[index].colour])
    return scene.changing(index, colour=new), {"new": COLOUR_WORDS[new]}


def _remove(rng: random.Random, scene: Scene, index: int) -> tuple[Scene, dict[str, Words]]:
    return scene.without(index), {}


def _reshape(rng: random.Random, scene: Scene, index: int) -> tuple[Scene, dict[str, Words]]:
    form = rng.choice([kind for kind in _KINDS if kind != scene.things[index].kind])
    return scene.changing(index, kind=form), {"form": KIND_WORDS[form]}


def _frame(rng: random.Random, scene: Scene, index: int) -> tuple[Scene, dict[str, Words]]:
    new = rng.choice([name for name in sorted(COLOURS) if name not in ("white", scene.things[index].colour)])
    frame = replace(scene.things[index], kind="frame", colour=new, size=scene.things[index].size + 5)
    return scene.adding(frame), {"new": COLOUR_WORDS[new], "a_new": a(COLOUR_WORDS[new])}


def _rule(texts: Texts, tag: str, change: Change) -> Rule:
    """Return the rule that applies a change to the shape that is referred to."""

    def rule(rng: random.Random, difficulty: str) -> Draft:
        shapes = _shapes(rng, difficulty)
        ref, index = _refer(rng, shapes, difficulty)
        source = Scene("board", shapes, shade=rng.randrange(3))
        target, slots = change(rng, source, index)
        names = [named(shape.colour, shape.kind) for shape in shapes]
        listed = Words(", ".join(words.en for words in names), "、".join(words.zh for words in names))
        return Draft(source, target, texts, {**slots, "ref": ref, "name": names[index], "list": listed}, (tag,))

    return rule


REFERENTIAL: dict[str, Rule] = {
    "recolour_shape": _rule(_RECOLOUR, "recolour", _recolour),
    "remove_shape": _rule(_REMOVE, "remove", _remove),
    "reshape_shape": _rule(_RESHAPE, "reshape", _reshape),
    "frame_shape": _rule(_FRAME, "frame", _frame),
}
"""The edit rules of the category 指代."""
