"""The first lesson of the miniature editor: a few shapes, and the plainest wishes about one of them.

A picture of the world holds many things, and the chance that a network finds by itself that "purple" in a sentence has
to do with purple in the picture is small: without this lesson the editor painted no certain shape of a row after
12,000 steps. Pictures of one to four shapes teach it within 1,500.
"""

from __future__ import annotations

import random

import numpy as np

from src.miniature.editor.pairs import TEXTS_PER_EDIT, TrainingPairs
from src.miniature.world.phrasing import COLOUR_WORDS, KIND_WORDS, Words
from src.miniature.world.referring import FORMS, REMOVE, SHAPE_COLOURS, Action, board, paint, the_name
from src.miniature.world.render import render
from src.miniature.world.scene import Scene, Thing
from src.miniature.world.shape_lines import LINES, line

COUNTS = (1, 2, 2, 3, 3, 4)
"""How many shapes a picture shows, each equally likely."""
SIZES = {1: (16.0, 22.0), 2: (13.0, 20.0), 3: (11.0, 16.0), 4: (10.0, 12.0)}
"""Bounds of a shape's size in pixels, by the number of shapes."""
COLOURS_FOR_ONE = 3
"""New colours of a shape that is alone, so that its picture has as many changes as others."""
TRAINING_FORMS = 3
"""The forms of an action that training reads; the last one is held out, as everywhere."""
RULE = ["指代", "first_words", "first_words"]


def draw_first_words(pictures: int, seed: int) -> TrainingPairs:
    """Draws pictures with all their changes; every wording is explicit, in English and Chinese by turns.

    Shapes are called by name, by colour, by form or by side. No family of the world is among that, held out or not.

    Args:
        pictures: How many.
        seed: Decides all of them.
    """
    drawn = [_picture(random.Random(f"first words {seed} {index}")) for index in range(pictures)]
    return TrainingPairs(
        sources=np.stack([render(source) for source, _ in drawn]),
        targets=np.stack([render(target) for _, changes in drawn for target, _ in changes]),
        picture=np.repeat(np.arange(pictures), [len(changes) for _, changes in drawn]),
        texts=[texts for _, changes in drawn for _, texts in changes],
        rules=[RULE for _, changes in drawn for _ in changes],
    )


def _picture(rng: random.Random) -> tuple[Scene, list[tuple[Scene, list[str]]]]:
    """A scene, and its possible results with their wordings."""
    count = rng.choice(COUNTS)
    direction = rng.choice(tuple(LINES))
    names = rng.sample([(colour, form) for colour in SHAPE_COLOURS for form in FORMS], count)
    shapes = line(names, direction, [rng.uniform(*SIZES[count]) for _ in names])
    source = board(rng, shapes)
    changes = []
    for place, shape in enumerate(shapes):
        names_of_it = _names(shapes, place, direction)
        changes.append((source.without(place), _texts(rng, REMOVE, names_of_it)))
        others = [colour for colour in SHAPE_COLOURS if colour != shape.colour]
        for colour in rng.sample(others, COLOURS_FOR_ONE if count == 1 else 1):
            changes.append((source.changing(place, colour=colour), _texts(rng, paint(colour), names_of_it)))
    return source, changes


def _names(shapes: list[Thing], place: int, direction: str) -> list[Words]:
    """All that a shape can be called where no other one is meant by it."""
    shape = shapes[place]
    names = [the_name(shape)]
    if sum(other.colour == shape.colour for other in shapes) == 1:
        colour = COLOUR_WORDS[shape.colour]
        names.append(Words(f"the {colour.en} shape", f"{colour.zh}的图形"))
    if sum(other.kind == shape.kind for other in shapes) == 1:
        form = KIND_WORDS[shape.kind]
        names.append(Words(f"the {form.en}", form.zh))
    if len(shapes) > 1 and place in (0, len(shapes) - 1):
        outermost = LINES[direction][0 if place == 0 else 1].outermost
        names.append(Words(f"the {outermost.en} shape", f"{outermost.zh}的图形"))
    return names


def _texts(rng: random.Random, action: Action, names: list[Words]) -> list[str]:
    texts: list[str] = []
    while len(texts) < TEXTS_PER_EDIT:
        form, name = rng.choice(action.short[:TRAINING_FORMS]), rng.choice(names)
        texts += [form.en.replace("{ref}", name.en), form.zh.replace("{ref}", name.zh)]
    return texts
