"""`Gain`: what training changed on held-out samples, by one scorer."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from src.reporting.statistics import DIFFERENCES, mean_interval


@dataclass(frozen=True)
class ScoredSample:
    """The score of one held-out sample in one run."""

    sample_id: str
    source_sha256: str
    score: float | None
    """0–10; None where there is none."""


@dataclass(frozen=True)
class Gain:
    """Before against after, on the held-out samples that both runs have a score for."""

    scorer: str
    samples: int
    """How many samples both runs have a score for; if none, every figure is None."""
    before: float | None
    """Mean score before training, 0–10."""
    after: float | None
    """Mean score after training, 0–10."""
    difference: float | None
    """Mean of the paired differences, in points of 10."""
    ci95: tuple[float, float] | None
    """95 % interval of the gain, within ±10, clustered by source image; see `mean_interval`."""
    coverage: float
    """Share of the held-out samples that have a score in both runs."""


def paired_gain(scorer: str, before: Sequence[ScoredSample], after: Sequence[ScoredSample]) -> Gain:
    """Pairs the samples that both runs have a score for.

    Args:
        scorer: The scorer's name in tables.
        before: Every held-out sample, at least one.
        after: The same samples after training, in any order.
    """
    later = {one.sample_id: one.score for one in after}
    pairs = [
        (one.score, score, one.source_sha256)
        for one in before
        if one.score is not None and (score := later.get(one.sample_id)) is not None
    ]
    differences = [score - earlier for earlier, score, _ in pairs]
    return Gain(
        scorer=scorer,
        samples=len(pairs),
        coverage=len(pairs) / len(before),
        before=_mean([earlier for earlier, _, _ in pairs]),
        after=_mean([score for _, score, _ in pairs]),
        difference=_mean(differences),
        ci95=mean_interval(differences, [source for _, _, source in pairs], DIFFERENCES) if pairs else None,
    )


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
