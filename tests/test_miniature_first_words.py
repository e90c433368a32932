"""The editor's first lesson: every wish names exactly one shape, in words that the world's training set has too."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from src.miniature.editor.batches import SIBLINGS
from src.miniature.editor.first_words import _picture, draw_first_words
from src.miniature.editor.lessons import FIRST_WORDS_EVERY, Lessons
from src.miniature.world.palette import COLOURS
from src.miniature.world.render import render
from src.miniature.world.scene import Scene, Thing

FORM_NAMES = {"circle", "square", "triangle"}
ENDS = {"leftmost": ("x", min), "rightmost": ("x", max), "topmost": ("y", min), "lowest": ("y", max)}


def meant(text: str, shapes: tuple[Thing, ...]) -> list[Thing]:
    """The shapes that the words from the last "the" to the noun can mean, read without the code that wrote them."""
    found = list(shapes)
    for word in text.rstrip(".").split(" the ")[-1].split():
        if word in FORM_NAMES:
            return [shape for shape in found if shape.kind == word]
        if word == "shape":
            return found
        if word in COLOURS:
            found = [shape for shape in found if shape.colour == word]
        else:
            axis, pick = ENDS[word]
            found = [pick(found, key=lambda shape: getattr(shape, axis))]
    raise AssertionError(f"no noun in {text!r}")


def the_shape_that_changes(source: Scene, target: Scene) -> Thing:
    (changed,) = [shape for shape in source.things if shape not in target.things]
    return changed


@pytest.mark.parametrize("index", range(80))
def test_every_wish_names_the_one_shape_that_its_target_changes(index: int) -> None:
    source, changes = _picture(random.Random(f"test {index}"))
    for target, texts in changes:
        wanted = the_shape_that_changes(source, target)
        for text in texts[::2]:
            assert meant(text, source.things) == [wanted], text


def test_no_picture_has_fewer_changes_than_a_batch_takes_and_none_of_them_look_alike() -> None:
    for index in range(80):
        source, changes = _picture(random.Random(f"test {index}"))
        pictures = {render(source).tobytes(), *(render(target).tobytes() for target, _ in changes)}
        assert len(pictures) == 1 + len(changes)
        assert len(changes) >= SIBLINGS


def test_held_out_forms_of_a_wish_are_never_read() -> None:
    texts = [text for texts in draw_first_words(200, 0).texts for text in texts]
    assert any(text.startswith("Take away") for text in texts)
    assert not [text for text in texts if "vanish" in text or "消失" in text or text.startswith("Fill")]


def test_a_seed_decides_the_pictures() -> None:
    one, same, other = draw_first_words(5, 0), draw_first_words(5, 0), draw_first_words(5, 1)
    assert one.texts == same.texts
    assert np.array_equal(one.sources, same.sources)
    assert one.texts != other.texts


def test_first_words_come_alone_at_first_and_then_among_the_world() -> None:
    first, world = (
        SimpleNamespace(prefix_length=3, batch=lambda step, _, name=name: name) for name in ("first", "world")
    )
    lessons = Lessons(first, world, 4)  # type: ignore[arg-type]
    drawn = [lessons.batch(step, torch.device("cpu")) for step in range(4 + 5 * FIRST_WORDS_EVERY)]
    assert drawn[:4] == ["first"] * 4  # type: ignore[comparison-overlap]
    assert drawn[4:].count("first") == 5  # type: ignore[arg-type]
