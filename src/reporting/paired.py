"""Two runs on the same samples: the mean difference of their scores, how uncertain it is, and what the set can show."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from src.reporting.statistics import (
    FEWEST_TO_RESAMPLE,
    ROUNDING,
    SIGN_TEST_CLUSTERS,
    ClusteredMean,
    clustered_mean,
    t_quantile,
)

RESAMPLES = 5000
_SEED = 20190
"""Seed of the resampling, so that the same scores always have the same interval."""
_DRAWN_AT_ONCE = 500_000
"""Clusters that are drawn at a time, so that memory grows neither with the resamples nor with the clusters."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The second run minus the first, on the samples that both have a score for. What cannot be computed is None."""

    pairs: int
    """Samples with a score on both sides: the n of every figure here."""
    clusters: int
    """Source pictures of these samples."""
    first_missing: int
    """Samples without a score in the first run, in the second or not."""
    second_missing: int
    mean_first: float | None
    """Mean score of the first run over the pairs, 0–10."""
    mean_second: float | None
    difference: float | None
    """Mean of the paired differences, −10 to 10: above 0 the second run is better."""
    std: float | None
    """Sample standard deviation of the paired differences."""
    standard_error: float | None
    """Standard error of the mean difference, clustered by source picture; see `clustered_mean`."""
    degrees: float | None
    """Degrees of freedom of the standard error."""
    ci95: Interval | None
    """95 % interval of the difference by Student's t."""
    bootstrap95: Interval | None
    """95 % interval of the difference by resampling source pictures; see `bootstrap_interval`.

    None for fewer than `FEWEST_TO_RESAMPLE` pictures.
    """
    p: float | None
    """Two-sided p-value of “there is no difference”, not adjusted."""
    wins: int
    """Samples on which the second run is better by more than the tie width."""
    ties: int
    losses: int
    detectable: float | None
    """The smallest true difference that this set would show with a chance of 80 % (5 % two-sided)."""
    sign_test: bool = False
    """Whether `ci95` is the sign test's, as Student's t had no spread to compute it from."""
    note: str = ""
    """Why there is no interval, or what is unusual about it."""
    p_holm: float | None = None
    """`p` adjusted for all tests of the comparison."""


def paired_difference(
    first: Sequence[float | None],
    second: Sequence[float | None],
    sources: Sequence[Hashable],
    tie_width: float = 0.0,
    *,
    bootstrap: bool = True,
) -> PairedDifference:
    """Compares two runs on the same samples.

    Args:
        first: The score of each sample in the first run; None where there is none.
        second: The same in the second run.
        sources: What names each sample's source picture. Samples that share one form a cluster.
        tie_width: Scores that differ by at most this are a tie.
        bootstrap: Whether to resample for a second interval, which takes most of the time.
    """
    rows = list(zip(first, second, sources, strict=True))
    pairs = [(one, other, source) for one, other, source in rows if one is not None and other is not None]
    differences = [other - one for one, other, _ in pairs]
    clusters = [source for *_, source in pairs]
    wins = sum(value > tie_width + ROUNDING for value in differences)
    losses = sum(value < -tie_width - ROUNDING for value in differences)
    found = PairedDifference(
        pairs=len(pairs),
        clusters=len(set(clusters)),
        first_missing=sum(one is None for one in first),
        second_missing=sum(other is None for other in second),
        mean_first=_mean([one for one, _, _ in pairs]),
        mean_second=_mean([other for _, other, _ in pairs]),
        difference=_mean(differences),
        std=statistics.stdev(differences) if len(pairs) > 1 else None,
        **dict.fromkeys(("standard_error", "degrees", "ci95", "bootstrap95", "p", "detectable")),  # type: ignore[arg-type]
        wins=wins,
        ties=len(pairs) - wins - losses,
        losses=losses,
    )
    if not pairs:
        return replace(found, note="no sample has a score in both runs")
    measured = clustered_mean(differences, clusters)
    if measured is None:
        return replace(found, note="all pairs share one source picture: nothing says how much pictures vary")
    error = math.sqrt(measured.variance)
    if error < ROUNDING:
        return _without_spread(found, measured)
    quantile = t_quantile(measured.degrees)
    resample = bootstrap and measured.clusters >= FEWEST_TO_RESAMPLE
    return replace(
        found,
        standard_error=error,
        degrees=measured.degrees,
        ci95=(measured.mean - quantile * error, measured.mean + quantile * error),
        bootstrap95=bootstrap_interval(differences, clusters, measured) if resample else None,
        p=_two_sided(measured.mean / error, measured.degrees),
        detectable=_detectable(error, measured.degrees),
    )


