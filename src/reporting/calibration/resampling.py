"""Bootstrap by source picture, as weights: how often each label is drawn in each resample."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from src.reporting.statistics import FEWEST_TO_RESAMPLE, ROUNDING, t_quantile

RESAMPLES = 1000
NO_SPREAD = "all values are equal: no interval"
_SEED = 2305
"""Seed of the resampling, so that the same labels always have the same intervals."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with its 95 % interval; where it cannot be computed it is None and the note says why."""

    value: float | None
    ci95: tuple[float, float] | None = None
    n: int = 0
    """How many labels or pairs it comes from."""
    note: str = ""


def mean_measured(value: float, ci95: tuple[float, float] | None, n: int) -> Measured:
    """A mean with its interval, which is left out where it has no width: equal values say nothing of others.

    Args:
        value: The mean.
        ci95: Its interval; None where there are too few source pictures for one.
        n: How many values the mean comes from.
    """
    if ci95 is None:
        return Measured(value, None, n, "labels on too few source pictures for an interval")
    return Measured(value, ci95, n) if ci95[1] - ci95[0] > ROUNDING else Measured(value, None, n, NO_SPREAD)


def cluster_numbers(clusters: Sequence[Hashable]) -> npt.NDArray[np.int64]:
    """A number from 0 for each cluster; None is a cluster of its own."""
    keys: dict[Hashable, int] = {}
    named = [("alone", place) if cluster is None else ("named", cluster) for place, cluster in enumerate(clusters)]
    return np.array([keys.setdefault(name, len(keys)) for name in named], dtype=np.int64)


def resample_weights(clusters: npt.NDArray[np.int64]) -> Array:
    """How often each label is drawn when whole clusters are drawn with replacement.

    Args:
        clusters: The number of each label's cluster, from `cluster_numbers`.

    Returns:
        An array of `RESAMPLES` rows and one column a label.
    """
    count = int(clusters.max()) + 1
    drawn = np.random.default_rng(_SEED).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    return drawn[:, clusters].astype(np.float64)


def measured(value: float, resampled: Array, clusters: npt.NDArray[np.int64], n: int, why_not: str) -> Measured:
    """A figure with the interval of its resampled values.

    Percentiles are widened for few clusters as by Hesterberg (The American Statistician 69, 2015): to
    Φ(∓ t · √(G/(G−1))), with Student's quantile for G − 1 degrees of freedom. Resamples in which the figure cannot be
    computed are left out.

    Args:
        value: The figure on all labels; NaN where it cannot be computed.
        resampled: The figure on each resample.
        clusters: Of each label.
        n: How many labels or pairs the figure comes from.
        why_not: The note where the value is NaN.
    """
    from scipy.special import ndtr

    if not np.isfinite(value):
        return Measured(None, None, n, why_not)
    count = len(np.unique(clusters))
    possible = resampled[np.isfinite(resampled)]
    if count < FEWEST_TO_RESAMPLE or len(possible) < RESAMPLES / 2:
        return Measured(
            float(value), None, n, f"labels on fewer than {FEWEST_TO_RESAMPLE} source pictures: no interval"
        )
    tail = float(ndtr(-t_quantile(count - 1) * np.sqrt(count / (count - 1))))
    low, high = np.quantile(possible, (tail, 1 - tail))
    if low == high:
        return Measured(float(value), None, n, "every resample gives the same figure: no interval")
    return Measured(float(value), (float(low), float(high)), n)
