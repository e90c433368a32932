"""The figures of a calibration: against published values, against SciPy, by definition, and by simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from src.reporting.calibration.agreement import Level, krippendorff_alpha
from src.reporting.calibration.pair_order import (
    MOST_PAIRS,
    accuracy_of_choices,
    accuracy_of_scores,
    all_pairs,
    best_tie_width,
    folds,
)
from src.reporting.calibration.prediction_powered import PoweredMean, prediction_powered_mean
from src.reporting.calibration.rank_correlation import kendall_tau_b, spearman_rho
from src.reporting.calibration.recalibration import recalibrate
from src.reporting.calibration.resampling import cluster_numbers, resample_weights
from src.reporting.statistics import SCORES, mean_interval


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


# Pairs and ties.


@pytest.mark.parametrize(
    ("human", "accuracies", "best"),
    [  # the two examples in the tests of the ties paper's own implementation, mt-metrics-eval
        ([1, 2, 3, 4], [6 / 6, 4 / 6, 3 / 6, 1 / 6, 0 / 6], (0.0, 1.0)),
        ([1, 1, 1, 4], [3 / 6, 3 / 6, 4 / 6, 4 / 6, 3 / 6], (4.0, 4 / 6)),
    ],
)
def test_tie_calibration_gives_the_published_accuracies(
    human: list[int], accuracies: list[float], best: tuple[float, float]
) -> None:
    pairs = all_pairs(np.array([0.0, 2.0, 6.0, 8.0]), np.array(human, dtype=float))
    found = [float(pairs.correct(width).mean()) for width in (0, 2, 4, 6, 8)]
    assert found == pytest.approx(accuracies)
    assert best_tie_width(pairs) == pytest.approx(best)


def test_the_best_tie_width_is_the_best_of_all_that_can_be_tried() -> None:
    for seed in range(20):
        judge, human = random(seed).integers(0, 20, 15) / 2, random(seed + 99).integers(0, 4, 15)
        pairs = all_pairs(judge, human.astype(float))
        tried = {width: float(pairs.correct(width).mean()) for width in np.arange(0, 10.5, 0.25)}
        width, accuracy = best_tie_width(pairs)
        assert accuracy == pytest.approx(max(tried.values()))
        assert float(pairs.correct(width).mean()) == pytest.approx(accuracy)


def test_rounding_makes_no_tie_and_breaks_none() -> None:
    pairs = all_pairs(np.array([7.3, 7.0, 0.4, 0.1]), np.array([1.0, 1.0, 0.0, 0.0]))
    assert pairs.correct(0.3).all()


def test_a_tie_width_is_chosen_from_a_part_of_very_many_pairs() -> None:
    judge = random(1).normal(size=800)
    pairs = all_pairs(judge, np.round(judge))
    assert len(pairs.gap) > MOST_PAIRS
    width, accuracy = best_tie_width(pairs)
    assert float(pairs.correct(width).mean()) == pytest.approx(accuracy, abs=0.01)


def test_folds_hold_out_whole_source_pictures_and_each_once_a_repeat() -> None:
    clusters = cluster_numbers(["a", "a", "b", "c", "c", "d", "e", "f", "g", "h", None, None])
    held = np.array(list(folds(clusters)))
    assert len(held) == 20
    for part in held:
        assert not set(clusters[part]) & set(clusters[~part])
    assert (held.reshape(4, 5, -1).sum(1) == 1).all()


def test_a_tie_width_fitted_to_noise_earns_nothing() -> None:
    """Of three labels by chance a third of the pairs are ties and a third agree: every width is right in a third."""
    inside, outside = [], []
    for seed in range(60):
        judge, human = random(seed).normal(size=24), random(1000 + seed).integers(0, 3, 24).astype(float)
        inside.append(best_tie_width(all_pairs(judge, human))[1])
        outside.append(accuracy_of_scores(judge, human, np.arange(24)).value or 0.0)
    assert np.mean(inside) > 1 / 3 + 0.03
    assert np.mean(outside) == pytest.approx(1 / 3, abs=0.015)


def test_a_judge_that_says_what_people_say_is_always_right() -> None:
    human = random(3).integers(0, 11, 60).astype(float)
    clusters = cluster_numbers([place // 2 for place in range(60)])
    found = accuracy_of_scores(human, human, clusters)
    assert (found.value, found.ci95) == (1.0, None)
    assert "every resample gives the same" in found.note
    signs = np.sign(human - 5)
    assert accuracy_of_choices(human - 5, signs, clusters).value == 1.0
    assert accuracy_of_choices(5 - human, signs, clusters).value == pytest.approx((signs == 0).mean())


def test_too_few_pictures_for_a_tie_width_are_said_to_be_too_few() -> None:
    for count in (1, 2, 3):
        found = accuracy_of_scores(np.arange(9.0), np.arange(9.0), np.arange(9) % count)
        assert found.value is None
        assert "at least four source pictures" in found.note


def test_resamples_draw_whole_source_pictures() -> None:
    clusters = cluster_numbers(["a", "a", "b", None, None, "a"])
    assert clusters.tolist() == [0, 0, 1, 2, 3, 0]
    weights = resample_weights(clusters)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 0] == weights[:, 5]).all()
    assert (weights[:, [0, 2, 3, 4]].sum(1) == 4).all()
    assert weights.mean(0) == pytest.approx(np.ones(6), abs=0.1)


# Rank correlation.


@pytest.mark.parametrize("levels", [3, 11, 1000])
def test_rank_correlations_are_those_of_scipy(levels: int) -> None:
    judge = random(levels).integers(0, levels, 700).astype(float)
    human = np.round(judge + random(7).normal(0, levels, 700))
    clusters = np.arange(700)
    assert kendall_tau_b(judge, human, clusters).value == pytest.approx(scipy.stats.kendalltau(judge, human)[0])
    assert spearman_rho(judge, human, clusters).value == pytest.approx(scipy.stats.spearmanr(judge, human)[0])


def test_resampled_correlations_are_those_of_the_repeated_labels() -> None:
    """The weights of a resample mean what repeating its labels would mean."""
    from src.reporting.calibration.rank_correlation import _rho, _tau_b

    judge, human = random(1).integers(0, 5, 12).astype(float), random(2).integers(0, 5, 12).astype(float)
    weights = random(3).integers(0, 3, (1, 12)).astype(float)
    repeated = [np.repeat(values, weights[0].astype(int)) for values in (judge, human)]
    assert _tau_b(judge, human, weights)[0] == pytest.approx(scipy.stats.kendalltau(*repeated)[0])
    assert _rho(judge, human, weights)[0] == pytest.approx(scipy.stats.spearmanr(*repeated)[0])


def test_few_source_pictures_have_a_figure_and_no_interval() -> None:
    judge, human = random(1).normal(size=27), random(2).normal(size=27)
    few, enough = (kendall_tau_b(judge, human, np.arange(27) % count) for count in (9, 10))
    assert few.value == enough.value
    assert few.ci95 is None
    assert "fewer than 10 source pictures" in few.note
    assert enough.ci95 is not None


def test_constant_labels_have_no_order() -> None:
    for figure in (kendall_tau_b, spearman_rho):
        found = figure(np.arange(9.0), np.full(9, 4.0), np.arange(9))
        assert (found.value, found.ci95) == (None, None)
        assert "equal" in found.note


@pytest.mark.parametrize("figure", [kendall_tau_b, spearman_rho])
def test_intervals_of_rank_correlations_hold_the_truth(figure: object) -> None:
    """Clusters of three that share their error; of a normal distribution the truth is known."""
    correlation, held = 0.6, 0
    truth = 2 / math.pi * math.asin(correlation) if figure is kendall_tau_b else 6 / math.pi * math.asin(0.3)
    for seed in range(150):
        draw = random(seed)
        shared = draw.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], 25).repeat(3, axis=0)
        own = draw.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], 75)
        judge, human = (shared + own).T
        low, high = figure(judge, human, np.arange(75) // 3).ci95  # type: ignore[operator]
        held += low <= truth <= high
    assert 0.9 <= held / 150 <= 0.98


# Agreement.

KRIPPENDORFF = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
"""Four observers and twelve units of Krippendorff, “Computing Krippendorff's Alpha-Reliability” (2011)."""


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_that_of_krippendorffs_own_example(level: Level, alpha: float) -> None:
    columns = zip(*(line.split() for line in KRIPPENDORFF.strip().splitlines()), strict=True)
    units = {str(place): [float(label) for label in column if label != "."] for place, column in enumerate(columns)}
    found = krippendorff_alpha(units, {unit: unit for unit in units}, level)
    assert found.value == pytest.approx(alpha, abs=5e-4)
    assert found.n == 11
    assert found.ci95 is not None
    assert found.ci95[0] < alpha < found.ci95[1]


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_is_its_definition_for_any_labels(level: Level) -> None:
    draw = random(5)
    units = {str(unit): draw.integers(0, 6, draw.integers(1, 5)).astype(float).tolist() for unit in range(40)}
    found = krippendorff_alpha(units, {unit: unit for unit in units}, level)
    rated = [labels for labels in units.values() if len(labels) > 1]
    pool = [label for labels in rated for label in labels]

    def disagreement(one: float, other: float) -> float:
        if level == "nominal":
            return float(one != other)
        if level == "interval":
            return (one - other) ** 2
        low, high = sorted((one, other))
        between = sum(low <= label <= high for label in pool)
        return 0.0 if one == other else (between - (pool.count(low) + pool.count(high)) / 2) ** 2

    observed = sum(
        sum(disagreement(*pair) for pair in itertools.permutations(labels, 2)) / (len(labels) - 1) for labels in rated
    ) / len(pool)
    expected = sum(disagreement(*pair) for pair in itertools.permutations(pool, 2)) / len(pool) / (len(pool) - 1)
    assert found.value == pytest.approx(1 - observed / expected)


