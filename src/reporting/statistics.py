"""Summaries of scores that leave failures out, say how many there were, and know how uncertain they are."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """Scores of a group of samples. Every figure is None when nothing was scored; the counts never are."""

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
    """95 % interval of the mean; None for fewer than two scores or clusters."""
    clusters: int | None
    """How many clusters the interval was computed from; None when every score counted as independent."""


def summarise(scores: Sequence[float | None], sources: Sequence[Hashable] | None = None) -> Summary:
    """Summarises the scores of a group of samples.

    Args:
        scores: One entry a sample; None where there is no score.
        sources: The source image of each sample; scored samples that share one form a cluster, and None is an image of
            its own. All distinct when absent.

    Raises:
        ValueError: for a score that is NaN or infinite, and for sources of another length than scores.
    """
    groups = [None] * len(scores) if sources is None else sources
    scored = [(score, source) for score, source in zip(scores, groups, strict=True) if score is not None]
    values = [score for score, _ in scored]
    if not values:
        return Summary(None, None, None, None, None, 0, len(scores), 0.0, None, None)
    if not all(map(math.isfinite, values)):
        raise ValueError("a score is NaN or infinite; a sample without a score must be None")
    clusters = [position if source is None else (source,) for position, (_, source) in enumerate(scored)]
    distinct = len(set(clusters))
    return Summary(
        mean=statistics.fmean(values),
        std=statistics.pstdev(values),
        median=statistics.median(values),
        min=min(values),
        max=max(values),
        num_samples=len(values),
        total=len(scores),
        coverage=len(values) / len(scores),
        ci95=mean_interval(values, clusters),
        clusters=distinct if distinct < len(values) else None,
    )


def mean_interval(values: Sequence[float], clusters: Sequence[Hashable]) -> tuple[float, float] | None:
    """95 % interval of the mean by Student's t, robust to dependence within clusters.

    The variance of the mean is G/(G−1) · Σ_g (Σ_{i∈g} (x_i − x̄))² / n² over G clusters, with G−1 degrees of freedom:
    the clustered standard error of Miller (arXiv 2411.00640) with the usual small-sample factor. With one value a
    cluster it is the textbook s²/n.

    Returns:
        Lower and upper end, or None for fewer than two clusters.
    """
    mean = statistics.fmean(values)
    deviations: dict[Hashable, float] = defaultdict(float)
    for value, cluster in zip(values, clusters, strict=True):
        deviations[cluster] += value - mean
    count = len(deviations)
    if count < 2:
        return None
    squares = math.fsum(deviation**2 for deviation in deviations.values())
    half = _t_quantile(count - 1) * math.sqrt(count / (count - 1) * squares) / len(values)
    return mean - half, mean + half


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share (0–1) of the non-empty values lies, interpolated linearly."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def _t_quantile(degrees: int) -> float:
    from scipy.special import stdtrit  # scipy.stats would take a second longer to import

    return float(stdtrit(degrees, 0.975))
