from __future__ import annotations

import math
import random

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from src.reporting.statistics import mean_interval, percentile, summarise

scores = st.floats(0, 10)
maybe_scores = st.lists(st.none() | scores, max_size=60)
several_scores = st.lists(scores, min_size=2, max_size=60)


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
def test_the_interval_of_independent_scores_is_the_textbook_one(values: list[float]) -> None:
    low, high = summarise(values).ci95 or (math.nan, math.nan)
    half = scipy.stats.sem(values) * scipy.stats.t.ppf(0.975, len(values) - 1)
    assert low == close(np.mean(values) - half)
    assert high == close(np.mean(values) + half)


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
    summary = summarise(values * copies, list(range(len(values))) * copies)
    assert summary.ci95 == pytest.approx(summarise(values).ci95, rel=1e-9, abs=1e-9)
    assert summary.clusters == len(values)
    assert summary.num_samples == len(values) * copies


def test_the_clustered_interval_of_a_worked_example() -> None:
    """Deviations from the mean 4 sum to -3, 0 and 3 by cluster: variance 3/2 · 18 / 5² = 1.08, two degrees."""
    values, sources = [2.0, 3.0, 4.0, 5.0, 6.0], ["a", "a", "b", "c", "c"]
    summary = summarise(values, sources)
    half = 4.302652729911275 * math.sqrt(1.08)
    assert summary.ci95 == pytest.approx((4 - half, 4 + half))
    assert summary.clusters == 3


def test_ninety_five_of_a_hundred_clustered_intervals_cover_the_truth_and_naive_ones_do_not() -> None:
    dice = np.random.default_rng(0)
    sources = np.repeat(np.arange(30), 4)
    clustered = naive = 0
    for _ in range(400):
        values = (dice.normal(0, 1, 30)[sources] + dice.normal(0, 0.5, 120)).tolist()
        low, high = mean_interval(values, sources.tolist()) or (math.nan, math.nan)
        clustered += low < 0 < high
        low, high = mean_interval(values, range(120)) or (math.nan, math.nan)
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
