"""What one would score on miniature edits by the words alone, or by the picture alone.

Run `python -m src.miniature.world.guessers` to print it for `assets/miniature/benchmark.json`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.command_line import only_help
from src.miniature.model_card import markdown_table
from src.miniature.world.benchmark import SHIPPED_PATH
from src.miniature.world.edits import CATEGORIES, MiniatureEdit, make_edit, make_siblings
from src.models.reward.reference_formula import compare_with_reference
from src.reporting.statistics import mean_interval

DONORS = 60
"""Other edits of a family and difficulty from which the text-only guesser takes its change."""
DONOR_SEEDS = range(700_000, 700_000 + DONORS)


@dataclass(frozen=True)
class Task:
    """The arguments from which the world makes an edit, in held-out wordings."""

    category: str
    difficulty: str
    seed: int
    family: str

    def edit(self) -> MiniatureEdit:
        """Return the edit."""
        return make_edit(self.category, self.difficulty, self.seed, self.family, "held_out")

    def siblings(self) -> tuple[MiniatureEdit, ...]:
        """Return every edit of the same picture."""
        return make_siblings(self.category, self.difficulty, self.seed, self.family, "held_out")


def tasks_of(path: Path) -> list[Task]:
    """Return the tasks of a benchmark file of the miniature world."""
    items = json.loads(path.read_text(encoding="utf-8"))
    return [Task(item["subset"], item["difficulty"], item["seed"], item["family"]) for item in items]


def no_edit(tasks: Sequence[Task]) -> list[float]:
    """Return the scores of the untouched sources."""
    return [_score(edit, edit.source) for edit in (task.edit() for task in tasks)]


def text_only(tasks: Sequence[Task]) -> list[float]:
    """Return the scores of a guesser that knows the words, the family and the difficulty, but not the picture.

    It copies the changed pixels of other edits of the family and difficulty into the picture: of those with the very
    same text where there are any, of all others else. The score is the mean over these edits.
    """
    scores = []
    for task in tasks:
        edit = task.edit()
        donors = [make_edit(task.category, task.difficulty, s, task.family, "held_out") for s in DONOR_SEEDS]
        same = [donor for donor in donors if donor.instruction_en == edit.instruction_en]
        scores.append(float(np.mean([_score(edit, _with_change(edit, donor)) for donor in same or donors])))
    return scores


def picture_only(tasks: Sequence[Task]) -> list[float]:
    """Return the expected scores of a guesser that makes any of the picture's changes exactly, each equally likely."""
    scores = []
    for task in tasks:
        edit = task.edit()
        targets = {sibling.target.tobytes(): sibling.target for sibling in task.siblings()}
        scores.append(float(np.mean([_score(edit, target) for target in targets.values()])))
    return scores


def most_frequent(tasks: Sequence[Task]) -> list[float]:
    """Return the expected scores of a guesser that serves the most frequent family of the kind of picture."""
    pictures = [task.siblings() for task in tasks]
    frequency = Counter((siblings[0].setting, task.family) for task, siblings in zip(tasks, pictures, strict=True))
    scores = []
    for task, siblings in zip(tasks, pictures, strict=True):
        edit = task.edit()
        best = max({sibling.family for sibling in siblings}, key=lambda name: (frequency[edit.setting, name], name))
        targets = [sibling.target for sibling in siblings if sibling.family == best]
        scores.append(float(np.mean([_score(edit, target) for target in targets])))
    return scores


GUESSERS: dict[str, Callable[[Sequence[Task]], list[float]]] = {
    "text only": text_only,
    "picture only": picture_only,
    "most frequent family": most_frequent,
    "no edit": no_edit,
}
"""What the columns of the table are called, and how their scores are found."""


def guessers_table(tasks: Sequence[Task]) -> str:
    """Return mean scores (0–10) of every guesser with their 95 % intervals, by category, as a Markdown table."""
    found = {name: guess(tasks) for name, guess in GUESSERS.items()}
    rows = []
    for category in (*CATEGORIES, "all"):
        places = [i for i, task in enumerate(tasks) if category in (task.category, "all")]
        if places:
            rows.append([category, *(_cell([scores[i] for i in places]) for scores in found.values())])
    return markdown_table(("category", *GUESSERS), rows)


def _cell(scores: list[float]) -> str:
    interval = mean_interval(scores, range(len(scores)), (0.0, 10.0))
    ends = "" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]"
    return f"{np.mean(scores):.2f}{ends}"


def _with_change(edit: MiniatureEdit, donor: MiniatureEdit) -> np.ndarray:
    changed = (donor.source != donor.target).any(axis=2, keepdims=True)
    return np.where(changed, donor.target, edit.source)


def _score(edit: MiniatureEdit, picture: np.ndarray) -> float:
    return compare_with_reference(edit.source, picture, edit.target).score


if __name__ == "__main__":
    only_help(__doc__)
    sys.stdout.write(guessers_table(tasks_of(SHIPPED_PATH)) + "\n")
