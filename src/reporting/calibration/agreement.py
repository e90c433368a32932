"""Krippendorff's alpha: how far raters agree beyond chance, with any number of raters and missing labels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Literal

import numpy as np

from src.reporting.calibration.pair_order import Numbers
from src.reporting.calibration.rank_correlation import weighted_ranks
from src.reporting.calibration.resampling import Array, Measured, cluster_numbers, measured, resample_weights

Level = Literal["nominal", "ordinal", "interval"]
ONE_RATER = "no edit has labels of two raters"
CONSTANT = "all labels are equal: agreement beyond chance is not defined"


def krippendorff_alpha(
    units: Mapping[str, Sequence[float]], clusters: Mapping[str, Hashable], level: Level
) -> Measured:
    """Krippendorff's alpha, 1 − observed ÷ expected disagreement (“Computing Krippendorff's Alpha-Reliability”, 2011).

    Two labels c and k disagree by δ²: 1 unless equal (nominal), (c − k)² (interval), or the square of the difference of
    their mean ranks among all labels (ordinal). With m_u labels of unit u and n labels in units of two or more,
    observed = Σ_u Σ_{i≠j} δ²(i, j) / (m_u − 1) / n and expected = Σ_{i≠j over all} δ²(i, j) / n / (n − 1).

    Args:
        units: The labels of each unit, by whomever; numbers also where they only name something.
        clusters: The source picture of each unit.
        level: How labels are compared.
    """
    rated = {unit: labels for unit, labels in units.items() if len(labels) > 1}
    if not rated:
        return Measured(None, None, 0, ONE_RATER)
    of_unit = cluster_numbers([clusters[unit] for unit in rated])
    values = np.array([label for labels in rated.values() for label in labels], dtype=float)
    unit = np.repeat(np.arange(len(rated)), [len(labels) for labels in rated.values()])
    weights = np.vstack([np.ones(len(rated)), resample_weights(of_unit)])
    alphas = _alpha(values, unit, weights, level)
    return measured(float(alphas[0]), alphas[1:], of_unit, len(rated), CONSTANT)


def _alpha(values: Array, unit: Numbers, weights: Array, level: Level) -> Array:
    """Returns the value for each row of weights of the units.

    Sums of squared differences over pairs follow from moments: Σ_{i≠j} (x_i − x_j)² = 2 (m Σx² − (Σx)²). A nominal
    label is a vector with a single 1, of which half the squared distance to another one is δ².
    """
    each = weights[:, unit]
    if level == "nominal":
        columns = [np.broadcast_to(values == value, each.shape) / np.sqrt(2) for value in np.unique(values)]
    else:
        columns = [weighted_ranks(values, each) if level == "ordinal" else np.broadcast_to(values, each.shape)]
    starts = np.flatnonzero(np.append(True, unit[1:] != unit[:-1]))
    sizes = np.diff(np.append(starts, len(unit)))
    total = each.sum(1)
    observed, expected = np.zeros(len(weights)), np.zeros(len(weights))
    for column in columns:
        centred = column - (each * column).sum(1, keepdims=True) / total[:, None]
        sums = np.add.reduceat(centred, starts, axis=1)
        squares = np.add.reduceat(centred**2, starts, axis=1)
        observed += (weights * 2 * (sizes * squares - sums**2) / (sizes - 1)).sum(1) / total
        expected += 2 * (total * (each * centred**2).sum(1) - (each * centred).sum(1) ** 2) / total / (total - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        alpha: Array = np.where(expected > 1e-12, 1 - observed / expected, np.nan)
    return alpha
