"""Pairs of edits that people and a judge put into an order: pairwise accuracy with ties, and the width of a tie.

Deutsch, Foster and Freitag, “Ties Matter” (arXiv 2305.14324): acc_eq = (C + T_hm) / (C + D + T_h + T_m + T_hm), where
C and D count concordant and discordant pairs, T_h and T_m pairs that only the people and only the judge call equal, and
T_hm those that both do. Scores of a judge that differ by at most the tie width ε count as equal, and ε is the width
with the highest acc_eq. The paper chooses ε on the pairs that it reports; here it is chosen on other source pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from src.reporting.calibration.resampling import Array, Measured, measured, resample_weights

FOLDS = 5
REPEATS = 4
"""How often the folds are drawn anew."""
MOST_PAIRS = 200_000
"""On which a tie width is chosen: of more, as many at random."""
_SEED = 14324
_DIGITS = 9
"""Differences of scores are rounded to so many digits: 7.3 − 7.0 is no more than 0.3."""
TOO_FEW = "labels on at least four source pictures are needed to choose on some and measure on others"
ALL_EQUAL = "people call all edits equal: there is no order for a judge to get right"

Numbers = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """What a judge and people say of pairs of edits; arrays of one length."""

    gap: Array
    """Absolute difference of the judge's scores."""
    agree: Truths
    """Whether judge and people prefer the same edit, whatever the gap."""
    tied: Truths
    """Whether the edits are equal to people."""

    def correct(self, width: float) -> Truths:
        """Finds the pairs of which the judge says what people say, when gaps up to the width are ties."""
        return np.where(self.tied, self.gap <= width, self.agree & (self.gap > width))

    def part(self, chosen: npt.NDArray[np.generic]) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.gap[chosen], self.agree[chosen], self.tied[chosen])


def pairs_of(judge_differences: Array, human_differences: Array) -> Pairs:
    """Pairs from the differences of their scores; the sign of a human difference is all that counts of it."""
    gaps = np.round(judge_differences, _DIGITS)
    signs = np.sign(np.round(human_differences, _DIGITS))
    return Pairs(np.abs(gaps), (np.sign(gaps) == signs) & (signs != 0), signs == 0)


def best_tie_width(pairs: Pairs) -> tuple[float, float]:
    """The tie width with the highest accuracy on these pairs (the smallest of several), and that accuracy.

    Candidates are 0 and every gap: between two gaps nothing changes.
    """
    if len(pairs.gap) > MOST_PAIRS:
        pairs = pairs.part(np.random.default_rng(_SEED).choice(len(pairs.gap), MOST_PAIRS, replace=False))
    order = np.argsort(pairs.gap, kind="stable")
    gaps = pairs.gap[order]
    # A pair below the width is right where people see a tie, and one above it where the order agrees.
    gained = np.cumsum(pairs.tied[order].astype(int) - pairs.agree[order].astype(int))
    last_of_gap = np.flatnonzero(np.append(gaps[1:] != gaps[:-1], True))
    widths, right = gaps[last_of_gap], int(pairs.agree.sum()) + gained[last_of_gap]
    if widths[0] > 0:
        widths, right = np.append(0.0, widths), np.append(int(pairs.agree.sum()), right)
    best = int(np.argmax(right))
    return float(widths[best]), float(right[best] / len(gaps))


def folds(clusters: Numbers) -> Iterator[Truths]:
    """Which labels each fold holds out: whole clusters, in `FOLDS` parts, `REPEATS` times; none for under four."""
    count = int(clusters.max()) + 1
    parts = min(FOLDS, count // 2)
    if parts < 2:
        return
    random = np.random.default_rng(_SEED)
    for _ in range(REPEATS):
        part_of = random.permutation(count) % parts
        for part in range(parts):
            yield part_of[clusters] == part


def accuracy_of_scores(judge: Array, human: Array, clusters: Numbers) -> Measured:
    """Pairwise accuracy over all pairs of single edits, each judged with a tie width chosen on other source pictures.

    A pair counts in those folds that hold out both of its edits.

    Args:
        judge: The judge's scores.
        human: The scores of people for the same edits.
        clusters: Of the source pictures; see `cluster_numbers`.
    """
    if len(human) > 1 and np.ptp(np.round(human, _DIGITS)) == 0:
        return Measured(None, None, len(human) * (len(human) - 1) // 2, ALL_EQUAL)
    weights = resample_weights(clusters).T
    right, possible = np.zeros(weights.shape[1] + 1), np.zeros(weights.shape[1] + 1)
    pairs = 0
    for held_out in folds(clusters):
        train = np.flatnonzero(~held_out)
        width, _ = best_tie_width(all_pairs(judge[train], human[train]))
        test = np.flatnonzero(held_out)
        if len(test) < 2:
            continue
        differences = np.subtract.outer(judge[test], judge[test]), np.subtract.outer(human[test], human[test])
        correct = pairs_of(*(part.ravel() for part in differences)).correct(width).reshape(len(test), -1)
        np.fill_diagonal(correct, False)
        drawn = np.column_stack([np.ones(len(test)), weights[test]])
        right += np.einsum("ib,ib->b", drawn, correct.astype(float) @ drawn)
        possible += drawn.sum(0) ** 2 - (drawn**2).sum(0)
        pairs += len(test) * (len(test) - 1) // 2
    return _share(right, possible, clusters, pairs)


def accuracy_of_choices(judge_differences: Array, human_signs: Array, clusters: Numbers) -> Measured:
    """Compares the order over pairs that people have compared directly.

    Args:
        judge_differences: The judge's score of the second edit of a pair minus that of the first.
        human_signs: 1 where people prefer the second edit, -1 for the first, 0 for neither.
        clusters: Of the source pictures.
    """
    pairs = pairs_of(judge_differences, human_signs)
    if pairs.tied.all():
        return Measured(None, None, len(human_signs), ALL_EQUAL)
    weights = resample_weights(clusters)
    right, possible = np.zeros(len(weights) + 1), np.zeros(len(weights) + 1)
    for held_out in folds(clusters):
        width, _ = best_tie_width(pairs.part(~held_out))
        drawn = np.vstack([np.ones(int(held_out.sum())), weights[:, held_out]])
        right += drawn @ pairs.part(held_out).correct(width).astype(float)
        possible += drawn.sum(1)
    return _share(right, possible, clusters, len(judge_differences))


def _share(right: Array, possible: Array, clusters: Numbers, pairs: int) -> Measured:
    with np.errstate(invalid="ignore"):
        shares = np.where(possible > 0, right / possible, np.nan)
    return measured(float(shares[0]), shares[1:], clusters, pairs, TOO_FEW)


def all_pairs(judge: Array, human: Array) -> Pairs:
    """Every pair of different edits, once."""
    first, second = np.triu_indices(len(judge), 1)
    return pairs_of(judge[second] - judge[first], human[second] - human[first])
