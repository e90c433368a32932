"""Summaries of scores that leave failures out, say how many there were, and know how uncertain they are."""

from __future__ import annotations

import functools
import math
import statistics
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

Scale = tuple[float, float]
"""The lowest and the highest value that something can have."""
SCORES: Scale = (0.0, 10.0)
DIFFERENCES: Scale = (-10.0, 10.0)
"""The scale of differences between two scores."""
Z95 = 1.959964
"""The 97.5 % quantile of the normal distribution."""
SIGN_TEST_CLUSTERS = 6
"""The fewest source pictures that agree with less than 5 % chance: 2 · 0.5⁶ is 3.1 %."""
ROUNDING = 1e-9
"""Values nearer to each other than this are the same."""
FEWEST_TO_RESAMPLE = 10
"""Source pictures below which resampling them says little about others: there is no bootstrap interval."""


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
    """95 % interval of the mean, within 0–10; None where too few clusters show how much scores vary.

    See `mean_interval`.
    """
    clusters: int | None
    """How many clusters the interval was computed from; None when every score counted as independent."""


@dataclass(frozen=True, slots=True)
class ClusteredMean:
    """A mean and how uncertain it is."""

    mean: float
    variance: float
    """Variance of the mean, robust to dependence within clusters."""
    degrees: float
    """Degrees of freedom of the variance, for quantiles of Student's t."""
    clusters: int
    """Number of clusters, at least 2."""