def _without_spread(found: PairedDifference, measured: ClusteredMean) -> PairedDifference:
    """Every source picture has the same difference: Student's t divides by nothing here, and the sign test is left.

    Where all of at least six agree, the interval without width is the sign test's 95 % interval of the median.
    """
    enough = measured.clusters >= SIGN_TEST_CLUSTERS
    interval = (measured.mean, measured.mean) if enough else None
    if abs(measured.mean) < ROUNDING:
        note = f"none of the {measured.clusters} source pictures differs"
        note += "; the interval is the sign test's" if enough else ": too few for an interval"
        return replace(found, difference=0.0, ci95=interval and (0.0, 0.0), p=1.0, sign_test=enough, note=note)
    p = 2.0 ** (1 - measured.clusters)
    note = f"the difference is the same on all {measured.clusters} source pictures"
    note += "; p and interval are the sign test's" if enough else ": too few for an interval; p is the sign test's"
    return replace(found, ci95=interval, p=p, sign_test=enough, note=note)


def bootstrap_interval(differences: Sequence[float], clusters: Sequence[Hashable], measured: ClusteredMean) -> Interval:
    """95 % interval of the mean by resampling whole clusters with replacement, with a fixed seed.

    The plain percentile interval is too short for few clusters. This is Hesterberg's expanded one (The American
    Statistician 69, 2015): its percentiles are Φ(∓ t · r), where t is Student's quantile for the degrees of freedom of
    the mean, and r its standard error ÷ the standard deviation of the resampled means.

    Args:
        differences: Of each sample.
        clusters: The cluster of each; two or more distinct ones.
        measured: `clustered_mean` of the same.
    """
    from scipy.special import ndtr

    members: dict[Hashable, list[float]] = defaultdict(list)
    for value, cluster in zip(differences, clusters, strict=True):
        members[cluster].append(value)
    # In an order and with sums that do not depend on the order of the samples.
    ordered = sorted(members, key=str)
    sums = np.array([math.fsum(members[cluster]) for cluster in ordered])
    sizes = np.array([len(members[cluster]) for cluster in ordered], dtype=float)
    means = _resampled_means(sums, sizes)
    ratio = math.sqrt(measured.variance) / float(means.std())
    share = float(ndtr(-t_quantile(measured.degrees) * ratio))
    low, high = np.quantile(means, [share, 1 - share])
    return float(low), float(high)


def _resampled_means(sums: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The means of `RESAMPLES` samples of clusters, drawn with replacement."""
    dice = np.random.default_rng(_SEED)
    means, chunk = [], max(1, _DRAWN_AT_ONCE // len(sums))
    for start in range(0, RESAMPLES, chunk):
        drawn = dice.integers(0, len(sums), (min(chunk, RESAMPLES - start), len(sums)), dtype=np.int32)
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.concatenate(means)


def samples_needed(found: PairedDifference, difference: float) -> int | None:
    """How many samples of this kind would show a true difference with a chance of 80 % (5 % two-sided).

    The standard error is taken to fall with the square root of the number of samples, and the degrees of freedom to
    grow with it: the same mixture of samples and of samples a source picture.

    Args:
        found: What was measured.
        difference: In points of 10, above 0.

    Returns:
        At least 2; None where nothing was measured.
    """
    if found.standard_error is None or found.degrees is None:
        return None
    error, degrees, pairs = found.standard_error, found.degrees, found.pairs

    def enough(samples: int) -> bool:
        share = samples / pairs
        return _detectable(error / math.sqrt(share), max(1.0, degrees * share)) <= difference

    low, high = 1, 2
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _detectable(error: float, degrees: float) -> float:
    """The difference that is significant (5 % two-sided) with a chance of 80 %, for a standard error."""
    return (t_quantile(degrees) + t_quantile(degrees, 0.8)) * error


def _two_sided(statistic: float, degrees: float) -> float:
    from scipy.special import stdtr

    return float(2 * stdtr(degrees, -abs(statistic)))


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
