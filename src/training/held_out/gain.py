"""`Gain`: what training changed on held-out samples, by one scorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.reporting.paired import paired_difference


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
    """95 % interval of the gain, clustered by source image, as two runs are compared; see `paired_difference`."""
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
    found = paired_difference(
        [one.score for one in before],
        [later.get(one.sample_id) for one in before],
        [one.source_sha256 for one in before],
        bootstrap=False,
    )
    return Gain(
        scorer=scorer,
        samples=found.pairs,
        coverage=found.pairs / len(before),
        before=found.mean_first,
        after=found.mean_second,
        difference=found.difference,
        ci95=found.ci95,
    )
