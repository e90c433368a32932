"""What guessers score on miniature edits: scored by hand where the result is known."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from src.miniature.world import guessers
from src.miniature.world.benchmark import SHIPPED_PATH
from src.miniature.world.edits import make_edit
from src.miniature.world.guessers import (
    GUESSERS,
    Task,
    guessers_table,
    most_frequent,
    no_edit,
    picture_only,
    tasks_of,
    text_only,
)
from src.models.reward.reference_formula import compare_with_reference

ROOT = Path(__file__).parent.parent
TASKS = [Task("指代", "hard", seed, "row_place") for seed in range(4)]


def test_without_an_edit_nothing_is_scored() -> None:
    assert no_edit(TASKS) == [0.0] * 4


def test_the_picture_only_guesser_is_right_as_often_as_there_are_changes() -> None:
    for task, score in zip(TASKS, picture_only(TASKS), strict=True):
        targets = {sibling.target.tobytes(): sibling.target for sibling in task.siblings()}
        edit = task.edit()
        assert edit.target.tobytes() in targets
        others = [target for key, target in targets.items() if key != edit.target.tobytes()]
        rest = [compare_with_reference(edit.source, target, edit.target).score for target in others]
        assert score == pytest.approx((10.0 + sum(rest)) / (1 + len(others)))


def test_the_siblings_of_a_task_show_its_own_picture() -> None:
    for task in TASKS:
        assert all(np.array_equal(sibling.source, task.edit().source) for sibling in task.siblings())
        assert np.array_equal(task.edit().source, make_edit("指代", "hard", task.seed, "row_place").source)


def test_a_guesser_that_knows_the_only_family_beats_one_that_does_not() -> None:
    tasks = [Task("指代", "easy", seed, "twin_single") for seed in range(6)]
    assert np.mean(most_frequent(tasks)) > np.mean(picture_only(tasks))


def test_the_text_only_guesser_copies_from_edits_of_the_very_same_text_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = TASKS[0]
    told = {seed: make_edit("指代", "hard", seed, "row_place", "held_out").instruction_en for seed in range(12)}
    others = [seed for seed, text in told.items() if text != told[task.seed]]
    monkeypatch.setattr(guessers, "DONOR_SEEDS", [*others, task.seed])
    assert text_only([task]) == [10.0], "of all donors only the edit itself has its text"
    monkeypatch.setattr(guessers, "DONOR_SEEDS", others)
    assert text_only([task])[0] < 10.0


def test_scores_of_guessers_lie_on_the_scale() -> None:
    assert all(0.0 <= score <= 10.0 for guess in (text_only, most_frequent) for score in guess(TASKS[:2]))


def test_the_table_has_a_row_for_each_category_and_an_interval_in_each_cell() -> None:
    tasks = [task for task in tasks_of(ROOT / SHIPPED_PATH) if task.category == "指代"][:4]
    lines = guessers_table(tasks).splitlines()
    assert lines[0] == "| category | " + " | ".join(GUESSERS) + " |"
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["指代", "all"]
    assert all(re.fullmatch(r" \d+\.\d\d \[\d+\.\d\d, \d+\.\d\d\] ", cell) for cell in lines[2].split("|")[2:-1])
