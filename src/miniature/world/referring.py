"""指代: what can be done to shapes, and how sentences are made of an action and a reference."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from src.miniature.world.palette import COLOURS
from src.miniature.world.phrasing import COLOUR_WORDS, Change, Reason, Words, a, named
from src.miniature.world.scene import Scene, Thing

FORMS = ("circle", "square", "triangle")
SHAPE_COLOURS = tuple(name for name in sorted(COLOURS) if name != "white")
"""White is too close to the boards."""

_WHY = Words("The words '{ref}' mean {name}; nothing else changes.", "{ref}指的是{name}，其他都不变。")


@dataclass(frozen=True)
class Reference:
    """A way to call one or several shapes without their names.

    Attributes:
        family: The kind of reference.
        plain: The usual way, for medium wordings.
        indirect: Three ways from which the shapes have to be inferred; the last one is held out.
    """

    family: str
    plain: Words
    indirect: tuple[Words, Words, Words]


@dataclass(frozen=True)
class Action:
    """Something that can be done to a shape, as four templates each with a slot {ref}; the last ones are held out.

    Attributes:
        tag: Names the action.
        short: Templates for names.
        long: Templates for references, which are longer.
    """

    tag: str
    short: tuple[Words, ...]
    long: tuple[Words, ...]


def _same(tag: str, *forms: Words) -> Action:
    return Action(tag, forms, forms)


REMOVE = _same(
    "remove",
    Words("Remove {ref}.", "去掉{ref}。"),
    Words("Erase {ref}.", "擦掉{ref}。"),
    Words("Take away {ref}.", "拿走{ref}。"),
    Words("Let {ref} vanish.", "让{ref}消失。"),
)
ENLARGE = Action(
    "enlarge",
    (
        Words("Make {ref} larger.", "把{ref}变大。"),
        Words("Enlarge {ref}.", "放大{ref}。"),
        Words("Draw {ref} larger.", "把{ref}画大一些。"),
        Words("Change {ref} to a larger size.", "让{ref}大一些。"),
    ),
    (
        Words("Increase the size of {ref}.", "增大{ref}的尺寸。"),
        Words("Enlarge {ref}.", "放大{ref}。"),
        Words("Give a larger size to {ref}.", "把{ref}画大一些。"),
        Words("Choose a larger size for {ref}.", "给{ref}选更大的尺寸。"),
    ),
)
SHRINK = Action(
    "shrink",
    (
        Words("Make {ref} smaller.", "把{ref}变小。"),
        Words("Shrink {ref}.", "缩小{ref}。"),
        Words("Draw {ref} smaller.", "把{ref}画小一些。"),
        Words("Change {ref} to a smaller size.", "让{ref}小一些。"),
    ),
    (
        Words("Reduce the size of {ref}.", "减小{ref}的尺寸。"),
        Words("Shrink {ref}.", "缩小{ref}。"),
        Words("Give a smaller size to {ref}.", "把{ref}画小一些。"),
        Words("Choose a smaller size for {ref}.", "给{ref}选更小的尺寸。"),
    ),
)
RAISE = _same(
    "move",
    Words("Move {ref} to the top.", "把{ref}移到上面。"),
    Words("Move {ref} up.", "把{ref}往上移。"),
    Words("Let {ref} rise to the top.", "让{ref}升到上面。"),
    Words("Shift {ref} to the upper edge.", "把{ref}挪到上边缘。"),
)
LOWER = _same(
    "move",
    Words("Move {ref} to the bottom.", "把{ref}移到下面。"),
    Words("Move {ref} down.", "把{ref}往下移。"),
    Words("Let {ref} sink to the bottom.", "让{ref}降到下面。"),
    Words("Shift {ref} to the lower edge.", "把{ref}挪到下边缘。"),
)
COPY = _same(
    "add",
    Words("Draw a copy of {ref} below it.", "在{ref}下方再画一个同样的。"),
    Words("Add a copy of {ref} below it.", "给{ref}下方加一个同样的图形。"),
    Words("Put an equal shape below {ref}.", "在{ref}下方放一个相同的图形。"),
    Words("Place a double of {ref} below it.", "让{ref}下方出现一个同样的图形。"),
)
SWAP = _same(
    "swap",
    Words("Swap {ref}.", "交换{ref}的位置。"),
    Words("Exchange {ref}.", "把{ref}对调。"),
    Words("Let {ref} change places.", "让{ref}换位置。"),
    Words("Interchange {ref}.", "将{ref}的位置互换。"),
)


def paint(colour: str) -> Action:
    """Return the action that gives shapes a colour."""
    new = COLOUR_WORDS[colour]
    change = Words(f"Change the colour of {{ref}} to {new.en}.", f"把{{ref}}的颜色改成{new.zh}。")
    short = (
        Words(f"Paint {{ref}} {new.en}.", f"把{{ref}}涂成{new.zh}。"),
        Words(f"Make {{ref}} {new.en}.", f"让{{ref}}变成{new.zh}。"),
        change,
        Words(f"Fill {{ref}} with {new.en}.", f"用{new.zh}填满{{ref}}。"),
    )
    long = (
        Words(f"Give the colour {new.en} to {{ref}}.", f"把{{ref}}涂成{new.zh}。"),
        Words(f"Use {new.en} for {{ref}}.", f"给{{ref}}涂上{new.zh}。"),
        change,
        Words(f"Take {new.en} as the colour of {{ref}}.", f"{{ref}}改用{new.zh}。"),
    )
    return Action("recolour", short, long)


def add(colour: str, form: str, upper: bool) -> Action:
    """Return the action that draws another shape above or below a shape."""
    where, there = ("above", "上方") if upper else ("below", "下方")
    new = a(named(colour, form))
    return _same(
        "add",
        Words(f"Draw {new.en} {where} {{ref}}.", f"在{{ref}}{there}画{new.zh}。"),
        Words(f"Add {new.en} {where} {{ref}}.", f"在{{ref}}{there}添加{new.zh}。"),
        Words(f"Put {new.en} {where} {{ref}}.", f"在{{ref}}{there}放{new.zh}。"),
        Words(f"Place {new.en} {where} {{ref}}.", f"让{{ref}}{there}出现{new.zh}。"),
    )


def change(action: Action, name: Words, references: Sequence[Reference], target: Scene, opposite: str = "") -> Change:
    """Return what is asked by an action on shapes that have a name (with its article) and references."""
    reasons = tuple(
        Reason(
            reference.family,
            Words(
                *(
                    text.replace("{name}", called)
                    for text, called in zip(_put(_WHY, reference.plain), name, strict=True)
                )
            ),
            tuple(_put(form, reference.plain) for form in action.long),
            tuple(_put(form, reference.indirect[which]) for form, which in zip(action.long, (0, 1, 0, 2), strict=True)),
        )
        for reference in references
    )
    return Change(target, tuple(_put(form, name) for form in action.short), reasons, {}, (action.tag,), opposite)


def _put(form: Words, reference: Words) -> Words:
    return Words(form.en.replace("{ref}", reference.en), form.zh.replace("{ref}", reference.zh))


def the_name(shape: Thing) -> Words:
    """Return the name of a shape with the article, such as ("the red circle", "红色圆形")."""
    words = named(shape.colour, shape.kind)
    return Words(f"the {words.en}", words.zh)


def listed(shapes: Sequence[Thing]) -> Words:
    """Return the names of shapes as a list."""
    names = [named(shape.colour, shape.kind) for shape in shapes]
    return Words(", ".join(words.en for words in names), "、".join(words.zh for words in names))


def unused_colour(rng: random.Random, shapes: Sequence[Thing]) -> str:
    """Return a colour that no shape has."""
    present = {shape.colour for shape in shapes}
    return rng.choice([name for name in SHAPE_COLOURS if name not in present])


def board(rng: random.Random, shapes: Sequence[Thing]) -> Scene:
    """Return a board with the shapes, all of them shifted a little."""
    across, down = rng.randint(-1, 1), rng.randint(-1, 1)
    moved = tuple(Thing(s.kind, s.colour, s.x + across, s.y + down, s.size, s.state) for s in shapes)
    return Scene("board", moved, shade=rng.randrange(3))