def summarise(scores: Sequence[float | None], sources: Sequence[Hashable] | None = None) -> Summary:
    """Summarises the scores of a group of samples.

    Args:
        scores: One entry a sample; None where there is no score.
        sources: The source image of each sample; scored samples that share one form a cluster, and None is an image of
            its own. All distinct when absent.

    Raises:
        ValueError: for a score that is NaN or outside 0–10, and for sources of another length than scores.
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
        ci95=mean_interval(values, clusters, SCORES),
        clusters=distinct if distinct < len(values) else None,
    )


def mean_interval(
    values: Sequence[float], clusters: Sequence[Hashable], scale: Scale | None
) -> tuple[float, float] | None:
    """95 % interval of the mean of values on a bounded scale, within the scale, robust to dependence within clusters.

    Wilson's score interval (JASA 22, 1927) for the effective sample size of Korn and Graubard (Survey Methodology 24,
    1998): on the scale 0 to 1 the ends are the solutions µ of (x̄ − µ)² = t² · µ(1 − µ) / n_eff, where
    n_eff = x̄(1 − x̄) / V says how many yes-or-no answers would be as uncertain as these values. V is the variance of the
    mean and t has its degrees of freedom, both as in `clustered_mean`. Far from the scale's ends this is Student's t
    interval; near them it reaches further inward, as skewed values need.

    Where all values lie on one end of the scale their spread is hidden by it; then n_eff = G, as for yes-or-no
    answers that all agree, with the normal quantile. Where clusters agree elsewhere, nothing but the sign test is left:
    from `SIGN_TEST_CLUSTERS` on its 95 % interval of the median has no width, and fewer have no interval.

    `tests/test_statistics.py` finds the true mean in 94–96.5 % of the intervals of 8 to 100 typical scores. Where half
    the values are one and the same and the others lie mostly to one side of it, 8 values give 90 % and 20 give 93 %.

    Args:
        values: At least one.
        clusters: The cluster of each value.
        scale: The lowest and the highest value there can be; None for quantities without bounds (Student's t).

    Returns:
        Lower and upper end, or None for fewer than two clusters, and for a few that agree.

    Raises:
        ValueError: for a value outside the scale.
    """
    low, high = scale or (-math.inf, math.inf)
    least, most = min(values), max(values)
    if least < low or most > high:
        raise ValueError(f"values from {least} to {most} are not on the scale from {low} to {high}")
    measured = clustered_mean(values, clusters)
    if measured is None:
        return None
    if most - low < ROUNDING or high - least < ROUNDING:
        return _on_scale(measured.mean, Z95**2 / measured.clusters, (low, high))
    error = math.sqrt(measured.variance)
    if error < ROUNDING:
        return (measured.mean, measured.mean) if measured.clusters >= SIGN_TEST_CLUSTERS else None
    if scale is None:
        half = t_quantile(measured.degrees) * error
        return measured.mean - half, measured.mean + half
    share = (measured.mean - low) / (high - low)
    uncertainty = t_quantile(measured.degrees) ** 2 * measured.variance
    return _on_scale(measured.mean, uncertainty / (high - low) ** 2 / (share * (1 - share)), scale)


def clustered_mean(values: Sequence[float], clusters: Sequence[Hashable]) -> ClusteredMean | None:
    """The mean of values with its variance, robust to dependence within clusters, also few ones of unequal size.

    The variance is the clustered one of Miller (arXiv 2411.00640) with the adjustment CR2 of Bell and McCaffrey (Survey
    Methodology 28, 2002): V = Σ_g (Σ_{i∈g} (x_i − x̄))² / (1 − n_g/n) / n², unbiased for independent values. For G
    clusters of equal size this is G/(G−1) · Σ_g (…)² / n² with G − 1 degrees of freedom, for values without clusters
    s²/n; for unequal ones see `_degrees_of_freedom`.

    Args:
        values: At least one.
        clusters: The cluster of each value.

    Returns:
        None for fewer than two clusters.
    """
    mean, total = statistics.fmean(values), len(values)
    members = deviations_by_cluster(values, clusters, mean)
    count = len(members)
    if count < 2:
        return None
    sizes = [len(group) for group in members.values()]
    squares = [math.fsum(group) ** 2 for group in members.values()]
    if len(set(sizes)) == 1:
        return ClusteredMean(mean, count / (count - 1) * math.fsum(squares) / total**2, count - 1, count)
    adjusted = math.fsum(square * total / (total - size) for square, size in zip(squares, sizes, strict=True))
    spread = math.fsum(deviation**2 for group in members.values() for deviation in group)
    alike = (math.fsum(squares) - spread) / sum(size * (size - 1) for size in sizes)
    correlation = min(1.0, max(0.0, alike * total / spread)) if spread > 0 else 0.0
    return ClusteredMean(mean, adjusted / total**2, _degrees_of_freedom(sizes, correlation), count)


def deviations_by_cluster(
    values: Sequence[float], clusters: Sequence[Hashable], mean: float
) -> dict[Hashable, list[float]]:
    """How far the values of each cluster lie from a mean, in the order in which the clusters come."""
    members: dict[Hashable, list[float]] = defaultdict(list)
    for value, cluster in zip(values, clusters, strict=True):
        members[cluster].append(value - mean)
    return members


def _degrees_of_freedom(sizes: Sequence[int], correlation: float) -> float:
    """Satterthwaite's degrees of freedom of the CR2 variance, for values that correlate so much within clusters.

    As Imbens and Kolesár propose (Review of Economics and Statistics 98, 2016), with the covariance of a model of
    random effects: a sum over cluster g has the variance v_g = n_g (1 + (n_g − 1) ρ), and the adjusted residuals of the
    sums the covariance C_gk = (δ_gk v_g − h_g u_k − h_k u_g) / √((1 − h_g)(1 − h_k)), with h_g = n_g/n and
    u_g = v_g − h_g Σv / 2. The degrees are (Σ_g C_gg)² / Σ_gk C_gk².

    Args:
        sizes: Of the clusters, two or more.
        correlation: ρ, 0 to 1.
    """
    total = sum(sizes)
    sums = [size * (1 + (size - 1) * correlation) for size in sizes]
    shares = [size / total for size in sizes]
    half = math.fsum(sums) / 2
    rows = [(share, value - share * half, value, 1 - share) for share, value in zip(shares, sums, strict=True)]
    trace = math.fsum((v - 2 * h * u) / rest for h, u, v, rest in rows)
    across = math.fsum(h * h / rest for h, u, v, rest in rows) * math.fsum(u * u / rest for h, u, v, rest in rows)
    mixed = math.fsum(h * u / rest for h, u, v, rest in rows) ** 2
    diagonal = math.fsum(((v - 2 * h * u) ** 2 - (2 * h * u) ** 2) / rest**2 for h, u, v, rest in rows)
    return trace**2 / (2 * (across + mixed) + diagonal)


def _on_scale(mean: float, ratio: float, scale: Scale) -> tuple[float, float]:
    """Wilson's interval of a mean on a scale, for a ratio as in `_wilson`."""
    low, high = scale
    start, end = _wilson((mean - low) / (high - low), ratio)
    return low + (high - low) * start, low + (high - low) * end


def _wilson(share: float, ratio: float) -> tuple[float, float]:
    """The two µ with (share − µ)² = ratio · µ(1 − µ), both within 0 to 1."""
    middle = (share + ratio / 2) / (1 + ratio)
    half = math.sqrt(ratio * share * (1 - share) + ratio**2 / 4) / (1 + ratio)
    return max(0.0, middle - half), min(1.0, middle + half)


def disagreement(scores: Sequence[float | None]) -> float | None:
    """How far repeated judgements of one edit lie apart: the sample standard deviation (n − 1) of their scores.

    Args:
        scores: One a repeat; those without a score are left out.

    Returns:
        None where fewer than two have a score.
    """
    known = [score for score in scores if score is not None]
    return statistics.stdev(known) if len(known) > 1 else None


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share (0–1) of the non-empty values lies, interpolated linearly."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


@functools.lru_cache(maxsize=1024)
def t_quantile(degrees: float, share: float = 0.975) -> float:
    """The value below which a share (0–1) of Student's t with these degrees of freedom lies."""
    from scipy.special import stdtrit  # scipy.stats would take a second longer to import

    return float(stdtrit(degrees, share))
