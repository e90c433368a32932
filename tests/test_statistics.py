from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from src.reporting.statistics import DIFFERENCES, SCORES, clustered_mean, mean_interval, percentile, summarise

scores = st.floats(0, 10)
maybe_scores = st.lists(st.none() | scores, max_size=60)
several_scores = st.lists(scores, min_size=2, max_size=60)

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def interval(values: list[float]) -> tuple[float, float]:
    """Of independent scores."""
    found = summarise(values).ci95
    assert found is not None
    return found


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(maybe_scores)
def test_every_figure_agrees_with_numpy_and_leaves_failures_out(entries: list[float | None]) -> None:
    summary = summarise(entries)
    values = [entry for entry in entries if entry is not None]
    assert (summary.num_samples, summary.total) == (len(values), len(entries))
    if values:
        assert summary.coverage == len(values) / len(entries)
        assert summary.mean == close(np.mean(values))
        assert summary.std == close(np.std(values))
        assert summary.median == close(np.median(values))
        assert (summary.min, summary.max) == (min(values), max(values))


@settings(deadline=None)
@given(several_scores)
def test_the_interval_lies_on_the_scale_around_the_mean(values: list[float]) -> None:
    assume(not few_agree(values))
    low, high = interval(values)
    mean = math.fsum(values) / len(values)
    assert 0 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= 10


@settings(deadline=None)
@given(several_scores)
def test_each_end_is_the_mean_of_a_scale_at_which_the_measured_mean_is_t_standard_errors_away(
    values: list[float],
) -> None:
    """The standard error at µ is the measured one, changed as that of a yes-or-no answer changes with its share."""
    mean, error = float(np.mean(values)), float(scipy.stats.sem(values))
    assume(0.01 < mean < 9.99 and error > 1e-9)
    t = scipy.stats.t.ppf(0.975, len(values) - 1)
    for end in interval(values):
        there = error * math.sqrt(end * (10 - end) / (mean * (10 - mean)))
        assert abs(mean - end) == pytest.approx(t * there, rel=1e-6, abs=1e-6)


@settings(deadline=None)
@given(several_scores)
def test_without_bounds_or_far_from_them_the_interval_is_the_textbook_one(values: list[float]) -> None:
    assume(not few_agree(values) and len(set(values)) != 1)
    half = scipy.stats.sem(values) * scipy.stats.t.ppf(0.975, len(values) - 1)
    expected = pytest.approx((np.mean(values) - half, np.mean(values) + half), rel=1e-6, abs=1e-6)
    assert mean_interval(values, range(len(values)), None) == expected
    assert mean_interval(values, range(len(values)), (-1e9, 1e9)) == pytest.approx(expected.expected, abs=1e-3)


def test_scores_that_all_lie_on_an_end_of_the_scale_leave_room_for_others() -> None:
    wilson = scipy.stats.binomtest(12, 12).proportion_ci(method="wilson")
    assert interval([10.0] * 12) == pytest.approx((10 * wilson.low, 10), rel=1e-6)
    assert interval([0.0] * 12) == pytest.approx((0, 10 - 10 * wilson.low), rel=1e-6)
    assert interval([7.0] * 12) == pytest.approx((7, 7))


def few_agree(values: list[float]) -> bool:
    """Whether nothing says how much scores vary: they agree, on no end of the scale, and are fewer than six."""
    return len(values) < 6 and scipy.stats.sem(values) < 1e-9 and not (max(values) == 0 or min(values) == 10)


@pytest.mark.parametrize("scale", [SCORES, DIFFERENCES, None])
def test_a_few_values_that_agree_are_no_certainty(scale: tuple[float, float] | None) -> None:
    """Five of the same sign happen by chance in 6.25 %, six in 3.125 %: the sign test's interval begins with six."""
    assert mean_interval([0.5, 0.5], range(2), scale) is None
    assert mean_interval([0.5] * 5, range(5), scale) is None
    assert mean_interval([0.5] * 12, list(range(4)) * 3, scale) is None
    assert mean_interval([0.5] * 6, range(6), scale) == (0.5, 0.5)


