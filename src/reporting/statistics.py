"""Summaries of scores that leave failures out, say how many there were, and know how uncertain they are."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """Scores of a group of samples. Every figure but the counts is None when nothing was scored."""

    mean: float | None
    std: float | None
    """Population standard deviation, as in the older reports."""
    median: float | None
    min: float | None
    max: float | None
    num_samples: int
    """How many were scored: the n of every figure here."""
    total: int
    """How many there are, scored or not."""
    coverage: float
    """num_samples ÷ total; 0 for an empty group."""
    ci95: tuple[float, float] | None
    """95 % interval of the mean; None for fewer than two clusters."""
    clusters: int
    """Distinct source images among the scored samples; the interval treats samples of one source as dependent."""


def summarise(scores: Sequence[float | None], sources: Sequence[Hashable] | None = None) -> Summary:
    """Summarises scores of 0–10, None where there is none.

    Args:
        scores: One entry a sample.
        sources: The source image of each sample; samples that share one form a cluster. All distinct when absent.
    """
    groups = sources if sources is not None else range(len(scores))
    pairs = [(score, source) for score, source in zip(scores, groups, strict=True) if score is not None]
    values = [score for score, _ in pairs]
    if not values:
        return Summary(None, None, None, None, None, 0, len(scores), 0.0, None, 0)
    return Summary(
        mean=statistics.fmean(values),
        std=statistics.pstdev(values),
        median=statistics.median(values),
        min=min(values),
        max=max(values),
        num_samples=len(values),
        total=len(scores),
        coverage=len(values) / len(scores),
        ci95=mean_interval(values, [source for _, source in pairs]),
        clusters=len({source for _, source in pairs}),
    )


def mean_interval(values: Sequence[float], clusters: Sequence[Hashable]) -> tuple[float, float] | None:
    """95 % interval of the mean, robust to dependence within clusters, by Student's t with (clusters − 1) degrees.

    The variance of the mean is G/(G−1) · Σ_g (Σ_{i∈g} (x_i − x̄))² / n² over G clusters (Miller, arXiv 2411.00640, with
    the usual small-sample factor); with one sample a cluster this is the textbook s²/n.
    """
    mean = statistics.fmean(values)
    sums: dict[Hashable, float] = defaultdict(float)
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] += value - mean
    count = len(sums)
    if count < 2:
        return None
    variance = count / (count - 1) * math.fsum(total**2 for total in sums.values()) / len(values) ** 2
    half = _t_quantile(count - 1) * math.sqrt(variance)
    return mean - half, mean + half


def _t_quantile(degrees: int) -> float:
    from scipy.special import stdtrit  # the distribution module costs half a second of import

    return float(stdtrit(degrees, 0.975))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the (non-empty) values lies, interpolated linearly."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)