def test_intervals_of_alpha_hold_the_truth() -> None:
    """Three raters who err by half the spread of the truth: alpha is 1 / (1 + 1/4)."""
    held = 0
    for seed in range(200):
        draw = random(seed)
        truths = draw.normal(0, 1, 50)
        units = {str(unit): (truth + draw.normal(0, 0.5, 3)).tolist() for unit, truth in enumerate(truths)}
        low, high = krippendorff_alpha(units, {unit: unit for unit in units}, "interval").ci95 or (1, 0)
        held += low <= 0.8 <= high
    assert 0.89 <= held / 200 <= 0.98


def test_one_rater_agrees_with_nobody() -> None:
    found = krippendorff_alpha({"a": [1.0], "b": [2.0]}, {"a": "a", "b": "b"}, "interval")
    assert found.value is None
    assert "two raters" in found.note
    constant = krippendorff_alpha({"a": [1.0, 1.0], "b": [1.0, 1.0]}, {"a": "a", "b": "b"}, "nominal")
    assert constant.value is None


# Recalibration.


def test_the_map_rises_and_pools_what_falls() -> None:
    found = recalibrate(np.array([1.0, 2, 3, 4, 4]), np.array([1.0, 5, 3, 6, 8]), np.arange(5))
    assert (found.scores, found.labels) == ((1, 2, 3, 4), (1, 4, 4, 7))
    assert found(np.array([0.0, 1.5, 2.5, 9.0])).tolist() == [1, 2.5, 4, 7]
    assert found.error is None or found.error > 0


