"""The pictures of 物理 and 因果 show what follows from the words, on the side that the words name."""

from __future__ import annotations

import numpy as np
import pytest

from src.miniature.world.edits import MiniatureEdit, make_setting
from src.miniature.world.palette import COLOURS
from src.miniature.world.scene import SIZE

SEEDS = range(12)
HALVES = {"left": slice(0, SIZE // 2), "right": slice(SIZE // 2, SIZE)}


def _edits(category: str, setting: str, family: str) -> list[MiniatureEdit]:
    return [edit for seed in SEEDS for edit in make_setting(category, setting, seed, "medium") if edit.family == family]


def _rows(picture: np.ndarray, colour: str) -> float:
    """Return the mean row of the pixels of a pure colour."""
    return float(np.nonzero((picture == COLOURS[colour]).all(axis=2))[0].mean())


def _changed(edit: MiniatureEdit) -> np.ndarray:
    return np.abs(edit.source.astype(np.int16) - edit.target).max(axis=2) > 24


def _named_side(text: str) -> str:
    (side,) = {side for side in HALVES if f"{side} " in text.replace(".", " ").replace(",", " ")}
    return side


def test_the_box_that_becomes_heavier_sinks_and_the_other_one_rises() -> None:
    for edit in _edits("物理", "scale", "scale_fill"):
        colour = next(word for word in edit.instruction_en.split() if word.lower() in COLOURS).lower()
        assert _rows(edit.target, colour) > _rows(edit.source, colour) + 4


def test_the_box_that_becomes_lighter_rises() -> None:
    for edit in _edits("物理", "scale", "scale_empty"):
        colour = next(word for word in edit.instruction_en.split() if word.lower() in COLOURS).lower()
        assert _rows(edit.target, colour) < _rows(edit.source, colour) - 4


def test_the_sun_comes_out_on_the_side_that_the_text_names() -> None:
    for edit in _edits("物理", "sunlight", "sun_appears"):
        sun = (edit.target[:16] == (255, 222, 50)).all(axis=2)
        assert sun[:, HALVES[_named_side(edit.instruction_en)]].sum() == sun.sum() > 0


@pytest.mark.parametrize("family", ["domino_cat", "domino_marble"])
def test_a_push_fells_the_whole_row_away_from_its_side(family: str) -> None:
    for edit in _edits("因果", "dominoes", family):
        way = edit.rationale_en.rstrip(".").split()[-1]
        changed = _changed(edit)
        beyond = {
            side: changed[:, columns].sum() for side, columns in (("left", slice(0, 9)), ("right", slice(55, 64)))
        }
        assert beyond[way] > 0
        assert sum(beyond.values()) == beyond[way]


def test_a_domino_that_holds_fast_keeps_what_is_behind_it_upright() -> None:
    for edit in _edits("因果", "dominoes", "domino_glue"):
        side = _named_side(edit.rationale_en.split("push from the ")[1])
        away = {"left": slice(39, SIZE), "right": slice(0, 25)}[side]
        assert not _changed(edit)[:, away].any()
