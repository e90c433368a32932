"""Whether a series of steps rises to another level somewhere, at a stated rate of false alarms.

The split at which the means of both parts are furthest apart, in standard errors, is compared with what the best splits
of the same values in random orders reach (Sen and Srivastava 1975, as a permutation test by Antoch and Hušková 2001).
That asks for values of single steps: means of overlapping windows drift without any trend.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FALSE_ALARMS = 0.05
"""The share of series without any trend in which a rise is found."""
ORDERS = 999
"""Random orders that the steps are compared with; always the same ones."""
LEAST_STEPS = 5
"""Steps that there must be on each side of a split."""
ROUNDING = 1e-9
"""Differences that are none."""


def rises_at(values: Sequence[float]) -> int | None:
    """The place of the first value after the split at which a series rises; None where noise alone may look like it."""
    series = np.asarray(values, dtype=float)
    if len(series) < 2 * LEAST_STEPS:
        return None
    found = standard_errors(series)
    place = int(np.argmax(found))
    orders = np.random.default_rng(0).permuted(np.tile(series, (ORDERS, 1)), axis=1)
    as_far = int(np.sum(standard_errors(orders).max(axis=1) >= found[place] - ROUNDING))
    return place + LEAST_STEPS if (1 + as_far) / (1 + ORDERS) <= FALSE_ALARMS else None


def standard_errors(series: np.ndarray) -> np.ndarray:
    """How far the mean after each split is above that before it, for all splits that leave enough steps.

    Steps are the last axis. The standard error is that of a series without a split, the same in every order of values.
    """
    count = series.shape[-1]
    before = np.arange(LEAST_STEPS, count - LEAST_STEPS + 1)
    sums = np.cumsum(series, axis=-1)
    earlier, total = sums[..., before - 1], sums[..., -1:]
    difference = (total - earlier) / (count - before) - earlier / before
    spread = np.maximum(series.std(axis=-1, keepdims=True), ROUNDING)
    return difference / (spread * np.sqrt(1 / before + 1 / (count - before)))
