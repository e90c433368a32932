"""Which questions training puts to the miniature judge: in blocks that only words and pictures together can answer.

A picture, its possible changes and their results make a table of wishes and results. In a block of its cells neither
the words alone nor the pictures alone say anything about the score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from src.data.sample import EditSample
from src.miniature.judge.candidates import unseen
from src.miniature.judge.pairs import EDITOR_KINDS, WRONG_QUESTIONS, JudgePairs
from src.miniature.judge.prompts import as_sample
from src.miniature.world.edits import DIFFICULTIES
from src.models.vlm.prompts import Language

BLOCK = 4
"""Questions of a block; all are about one picture, in one language."""
TABLE_SHARE, RIVALS_SHARE = 0.5, 0.4
"""How many blocks ask two wishes about two results, and how many ask one wish about four results. The others ask what
is wrong as a whole: pictures in the wrong order, a foreign source, a foreign wish."""
TWIN_SHARE = 0.3
"""How many blocks of one wish show one result twice, with a difference that nobody sees."""
UNSEEN_SHARE = 0.25
"""How many results are shown with such a difference and keep their score."""
SCORE_BINS = (0.05, 1.0, 2.5, 4.0, 5.5, 7.0, 8.5, 9.5)
"""Bounds between the bins of scores that share out the results."""
BIN_SHARES = (0.16, 0.07, 0.09, 0.10, 0.11, 0.12, 0.13, 0.12, 0.10)
EDITOR_REPEATS = 3
"""How much more often than others an editor's own outputs are drawn: they are what the judge will see."""
DIFFICULTY_SHARES = (0.4, 0.25, 0.35)
DESCRIPTION_SHARE = 0.5
RATIONALE_SHARE = 0.4
OWN_RATIONALE, SIBLINGS_RATIONALE = 0.5, 0.35
"""How many rationales are those of the wish, and of another change of the picture; the rest are of any other edit.
The score is that of the wish nevertheless: a rationale explains a wish, it does not make one."""


@dataclass(frozen=True)
class AskedQuestion:
    """One training question.

    Attributes:
        about: The edit whose wish is asked about.
        before: uint8 (64, 64, 3).
        after: uint8 (64, 64, 3).
        result: Tells the results of one block apart: questions about one result share it.
        score: The oracle's, 0–10.
        matched: Whether the wish is one that the first picture allows.
        sample: The words, as scorers get them.
        language: Of words and prompt.
    """

    about: int
    before: np.ndarray
    after: np.ndarray
    result: int
    score: float
    matched: bool
    sample: EditSample
    language: Language


class _Cell(NamedTuple):
    """A wish, the row or twin that shows a result, the pictures before and after, and the score."""

    about: int
    result: int
    before: np.ndarray
    after: np.ndarray
    score: float


