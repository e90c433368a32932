"""Paired differences, against textbook values and by what must hold of any data."""

from __future__ import annotations

import math
import random
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from src.reporting.paired import PairedDifference, paired_difference, samples_needed
from src.training.held_out.gain import ScoredSample, paired_gain

SLEEP = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0], [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
"""Student's data of ten patients (Biometrika 6, 1908): the paired test has t = 4.0621, p = 0.002833, 9 degrees."""

score = st.none() | st.integers(0, 20).map(lambda half: half / 2)
rows = st.lists(st.tuples(score, score, st.sampled_from("abcdefgh")), min_size=1, max_size=40)
Rows = list[tuple[float | None, float | None, str]]


def compared(found: Rows, tie_width: float = 0.5) -> PairedDifference:
    first, second, sources = zip(*found, strict=True)
    return paired_difference(first, second, sources, tie_width)


def distinct(count: int) -> list[str]:
    return [f"picture {place}" for place in range(count)]


def test_the_paired_test_of_the_textbook() -> None:
    found = paired_difference(*SLEEP, distinct(10), 0.5)
    assert found.difference == pytest.approx(1.58)
    assert found.difference / found.standard_error == pytest.approx(4.0621, abs=1e-4)  # type: ignore[operator]
    assert found.p == pytest.approx(0.002833, abs=1e-6)
    assert found.ci95 == pytest.approx((0.7001142, 2.4598858), abs=1e-6)
    assert (found.wins, found.ties, found.losses) == (9, 1, 0)


def test_clustered_by_source_the_difference_of_a_worked_example() -> None:
    """Differences 1, 3 | 0 | 2, 4 have mean 2 and sums of deviations 0, −2 and 2: V = (4 / (4/5) + 4 / (3/5)) / 25."""
    found = compared([(1, 2, "a"), (1, 4, "a"), (5, 5, "b"), (2, 4, "c"), (2, 6, "c")])
    assert found.difference == 2
    assert found.standard_error == pytest.approx(math.sqrt((4 / 0.8 + 4 / 0.6) / 25))
    assert (found.pairs, found.clusters) == (5, 3)


@settings(deadline=None)
@given(rows)
def test_the_other_way_round_everything_has_the_other_sign(found: Rows) -> None:
    there, back = compared(found), compared([(other, one, source) for one, other, source in found])
    assert (back.wins, back.ties, back.losses) == (there.losses, there.ties, there.wins)
    assert (back.first_missing, back.second_missing) == (there.second_missing, there.first_missing)
    assert (back.p is None) == (there.p is None)
    if there.difference is not None:
        assert back.difference == pytest.approx(-there.difference)
    for name in ("ci95", "bootstrap95"):
        one, other = getattr(there, name), getattr(back, name)
        assert other == (one and pytest.approx((-one[1], -one[0]), abs=1e-9))
    for name in ("p", "standard_error", "degrees", "detectable", "std"):
        assert getattr(back, name) == (getattr(there, name) and pytest.approx(getattr(there, name), abs=1e-9))


@settings(deadline=None)
@given(rows, st.randoms())
def test_the_order_of_the_samples_changes_nothing(found: Rows, dice: random.Random) -> None:
    shuffled = list(found)
    dice.shuffle(shuffled)
    assert compared(shuffled) == compared(found)


def test_the_order_of_the_source_pictures_does_not_change_the_bootstrap() -> None:
    dice = np.random.default_rng(0)
    found: Rows = [(5.0, 5 + float(dice.normal()), f"picture {place // 2}") for place in range(60)]
    assert compared(found[::-1]).bootstrap95 == compared(found).bootstrap95
    assert compared(found[::-1]) == compared(found)


@settings(deadline=None)
@given(rows)
def test_a_sample_without_a_score_is_in_no_figure(found: Rows) -> None:
    whole = compared(found)
    scored = [row for row in found if row[0] is not None and row[1] is not None]
    assume(scored)
    assert replace(whole, first_missing=0, second_missing=0) == compared(scored)
    assert whole.first_missing == sum(row[0] is None for row in found)
    assert whole.wins + whole.ties + whole.losses == whole.pairs == len(scored)


@settings(deadline=None)
@given(rows, st.floats(-5, 5))
def test_the_p_value_is_below_five_percent_exactly_where_the_interval_excludes_zero(found: Rows, shift: float) -> None:
    one = compared([(a, b if b is None else b + shift, c) for a, b, c in found])
    assume(one.standard_error is not None and abs(one.p - 0.05) > 1e-6)  # type: ignore[operator]
    assert one.ci95 is not None
    assert (one.p < 0.05) == (not one.ci95[0] <= 0 <= one.ci95[1])  # type: ignore[operator]


def test_scores_within_the_tie_width_are_a_tie_and_rounding_does_not_matter() -> None:
    pairs: Rows = [(0.3, 0.8, "a"), (0.8, 0.3, "b"), (0.1, 0.7, "c"), (0.7, 0.1, "d")]
    found = compared(pairs, 0.5)
    assert (found.wins, found.ties, found.losses) == (1, 2, 1)
    assert compared(pairs, 0.0).ties == 0


@settings(deadline=None)
@given(rows)
def test_the_gain_on_held_out_samples_is_the_difference_of_two_runs(found: Rows) -> None:
    first, second, sources = zip(*found, strict=True)
    before, after = (
        [ScoredSample(str(place), source, one) for place, (one, source) in enumerate(zip(scores, sources, strict=True))]
        for scores in (first, second)
    )
    gain, pair = paired_gain("scorer", before, after[::-1]), compared(found)
    assert (gain.samples, gain.before, gain.after) == (pair.pairs, pair.mean_first, pair.mean_second)
    assert (gain.difference, gain.ci95) == (pair.difference, pair.ci95)
    assert gain.coverage == pair.pairs / len(found)


def test_one_sample_or_one_picture_has_a_difference_and_nothing_that_needs_spread() -> None:
    for pairs in ([(1.0, 3.0, "a")], [(1.0, 3.0, "a"), (2.0, 4.5, "a")]):
        found = compared(pairs)
        assert found.difference is not None
        assert (found.ci95, found.bootstrap95, found.p, found.detectable, found.standard_error) == (None,) * 5
        assert "one source picture" in found.note


def test_nothing_scored_on_both_sides_has_no_figure() -> None:
    found = compared([(1.0, None, "a"), (None, 2.0, "b")])
    assert (found.pairs, found.difference, found.ci95, found.p) == (0, None, None, None)
    assert "no sample has a score in both" in found.note


def test_equal_runs_do_not_differ_and_have_no_spread_to_plan_by() -> None:
    found = paired_difference([7.1] * 9, [7.1] * 9, distinct(9), 0.5)
    assert (found.difference, found.ci95, found.p, found.detectable) == (0.0, (0.0, 0.0), 1.0, None)
    assert samples_needed(found, 0.1) is None


def test_one_and_the_same_difference_everywhere_is_left_to_the_sign_test() -> None:
    """Of six equal signs, scipy's exact test has p = 0.03125; of five 0.0625, which allows no 95 % interval."""
    six = paired_difference([7.3] * 6, [6.3, 6.3, 6.3, 6.3, 6.3, 6.300000000000001], distinct(6), 0.5)
    assert six.p == pytest.approx(scipy.stats.binomtest(6, 6).pvalue)
    assert six.ci95 == pytest.approx((-1.0, -1.0))
    assert "the same on all 6" in six.note
    five = paired_difference([7.3] * 5, [6.3] * 5, distinct(5), 0.5)
    assert five.p == pytest.approx(scipy.stats.binomtest(5, 5).pvalue)
    assert (five.ci95, five.standard_error, five.detectable) == (None, None, None)


@pytest.mark.parametrize("gift", [0.0, 0.5])
def test_a_few_samples_that_agree_have_no_interval_whatever_they_agree_on(gift: float) -> None:
    for count, known in ((2, False), (5, False), (6, True)):
        found = paired_difference([7.0] * count, [7.0 + gift] * count, distinct(count))
        assert found.ci95 == ((gift, gift) if known else None)
        assert ("too few for an interval" in found.note) is not known


def test_the_detectable_difference_is_near_the_published_rule_of_thumb() -> None:
    """2.8 · sd / √n at sd 2: 0.30 for 360 samples and 0.16 for 1,200 (the normal approximation)."""
    for count, published in ((360, 0.30), (1200, 0.16)):
        spread = scipy.stats.norm.ppf((np.arange(count) + 0.5) / count)
        differences = (2 * spread / np.std(spread, ddof=1)).tolist()
        found = paired_difference([0.0] * count, differences, distinct(count), 0.5)
        assert found.detectable == pytest.approx(published, abs=0.006)
        assert samples_needed(found, found.detectable or 0) == pytest.approx(count, abs=1)


@pytest.mark.parametrize("count", [8, 50])
def test_a_true_difference_of_the_detectable_size_is_found_four_times_out_of_five(count: int) -> None:
    dice = np.random.default_rng(0)
    quantile = scipy.stats.t.ppf(0.975, count - 1) + scipy.stats.t.ppf(0.8, count - 1)
    true = quantile * 2 / math.sqrt(count)
    samples = dice.normal(true, 2, (20_000, count))
    found = scipy.stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05
    example = paired_difference([0.0] * count, (samples[0] - samples[0].mean()).tolist(), distinct(count), 0.5)
    assert example.detectable == pytest.approx(quantile * samples[0].std(ddof=1) / math.sqrt(count))
    assert found.mean() == pytest.approx(0.8, abs=0.02)


@given(st.floats(0.05, 5), st.floats(1.2, 4))
@settings(deadline=None)
def test_a_smaller_difference_needs_more_samples(points: float, ratio: float) -> None:
    found = paired_difference([0.0] * 9, [1.0, -1.0, 2.0, 0.0, 3.0, 0.5, -2.0, 1.5, 2.5], distinct(9), 0.5)
    fewer, more = samples_needed(found, points), samples_needed(found, points / ratio)
    assert fewer is not None
    assert more is not None
    assert 2 <= fewer <= more


def test_fewer_than_ten_source_pictures_are_not_resampled() -> None:
    for pictures, samples in ((9, 9), (9, 36), (10, 10)):
        differences = np.random.default_rng(1).normal(0.3, 1, samples).tolist()
        sources = [f"picture {place % pictures}" for place in range(samples)]
        found = paired_difference([0.0] * samples, differences, sources, 0.5)
        assert found.ci95 is not None
        assert (found.bootstrap95 is not None) == (pictures == 10)


def test_the_bootstrap_agrees_with_student_where_the_data_are_normal() -> None:
    dice = np.random.default_rng(1)
    for count in (12, 200):
        differences = dice.normal(0.3, 1, count).tolist()
        found = paired_difference([0.0] * count, differences, distinct(count), 0.5)
        width = found.ci95[1] - found.ci95[0]  # type: ignore[index]
        assert found.bootstrap95 == pytest.approx(found.ci95, abs=0.12 * width)


def test_resampling_takes_no_more_memory_for_more_pictures() -> None:
    random_scores = random.Random(0)
    scores = [float(random_scores.randint(0, 10)) for _ in range(4000)]
    tracemalloc.start()
    found = paired_difference([5.0] * 4000, scores, distinct(4000), 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.bootstrap95 is not None
    assert peak < 20e6, "5,000 resamples of 4,000 pictures are 20 million drawings of four bytes"


def test_the_interval_does_not_depend_on_how_much_is_drawn_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = [place * 7 % 11 for place in range(31)]
    found = paired_difference([5.0] * 31, scores, distinct(31), 0.5)
    monkeypatch.setattr("src.reporting.paired._DRAWN_AT_ONCE", 1000)
    assert paired_difference([5.0] * 31, scores, distinct(31), 0.5) == found


@pytest.mark.parametrize("shift", [0.0, -1.0])
@pytest.mark.parametrize(("pictures", "is_sign_tests"), [(5, False), (6, True)])
def test_an_interval_without_spread_is_said_to_be_the_sign_tests(
    shift: float, pictures: int, is_sign_tests: bool
) -> None:
    found = paired_difference([5.0] * pictures, [5.0 + shift] * pictures, range(pictures))
    assert (found.sign_test, found.ci95 is not None) == (is_sign_tests, is_sign_tests)
    assert ("sign test's" in found.note) or not is_sign_tests
    assert not paired_difference([1.0, 2.0, 3.0], [2.0, 2.0, 5.0], range(3)).sign_test