def test_a_value_off_the_scale_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not on the scale from 0\.0 to 10\.0"):
        mean_interval([1.0, 10.5], range(2), SCORES)


def at(share: float, bound: float, others: Draw) -> Draw:
    """Scores of which this share lies on a bound."""
    return lambda dice, shape: np.where(dice.uniform(size=shape) < share, bound, others(dice, shape))


TYPICAL: dict[str, tuple[tuple[float, float], Draw]] = {
    "around 6.5, half points": (
        SCORES,
        lambda dice, shape: np.round(np.clip(dice.normal(6.5, 1.5, shape), 0, 10) * 2) / 2,
    ),
    "around 7, whole points": (SCORES, lambda dice, shape: np.round(np.clip(dice.normal(7, 2, shape), 0, 10))),
    "around 9, cut off at 10": (SCORES, lambda dice, shape: np.clip(dice.normal(9, 2, shape), 0, 10)),
    "anything": (SCORES, lambda dice, shape: dice.uniform(0, 10, shape)),
    "low and skewed": (SCORES, lambda dice, shape: 10 * dice.beta(1, 4, shape)),
    "40 % at 10": (SCORES, at(0.4, 10, lambda dice, shape: 10 * dice.beta(6, 2, shape))),
    "half at 0": (SCORES, at(0.5, 0, lambda dice, shape: 10 * dice.beta(2, 3, shape))),
    "differences": (DIFFERENCES, lambda dice, shape: np.clip(dice.normal(0.8, 2, shape), -10, 10)),
    "differences, a fifth none": (
        DIFFERENCES,
        at(0.2, 0, lambda dice, shape: np.clip(dice.normal(0.8, 2, shape), -10, 10)),
    ),
}


@pytest.mark.parametrize("name", TYPICAL)
@pytest.mark.parametrize("size", [8, 20, 100])
def test_ninety_five_of_a_hundred_intervals_hold_the_true_mean_of_typical_scores(name: str, size: int) -> None:
    scale, draw = TYPICAL[name]
    dice = np.random.default_rng(0)
    truth = draw(dice, (2_000_000,)).mean()
    ends = [mean_interval(values, range(size), scale) for values in draw(dice, (4000, size)).tolist()]
    assert 0.94 <= np.mean([low <= truth <= high for low, high in ends]) <= 0.965  # type: ignore[misc]


@settings(deadline=None)
@given(several_scores, st.randoms())
def test_clusters_of_one_sample_change_nothing_at_all(values: list[float], dice: random.Random) -> None:
    sources = [f"picture {index}" for index in range(len(values))]
    dice.shuffle(sources)
    assert summarise(values, sources) == summarise(values)
    assert summarise(values, sources).clusters is None


@settings(deadline=None)
@given(several_scores, st.integers(2, 4))
def test_copies_of_every_score_in_its_own_cluster_add_no_certainty(values: list[float], copies: int) -> None:
    """The interval of copied data is that of the data: the cluster factor and degrees of freedom hold exactly."""
    summary, alone = summarise(values * copies, list(range(len(values))) * copies), summarise(values)
    assert summary.ci95 == (alone.ci95 and pytest.approx(alone.ci95, rel=1e-9, abs=1e-9))
    assert summary.clusters == len(values)
    assert summary.num_samples == len(values) * copies


def satterthwaite(sizes: list[int], correlation: float) -> float:
    """Degrees of freedom of the adjusted variance, from the covariance matrix of what it sums the squares of."""
    membership = np.repeat(np.eye(len(sizes)), sizes, axis=1)
    within = membership.T @ membership
    covariance = correlation * within + (1 - correlation) * np.eye(sum(sizes))
    total = sum(sizes)
    residuals = np.eye(total) - 1 / total
    adjusted = membership @ residuals / np.sqrt(1 - np.array(sizes) / total)[:, None]
    eigenvalues = np.linalg.eigvalsh(adjusted @ covariance @ adjusted.T)
    return float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=12), st.integers(1, 7))
