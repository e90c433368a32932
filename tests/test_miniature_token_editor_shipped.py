"""What the shipped weights must still be able to do; the model card has the full figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from src.miniature.editor.evaluate_editor import held_out_edits, reference_scores
from src.miniature.editor.pairs import draw_pairs
from src.miniature.tokens.evaluate_editor import load_editor
from src.miniature.tokens.reconstruction import TokenEditor
from src.miniature.world.benchmark import HELD_OUT_SEEDS
from src.miniature.world.edits import CATEGORIES, MiniatureEdit, families
from src.models.reward.reference_formula import compare_with_reference

FOLDER = Path("assets/miniature/token_editor")


@pytest.fixture(scope="module")
def editor() -> TokenEditor:
    return load_editor(FOLDER)


@pytest.fixture(scope="module")
def edits() -> list[MiniatureEdit]:
    asked = (held_out_edits(category, "easy", 6, families(category, "training"), "training") for category in CATEGORIES)
    return [edit for some in asked for edit in some]


def test_the_shipped_tokenizer_leaves_the_exact_result_seven_of_ten(editor: TokenEditor) -> None:
    pairs = draw_pairs(HELD_OUT_SEEDS, 40)
    passed = editor.round_trips(list(pairs.targets))
    sources = pairs.sources[pairs.picture]
    scores = [compare_with_reference(*images).score for images in zip(sources, passed, pairs.targets, strict=True)]
    assert np.mean(scores) >= 7.0


def test_the_shipped_editor_follows_explicit_words_far_better_than_words_that_ask_for_nothing(
    editor: TokenEditor, edits: list[MiniatureEdit]
) -> None:
    sources = [edit.source for edit in edits]
    asked = reference_scores(edits, editor.edit(sources, [edit.instruction_en for edit in edits]))
    neutral = reference_scores(edits, editor.edit(sources, ["Describe the picture."] * len(edits)))
    assert np.mean(asked) >= np.mean(neutral) + 1.5


def test_the_shipped_editor_and_its_tokenizer_are_at_most_fifteen_megabytes() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 15 * 2**20
