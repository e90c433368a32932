"""The mean label of all edits of a run, from few labels and all scores (prediction-powered inference)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from src.reporting.calibration.resampling import Measured, mean_measured
from src.reporting.statistics import ROUNDING, Scale, clustered_mean, deviations_by_cluster, mean_interval, t_quantile

FEWEST_TO_TUNE = 10
"""Source pictures with a label, and with none, below which they do not tell how far to follow the judge: λ is 0.

Pictures with very different numbers of labels count for fewer, as many as have the same degrees of freedom.
"""
NONE_LEFT = "every scored edit has a label: the mean of the labels says it all"

Contributions = Mapping[Hashable, float]


@dataclass(frozen=True, slots=True)
class PoweredMean(Measured):
    """A prediction-powered mean."""

    judge_weight: float | None = None
    """λ, how far the judge is followed: 0 gives the mean of the labels; None where there is no mean."""


def prediction_powered_mean(
    labelled: Sequence[tuple[float, float, Hashable]], others: Sequence[tuple[float, Hashable]], scale: Scale
) -> PoweredMean:
    """Power-tuned prediction-powered mean (PPI++) of Angelopoulos, Duchi and Zrnic (arXiv 2311.01453).

    θ = ȳ + λ (f̄_others − f̄_labelled), where ȳ is the mean label and f̄ a mean score. For source picture g, A_g is what
    its labels contribute to ȳ, and B_g what its scores contribute to f̄_labelled − f̄_others. The variance is
    Σ (A_g − λ B_g)², and λ is what makes it least, Σ A_g B_g / Σ B_g², within 0 to 1; for distinct pictures that is the
    paper's Cov(y, f) / ((1 + n/N) Var f), with the variance of either part in its place. The contributions have the
    adjustment CR2 of `clustered_mean`. The interval is θ ± t · √V with Satterthwaite's degrees of freedom of both
    parts; a fitted λ takes one from those of the labels, as in a regression. With λ = 0 it is that of the mean label.
    It holds where the labelled edits are a random part of the run, as those that `label` shows.

    Args:
        labelled: Label, score and source picture of each labelled edit.
        others: Score and source picture of each edit without a label.
        scale: The lowest and the highest label; the interval does not leave it.
    """
    count, more = len(labelled), len(others)
    if more < 2:
        return PoweredMean(None, None, count, NONE_LEFT)
    clusters = _distinct([source for *_, source in labelled] + [source for _, source in others])
    of_labels, of_others = clusters[:count], clusters[count:]
    human, judge, rest = [row[0] for row in labelled], [row[1] for row in labelled], [score for score, _ in others]
    by_people, by_score = _contributions(human, of_labels), _contributions(judge, of_labels)
    by_rest = _contributions(rest, of_others)
    by_judge = _difference(by_score, by_rest)
    of_people = clustered_mean(human, of_labels)
    tuned = of_people is not None and min(of_people.degrees + 1, len(by_rest)) >= FEWEST_TO_TUNE
    weight = _weight(by_people, by_judge) if tuned else 0.0
    if of_people is None or weight == 0:
        found = mean_measured(fmean(human), mean_interval(human, of_labels, scale), count)
        return PoweredMean(**asdict(found), judge_weight=0.0)
    theta = fmean(human) - weight * (fmean(judge) - fmean(rest))
    degrees = of_people.degrees - 1
    variance = _squares(_difference(by_people, by_judge, weight)) * of_people.degrees / degrees
    if variance > ROUNDING**2:
        errors, scores = _squares(_difference(by_people, by_score, weight)), weight**2 * _squares(by_rest)
        degrees = (errors + scores) ** 2 / (errors**2 / degrees + scores**2 / (len(by_rest) - 1))
    half, (low, high) = t_quantile(degrees) * math.sqrt(variance), scale
    found = mean_measured(theta, (max(low, theta - half), min(high, theta + half)), count)
    return PoweredMean(**asdict(found), judge_weight=weight)


def _contributions(values: Sequence[float], clusters: Sequence[Hashable]) -> dict[Hashable, float]:
    """What each cluster contributes to the error of the mean: the sum of their squares is its clustered variance."""
    total = len(values)
    return {
        cluster: math.fsum(group) / total / math.sqrt(1 - len(group) / total) if len(group) < total else 0.0
        for cluster, group in deviations_by_cluster(values, clusters, fmean(values)).items()
    }


def _difference(one: Contributions, other: Contributions, weight: float = 1.0) -> dict[Hashable, float]:
    return {key: one.get(key, 0.0) - weight * other.get(key, 0.0) for key in {**one, **other}}


def _squares(contributions: Contributions) -> float:
    return math.fsum(value**2 for value in contributions.values())


def _weight(by_people: Contributions, by_judge: Contributions) -> float:
    square = _squares(by_judge)
    if square < ROUNDING**2:
        return 0.0
    return min(1.0, max(0.0, math.fsum(value * by_judge[key] for key, value in by_people.items()) / square))


def _distinct(sources: Sequence[Hashable]) -> list[Hashable]:
    return [("alone", place) if source is None else source for place, source in enumerate(sources)]
