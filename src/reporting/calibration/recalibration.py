"""Monotone recalibration: what people would have said, as a rising function of the judge's score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from src.reporting.calibration.pair_order import TOO_FEW, Numbers, folds
from src.reporting.calibration.resampling import Array


@dataclass(frozen=True)
class Recalibration:
    """An isotonic map from scores to labels, and how well such a map does on source pictures that it has not seen."""

    scores: tuple[float, ...]
    """Rising scores of the judge; between two of them the map is a straight line, beyond the ends it is level."""
    labels: tuple[float, ...]
    """The label that the map gives for each."""
    error: float | None
    """Root mean square error of maps fitted on other source pictures; None where the note says why."""
    error_of_scores: float | None
    """The same error of the judge's own scores, on the labels that were held out."""
    error_of_mean: float | None
    """The same error of the mean label of the other source pictures: what one knows without any judge."""
    note: str = ""

    def __call__(self, scores: Array) -> Array:
        """The labels that the map gives for scores."""
        mapped: Array = np.interp(scores, self.scores, self.labels)
        return mapped


def recalibrate(judge: Array, human: Array, clusters: Numbers) -> Recalibration:
    """Fits the map on all labels, and finds its error by cross-validation over source pictures.

    Args:
        judge: The judge's scores.
        human: The labels of the same edits, on the same scale.
        clusters: Of the source pictures.
    """
    squares: list[list[float]] = [[], [], []]
    for held_out in folds(clusters):
        train, test = ~held_out, held_out
        knots = _isotonic(judge[train], human[train])
        guesses = (np.interp(judge[test], *knots), judge[test], np.full(int(test.sum()), human[train].mean()))
        for found, guess in zip(squares, guesses, strict=True):
            found += ((guess - human[test]) ** 2).tolist()
    errors = [float(np.sqrt(np.mean(found))) if found else None for found in squares]
    scores, labels = (tuple(values.tolist()) for values in _isotonic(judge, human))
    return Recalibration(scores, labels, errors[0], errors[1], errors[2], "" if squares[0] else TOO_FEW)


def _isotonic(judge: Array, human: Array) -> tuple[Array, Array]:
    """Least-squares rising labels of the distinct scores; equal scores have their mean label."""
    from scipy.optimize import isotonic_regression

    distinct, place = np.unique(judge, return_inverse=True)
    counts = np.bincount(place)
    fitted = isotonic_regression(np.bincount(place, human) / counts, weights=counts).x
    within = np.zeros(len(fitted), dtype=bool)  # a level stretch, of which only the ends matter
    within[1:-1] = (fitted[2:] == fitted[1:-1]) & (fitted[1:-1] == fitted[:-2])
    return distinct[~within], fitted[~within]
