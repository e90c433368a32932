"""Kendall's tau-b and Spearman's rho of a judge with people, with intervals clustered by source picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from src.reporting.calibration.pair_order import Numbers
from src.reporting.calibration.resampling import Array, Measured, measured, resample_weights

_ROWS = 512
"""Rows of the matrix of pairs at once, so that memory grows with the labels and not with their square."""
CONSTANT = "all labels or all scores are equal: they have no order"


def kendall_tau_b(judge: Array, human: Array, clusters: Numbers) -> Measured:
    """Kendall's tau-b, (C − D) / √((pairs not tied by the judge) · (pairs not tied by people))."""
    return _correlation(judge, human, clusters, _tau_b)


def spearman_rho(judge: Array, human: Array, clusters: Numbers) -> Measured:
    """Spearman's rho: Pearson's correlation of the ranks, ties with their mean rank."""
    return _correlation(judge, human, clusters, _rho)


def _correlation(judge: Array, human: Array, clusters: Numbers, figure: Callable[..., Array]) -> Measured:
    weights = np.vstack([np.ones(len(judge)), resample_weights(clusters)])
    values = figure(judge, human, weights)
    return measured(float(values[0]), values[1:], clusters, len(judge), CONSTANT)


def _tau_b(judge: Array, human: Array, weights: Array) -> Array:
    """For each row of weights; the sum over pairs of drawn labels is wᵀ·S·w with the matrix S of a pair's value."""
    drawn = weights.T
    sums = np.zeros((3, len(weights)))
    for start in range(0, len(judge), _ROWS):
        rows = slice(start, start + _ROWS)
        by_judge = np.sign(np.subtract.outer(judge[rows], judge))
        by_people = np.sign(np.subtract.outer(human[rows], human))
        for place, values in enumerate((by_judge * by_people, np.abs(by_judge), np.abs(by_people))):
            sums[place] += np.einsum("ib,ib->b", drawn[rows], values @ drawn)
    with np.errstate(invalid="ignore", divide="ignore"):
        tau: Array = np.where(sums[1] * sums[2] > 0, sums[0] / np.sqrt(sums[1] * sums[2]), np.nan)
    return tau


def _rho(judge: Array, human: Array, weights: Array) -> Array:
    ranks = weighted_ranks(judge, weights), weighted_ranks(human, weights)
    total = weights.sum(1, keepdims=True)
    one, other = (rank - (weights * rank).sum(1, keepdims=True) / total for rank in ranks)
    spreads = (weights * one**2).sum(1) * (weights * other**2).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        rho: Array = np.where(spreads > 1e-9, (weights * one * other).sum(1) / np.sqrt(spreads), np.nan)
    return rho


def weighted_ranks(values: Array, weights: Array) -> Array:
    """The mean rank of each value when each is there as often as its weight says, less one half.

    Args:
        values: One a label.
        weights: Rows of weights, one column a label.

    Returns:
        Ranks in the shape of the weights.
    """
    distinct, place = np.unique(values, return_inverse=True)
    drawn = np.zeros((len(weights), len(distinct)))
    np.add.at(drawn.T, place, weights.T)
    ranks: Array = (np.cumsum(drawn, axis=1) - drawn / 2)[:, place]
    return ranks