def test_the_degrees_of_freedom_are_those_of_the_covariance_matrix(sizes: list[int], period: int) -> None:
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    values = np.array([float(place % period) for place in range(len(clusters))])
    measured = clustered_mean(values.tolist(), clusters.tolist())
    assert measured is not None
    residuals = values - values.mean()
    products = [
        residuals[i] * residuals[j]
        for i, j in itertools.permutations(range(len(values)), 2)
        if clusters[i] == clusters[j]
    ]
    spread = residuals.var()
    correlation = float(np.clip(np.mean(products) / spread, 0, 1)) if products and spread else 0.0
    assert measured.degrees == pytest.approx(satterthwaite(sizes, correlation))
    assert measured.clusters == len(sizes)


def test_the_variance_of_a_mean_of_independent_values_in_unequal_clusters_is_unbiased() -> None:
    dice = np.random.default_rng(0)
    clusters = np.repeat(np.arange(6), [1, 1, 2, 3, 5, 8]).tolist()
    measured = [clustered_mean(values, clusters) for values in dice.normal(0, 1, (4000, 20)).tolist()]
    assert np.mean([one.variance for one in measured if one]) == pytest.approx(1 / 20, rel=0.05)


def test_the_clustered_interval_of_a_worked_example() -> None:
    """Deviations from the mean 4 sum to -3, 0 and 3 by cluster: variance (9 / (3/5) + 0 + 9 / (3/5)) / 5² = 1.2."""
    values, sources = [2.0, 3.0, 4.0, 5.0, 6.0], ["a", "a", "b", "c", "c"]
    summary = summarise(values, sources)
    half = scipy.stats.t.ppf(0.975, satterthwaite([2, 1, 2], 1.0)) * math.sqrt(1.2)
    assert mean_interval(values, sources, None) == pytest.approx((4 - half, 4 + half))
    ratio = half**2 / (4 * 6)
    roots = np.roots([1 + ratio, -(2 * 4 + 10 * ratio), 4**2])  # of (4 − µ)² = ratio · µ(10 − µ)
    assert summary.ci95 == pytest.approx((min(roots), max(roots)))
    assert summary.clusters == 3


def test_ninety_five_of_a_hundred_clustered_intervals_cover_the_truth_and_naive_ones_do_not() -> None:
    dice = np.random.default_rng(0)
    sources = np.repeat(np.arange(30), 4)
    clustered = naive = 0
    for _ in range(400):
        values = (dice.normal(0, 1, 30)[sources] + dice.normal(0, 0.5, 120)).tolist()
        low, high = mean_interval(values, sources.tolist(), None) or (math.nan, math.nan)
        clustered += low < 0 < high
        low, high = mean_interval(values, range(120), None) or (math.nan, math.nan)
        naive += low < 0 < high
    assert 0.92 < clustered / 400 < 0.98
    assert naive / 400 < 0.8


def test_samples_without_a_known_source_are_never_clustered_together() -> None:
    assert summarise([1.0, 2.0, 4.0], [None, None, None]) == summarise([1.0, 2.0, 4.0])
    assert summarise([1.0, 2.0, 4.0], [None, "a", "a"]).clusters == 2


def test_a_failed_sample_does_not_make_its_source_repeat() -> None:
    assert summarise([1.0, None, 3.0], ["a", "a", "b"]).clusters is None


def test_nothing_scored_has_no_figures_and_no_coverage() -> None:
    for entries in ([], [None, None]):
        summary = summarise(entries)
        assert (summary.mean, summary.std, summary.median, summary.min, summary.max, summary.ci95) == (None,) * 6
        assert (summary.num_samples, summary.total, summary.coverage) == (0, len(entries), 0.0)


def test_one_score_or_one_cluster_has_no_interval() -> None:
    assert summarise([7.0]).ci95 is None
    assert summarise([7.0]).mean == 7.0
    assert summarise([3.0, 7.0], ["a", "a"]).ci95 is None
    assert summarise([3.0, 7.0], ["a", "a"]).clusters == 1


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="must be None"):
        summarise([1.0, score])


@settings(max_examples=50, deadline=None)
@given(st.lists(scores, min_size=1, max_size=40), st.floats(0, 1))
def test_percentiles_agree_with_numpy(values: list[float], share: float) -> None:
    assert percentile(values, share) == close(np.percentile(values, share * 100))
