"""What the miniature judge's score depends on, and on what it should not: differences of scores with intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from src.miniature.judge.asking import Asked, Judge
from src.miniature.judge.candidates import compressed
from src.miniature.judge.pairs import EDITOR_KINDS, WRONG_QUESTIONS, JudgePairs
from src.reporting.statistics import mean_interval

CLEAR_DIFFERENCE = 1.0
"""Points between the oracle's scores from which on an order is clear."""
MOST_EDITS = 150
"""Edits that a probe asks about."""
NEAR = 1.0
"""Points within which the scores of two pictures must lie between which nobody sees a difference."""


@dataclass(frozen=True)
class Share:
    """The mean of values with its 95 % interval, robust to several values of one picture.

    Attributes:
        name: What was measured.
        mean: The mean; NaN without values.
        interval: None with fewer than two pictures.
        count: The number of values.
    """

    name: str
    mean: float
    interval: tuple[float, float] | None
    count: int


def share(name: str, values: Sequence[float], pictures: Sequence[int], scale: tuple[float, float] | None) -> Share:
    """Summarises values, each of a picture; those that are NaN are left out."""
    known = [(value, picture) for value, picture in zip(values, pictures, strict=True) if np.isfinite(value)]
    if not known:
        return Share(name, float("nan"), None, 0)
    found, clusters = zip(*known, strict=True)
    return Share(name, float(np.mean(found)), mean_interval(found, clusters, scale), len(found))


def dependence(judge: Judge, pairs: JudgePairs) -> list[tuple[Share, Share]]:
    """Mean scores of exact results under right and wrong questions, each with its distance from the first one's.

    The other change is always one for which the shown result is worth less than `CLEAR_DIFFERENCE`.
    """
    cases = _cases(pairs)
    pictures = [int(pairs.sources[case.edit]) for case in cases]
    found: list[tuple[Share, Share]] = []
    first: np.ndarray | None = None
    for name, question in QUESTIONS.items():
        scores = judge(pairs, [question(pairs, case) for case in cases])
        first = scores if first is None else first
        distances = (scores - first).tolist()
        found.append((share(name, scores.tolist(), pictures, (0.0, 10.0)), share(name, distances, pictures, None)))
    return found


@dataclass(frozen=True)
class _Case:
    """An edit, another one of the same picture, and one of another setting."""

    edit: int
    sibling: int
    stranger: int


def _cases(pairs: JudgePairs) -> list[_Case]:
    rng = np.random.default_rng(0)
    cases: list[_Case] = []
    for edit in rng.permutation(len(pairs.words)):
        result = pairs.pictures[pairs.targets[edit]]
        siblings = [
            other
            for other in np.flatnonzero(pairs.sources == pairs.sources[edit])
            if other != edit and pairs.oracle(int(other), result) < CLEAR_DIFFERENCE
        ]
        strangers = [other for other, rule in enumerate(pairs.rules) if rule[0] != pairs.rules[edit][0]]
        if siblings and strangers and len(cases) < MOST_EDITS:
            cases.append(_Case(int(edit), int(rng.choice(siblings)), int(rng.choice(strangers))))
    return cases


def _question(about: str, rationale: str | None, pictures: str = "source target") -> Callable[..., Asked]:
    """Asks about the wish of one part of a case, with the rationale of another and the pictures named."""

    def asked(pairs: JudgePairs, case: _Case) -> Asked:
        shown = {
            "source": pairs.pictures[pairs.sources[case.edit]],
            "target": pairs.pictures[pairs.targets[case.edit]],
            "stranger": pairs.pictures[pairs.sources[case.stranger]],
        }
        before, after = (shown[name] for name in pictures.split())
        return Asked(getattr(case, about), before, after, None if rationale is None else getattr(case, rationale))

    return asked


QUESTIONS: dict[str, Callable[[JudgePairs, _Case], Asked]] = {
    "own wish, no rationale": _question("edit", None),
    "own wish, own rationale": _question("edit", "edit"),
    "own wish, rationale of another change of the picture": _question("edit", "sibling"),
    "own wish, rationale of another picture": _question("edit", "stranger"),
    "wish of another change, no rationale": _question("sibling", None),
    "wish of another change, rationale of what is shown": _question("sibling", "edit"),
    "wish of another change, its own rationale": _question("sibling", "sibling"),
    "wish of another category, no rationale": _question("stranger", None),
    "wish of another category, rationale of what is shown": _question("stranger", "edit"),
    "own wish, pictures in the wrong order": _question("edit", None, "target source"),
    "own wish, source of another picture": _question("edit", None, "stranger target"),
    "own wish, nothing edited": _question("edit", None, "source source"),
}
"""What is asked about the exact result of an edit; only the first four questions deserve a high score."""