class QuestionBlocks:
    """Draws blocks of questions from pairs."""

    def __init__(self, pairs: JudgePairs) -> None:
        self._pairs = pairs
        bins = np.digitize(pairs.scores, SCORE_BINS)
        repeats = np.where(np.isin(pairs.kinds, EDITOR_KINDS), EDITOR_REPEATS, 1)
        counts = np.bincount(bins, weights=repeats, minlength=len(BIN_SHARES)).clip(min=1.0)
        self._weights = (np.array(BIN_SHARES) / counts)[bins] * repeats
        wrong = np.isin(pairs.kinds, WRONG_QUESTIONS)
        self._results = _grouped(np.flatnonzero(~wrong), pairs.rows[~wrong, 0], len(pairs.words))
        result = np.where(pairs.kinds == "swapped", pairs.rows[:, 1], pairs.rows[:, 2])
        self._wrong = _grouped(np.flatnonzero(wrong), result[wrong], len(pairs.pictures))
        self._edits = _grouped(np.arange(len(pairs.words)), pairs.sources, int(pairs.sources.max()) + 1)
        self._shown = np.flatnonzero([len(edits) > 0 for edits in self._edits])

    def draw(self, rng: np.random.Generator) -> list[AskedQuestion]:
        """`BLOCK` questions about one picture."""
        edits = rng.permutation(self._edits[rng.choice(self._shown)])
        chance = rng.random()
        if chance < TABLE_SHARE:
            cells = self._table(rng, edits[0], edits[1])
        elif chance < TABLE_SHARE + RIVALS_SHARE:
            cells = self._rivals(rng, edits[0])
        else:
            cells = self._wrong_questions(rng, edits[0])
        return self._told(rng, cells, edits)

    def _table(self, rng: np.random.Generator, one: int, other: int) -> list[_Cell]:
        """Two wishes about a result of each."""
        results = [self._result(rng, edit, successful=True) for edit in (one, other)]
        return [self._cell(edit, result) for edit in (one, other) for result in results]

    def _rivals(self, rng: np.random.Generator, edit: int) -> list[_Cell]:
        """One wish about different results."""
        results = self._results[edit]
        chances = self._weights[results] / self._weights[results].sum()
        chosen = rng.choice(results, size=min(BLOCK, len(results)), replace=False, p=chances)
        cells = [_Cell(edit, int(row), *self._pictures(row), float(self._pairs.scores[row])) for row in chosen]
        cells += cells[: BLOCK - len(cells)]
        if rng.random() < TWIN_SHARE:
            twin = cells[-2]
            cells[-1] = twin._replace(result=-1, after=unseen(rng, twin.after))
        return cells

    def _wrong_questions(self, rng: np.random.Generator, edit: int) -> list[_Cell]:
        """The exact result, and questions that are wrong as a whole."""
        target = self._pairs.targets[edit]
        source, exact = self._pairs.pictures[[self._pairs.sources[edit], target]]
        cells = [_Cell(edit, -1, source, exact, 10.0)]
        wrong = self._wrong[target][: BLOCK - 1]
        cells += [_Cell(int(self._pairs.rows[row, 0]), int(row), *self._pictures(row), 0.0) for row in wrong]
        while len(cells) < BLOCK:
            cells.append(self._cell(edit, self._result(rng, edit, successful=False)))
        return cells

    def _result(self, rng: np.random.Generator, edit: int, successful: bool) -> int:
        """A row with a result of an edit; `successful` prefers those in which the wish was granted."""
        rows = self._results[edit]
        weights = self._weights[rows] * (self._pairs.scores[rows] + 0.1 if successful else 1.0)
        return int(rng.choice(rows, p=weights / weights.sum()))

    def _cell(self, edit: int, row: int) -> _Cell:
        before, after = self._pictures(row)
        own = self._pairs.rows[row, 0] == edit
        score = float(self._pairs.scores[row]) if own else self._pairs.oracle(edit, after)
        return _Cell(edit, row, before, after, score)

    def _pictures(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        before, after = self._pairs.pictures[self._pairs.rows[row, 1:]]
        return before, after

    def _told(self, rng: np.random.Generator, cells: list[_Cell], edits: np.ndarray) -> list[AskedQuestion]:
        """Puts cells into words; `edits` are those of the picture. Questions about one wish share its wording."""
        language: Language = "zh" if rng.random() < 0.5 else "en"
        described = bool(rng.random() < DESCRIPTION_SHARE)
        wordings: dict[int, str] = {}
        asked = []
        for cell in cells:
            difficulty = wordings.setdefault(cell.about, str(rng.choice(DIFFICULTIES, p=DIFFICULTY_SHARES)))
            sample = as_sample(
                self._pairs.rules[cell.about][0],
                self._pairs.text(cell.about, difficulty, language),
                self._pairs.text(edits[0], "description", language) if described else "",
                self._rationale(rng, cell.about, edits, language),
            )
            own_source = self._pairs.pictures[self._pairs.sources[cell.about]]
            after = unseen(rng, cell.after) if rng.random() < UNSEEN_SHARE else cell.after
            matched = np.array_equal(own_source, cell.before)
            question = (int(cell.about), cell.before, after, cell.result, cell.score, matched, sample, language)
            asked.append(AskedQuestion(*question))
        return asked

    def _rationale(self, rng: np.random.Generator, about: int, edits: np.ndarray, language: Language) -> str | None:
        if rng.random() >= RATIONALE_SHARE:
            return None
        chance = rng.random()
        told = about
        if chance >= OWN_RATIONALE + SIBLINGS_RATIONALE:
            told = int(rng.integers(len(self._pairs.words)))
        elif chance >= OWN_RATIONALE:
            told = int(rng.choice(edits))
        return self._pairs.text(told, "rationale", language)


def _grouped(values: np.ndarray, groups: np.ndarray, count: int) -> list[np.ndarray]:
    """The values of each of `count` groups."""
    order = np.argsort(groups, kind="stable")
    return np.split(values[order], np.searchsorted(groups[order], np.arange(1, count)))