def test_recalibration_repairs_a_judge_whose_scale_is_bent_and_promises_nothing_for_noise() -> None:
    human = random(1).uniform(0, 10, 300)
    bent = recalibrate(human**2 / 10, human + random(2).normal(0, 0.3, 300), np.arange(300))
    assert bent.error is not None
    assert bent.error_of_scores is not None
    assert 0.25 < bent.error < 0.45 < bent.error_of_scores
    noise = recalibrate(random(3).uniform(0, 10, 300), human, np.arange(300))
    assert noise.error is not None
    assert noise.error_of_mean is not None
    assert noise.error > noise.error_of_mean


# Prediction-powered mean.


def powered_example(judge_noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thirty labels with their scores, and scores of ninety others."""
    draw = random(seed)
    truth = draw.normal(5, 1, 120)
    judge = truth + draw.normal(0.5, judge_noise, 120)
    return truth[:30], judge[:30], judge[30:]


def powered(human: np.ndarray, judge: np.ndarray, rest: np.ndarray) -> PoweredMean:
    labelled = list(zip(human.tolist(), judge.tolist(), range(len(human)), strict=True))
    return prediction_powered_mean(labelled, [(score, ("other", place)) for place, score in enumerate(rest)], SCORES)


def test_the_prediction_powered_mean_is_its_formula() -> None:
    """ArXiv 2311.01453, section 6: θ = ȳ + λ (f̄ of others − f̄ of labelled), λ = Cov(y, f) / ((1 + n/N) Var f)."""
    human, judge, rest = powered_example(0.4)
    found, few, many = powered(human, judge, rest), len(human), len(rest)
    weight = np.cov(human, judge)[0, 1] / (judge.var(ddof=1) + few / many * rest.var(ddof=1))
    assert found.judge_weight == pytest.approx(weight)
    assert found.value == pytest.approx(human.mean() + weight * (rest.mean() - judge.mean()))
    errors, scores = (human - weight * judge).var(ddof=1) / few, weight**2 * rest.var(ddof=1) / many
    degrees = (errors + scores) ** 2 / (errors**2 / (few - 2) + scores**2 / (many - 1))
    half = scipy.stats.t.ppf(0.975, degrees) * np.sqrt((errors + scores) * (few - 1) / (few - 2))
    assert found.ci95 == pytest.approx((found.value - half, found.value + half))
    assert found.n == few


def test_a_judge_that_says_the_opposite_or_always_the_same_is_not_followed() -> None:
    human, judge, rest = powered_example(0.4)
    for scores, others in ((10 - judge, 10 - rest), (np.full(30, 7.0), np.full(90, 7.0))):
        found = powered(human, scores, others)
        assert (found.judge_weight, found.value) == (0, pytest.approx(human.mean()))
        assert found.ci95 == mean_interval(human.tolist(), range(30), SCORES)


def test_a_judge_that_is_right_is_followed_no_further_than_it_says() -> None:
    human, _, rest = powered_example(0.0)
    found = powered(human, human / 3 + 2, (rest - 0.5) / 3 + 2)
    assert found.judge_weight == 1
    assert powered(human[:9], human[:9], rest).judge_weight == 0, "nine labels do not tell what a judge is worth"


@pytest.mark.parametrize(
    ("pictures", "size", "labels", "noise", "whole", "ratio"),
    [
        (100, 1, 20, 0.5, False, 0.6),
        (100, 1, 20, 0.5, True, 0.65),
        (300, 1, 50, 0.5, False, 0.55),
        (300, 1, 50, 2.0, False, 0.9),
        (100, 1, 20, None, False, 1.03),
        (300, 1, 50, None, False, 1.02),
        (100, 3, 40, 0.5, False, 0.65),
        (25, 4, 40, None, False, 1.03),
    ],
)
def test_prediction_powered_intervals_hold_the_truth_and_are_hardly_ever_wider_than_of_labels_alone(
    pictures: int, size: int, labels: int, noise: float | None, whole: bool, ratio: float
) -> None:
    """Also of a judge whose scores have nothing to do with the labels (no noise given): the paper's promise."""
    trials, held, widths = 1000, 0, []
    sources = np.arange(pictures).repeat(size)
    for seed in range(trials):
        draw = random(seed)
        human = 5 + draw.normal(0, 1, pictures).repeat(size) + draw.normal(0, 0.8, len(sources))
        judge = draw.normal(5, 1.3, len(sources)) if noise is None else human + draw.normal(0.5, noise, len(sources))
        human, judge = (np.clip(np.round(one) if whole else one, 0, 10) for one in (human, judge))
        chosen = np.isin(np.arange(len(sources)), draw.permutation(len(sources))[:labels])
        labelled = list(zip(*(one[chosen].tolist() for one in (human, judge, sources)), strict=True))
        others = list(zip(*(one[~chosen].tolist() for one in (judge, sources)), strict=True))
        low, high = prediction_powered_mean(labelled, others, SCORES).ci95 or (0, 0)
        first, last = mean_interval(human[chosen].tolist(), sources[chosen].tolist(), SCORES) or (0, 0)
        held += low <= 5 <= high
        widths.append((high - low) / (last - first))
    assert 0.94 - 0.007 <= held / trials <= 0.96 + 0.007, "one standard error of the simulation is left to either side"
    assert np.mean(widths) < ratio
    assert np.max(widths) < 1.1


def test_without_unlabelled_edits_nothing_is_powered() -> None:
    found = prediction_powered_mean([(3.0, 2.0, "a"), (5.0, 5.5, "b")], [], SCORES)
    assert found.value is None
    assert "every scored edit has a label" in found.note