def wish_order(judge: Judge, pairs: JudgePairs) -> Share:
    """How often a result scores higher for the wish that it grants than for another wish of the picture."""
    rows = np.flatnonzero(~np.isin(pairs.kinds, WRONG_QUESTIONS))
    rng = np.random.default_rng(0)
    asked: list[Asked] = []
    right: list[float] = []
    pictures: list[int] = []
    for row in rng.permutation(rows):
        about, before, after = pairs.rows[row]
        others = np.flatnonzero((pairs.sources == pairs.sources[about]) & (np.arange(len(pairs.words)) != about))
        other = int(rng.choice(others))
        result = pairs.pictures[after]
        difference = float(pairs.scores[row]) - pairs.oracle(other, result)
        if abs(difference) >= CLEAR_DIFFERENCE and len(right) < 2 * MOST_EDITS:
            asked += [Asked(edit, pairs.pictures[before], result, None) for edit in (int(about), other)]
            right.append(float(np.sign(difference)))
            pictures.append(int(before))
    scores = judge(pairs, asked).reshape(-1, 2)
    agreed = [_agreement(one - other, sign) for (one, other), sign in zip(scores, right, strict=True)]
    return share("wishes", agreed, pictures, (0.0, 1.0))


def result_order(pairs: JudgePairs, judged: np.ndarray, least: float, kinds: Sequence[str] | None = None) -> Share:
    """How often the better one of two results of one edit scores higher, ties counted half.

    Args:
        pairs: The rows.
        judged: The judge's scores, (rows,).
        least: The oracle's scores differ by more than this.
        kinds: Kinds of candidates to compare; None for all that are results of the edit's own picture.
    """
    chosen = ~np.isin(pairs.kinds, WRONG_QUESTIONS) if kinds is None else np.isin(pairs.kinds, kinds)
    values, pictures = [], []
    for one, other in _pairs_of_one_edit(pairs, np.flatnonzero(chosen & np.isfinite(judged))):
        difference = float(pairs.scores[one] - pairs.scores[other])
        if abs(difference) > least:
            values.append(_agreement(judged[one] - judged[other], np.sign(difference)))
            pictures.append(int(pairs.rows[one, 1]))
    return share("results", values, pictures, (0.0, 1.0))


def _pairs_of_one_edit(pairs: JudgePairs, rows: np.ndarray) -> Iterator[tuple[int, int]]:
    groups = defaultdict(list)
    for row in rows:
        groups[int(pairs.rows[row, 0])].append(int(row))
    for group in groups.values():
        yield from combinations(group, 2)


def _agreement(difference: float, sign: float) -> float:
    return 0.5 * (1.0 + float(np.sign(difference)) * float(sign)) if np.isfinite(difference) else float("nan")


def _grey_levels(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    return np.clip(picture + rng.integers(-2, 3, picture.shape), 0, 255).astype(np.uint8)


def _brighter(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    return np.clip(picture.astype(np.int16) + rng.choice([-1, 1]), 0, 255).astype(np.uint8)


UNSEEN: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "up to two grey levels at every pixel": _grey_levels,
    "one grey level everywhere": _brighter,
    "JPEG, quality 95": lambda rng, picture: compressed(picture, 95),
}


def stability(judge: Judge, pairs: JudgePairs) -> list[tuple[Share, float]]:
    """How often pictures between which nobody sees a difference score within `NEAR`, and how far apart they are.

    Returns:
        For each kind of difference the share, and the mean difference of the pictures in grey levels.
    """
    rng = np.random.default_rng(0)
    rows = rng.permutation(np.flatnonzero(~np.isin(pairs.kinds, WRONG_QUESTIONS)))
    own = [row for row in rows if pairs.kinds[row] in EDITOR_KINDS]
    rows = np.array([*own, *(row for row in rows if pairs.kinds[row] not in EDITOR_KINDS)])[: 2 * MOST_EDITS]
    plain = [
        Asked(int(about), pairs.pictures[before], pairs.pictures[after], None)
        for about, before, after in pairs.rows[rows]
    ]
    scores = judge(pairs, plain)
    found = []
    for name, change in UNSEEN.items():
        shown = [asked._replace(after=change(rng, asked.after)) for asked in plain]
        near = np.where(np.isfinite(scores), np.abs(judge(pairs, shown) - scores) <= NEAR, np.nan)
        apart = [np.abs(one.after.astype(int) - two.after).mean() for one, two in zip(plain, shown, strict=True)]
        pictures = pairs.rows[rows, 1].tolist()
        found.append((share(name, near.astype(float).tolist(), pictures, (0.0, 1.0)), float(np.mean(apart))))
    return found


def picture_guess(pairs: JudgePairs) -> np.ndarray:
    """What the best guess without words would give the rows: a result's mean score over all wishes of its picture."""
    guesses = []
    for _, before, after in pairs.rows:
        wishes = np.flatnonzero(pairs.sources == before)
        result = pairs.pictures[after]
        guesses.append(float(np.mean([pairs.oracle(int(wish), result) for wish in wishes])) if len(wishes) else 0.0)
    return np.array(guesses)
