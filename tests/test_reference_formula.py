from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.models.reward.reference_formula import UNSEEN_DAMAGE, compare_with_reference


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)


def canvas(level: int = 100) -> np.ndarray:
    return np.full((24, 24, 3), level, np.uint8)


def with_square(image: np.ndarray, corner: int, side: int, level: int) -> np.ndarray:
    result = image.copy()
    result[corner : corner + side, corner : corner + side] = level
    return result


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_scores_stay_in_their_ranges_and_follow_the_product(source: int, edited: int, reference: int) -> None:
    if source == reference:
        return
    result = compare_with_reference(picture(source), picture(edited), picture(reference))
    assert 0.0 <= result.change <= 1.0
    assert 0.0 <= result.preservation <= 1.0
    assert result.score == pytest.approx(10.0 * result.change * result.preservation)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 20), st.integers(1, 4), st.integers(120, 255))
def test_no_edit_scores_zero_and_the_reference_ten(corner: int, side: int, level: int) -> None:
    source = canvas()
    reference = with_square(source, corner, side, level)
    assert compare_with_reference(source, source, reference).score == 0.0
    assert compare_with_reference(source, reference, reference).score == 10.0


@settings(max_examples=20, deadline=None)
@given(st.integers(17, 100), st.integers(1, 20))
def test_visible_damage_outside_the_change_lowers_the_score(damage: int, width: int) -> None:
    source = canvas()
    reference = with_square(source, 0, 6, 200)
    damaged = reference.copy()
    damaged[-4:, :width] = 100 + damage
    assert compare_with_reference(source, damaged, reference).score < 10.0


def test_half_the_way_to_the_reference_is_half_the_change() -> None:
    source = canvas()
    result = compare_with_reference(source, with_square(source, 4, 8, 150), with_square(source, 4, 8, 200))
    assert result.change == pytest.approx(0.5)
    assert result.preservation == 1.0


def test_a_small_change_counts_as_much_as_a_large_one() -> None:
    source = canvas()
    reference = with_square(with_square(source, 0, 12, 200), 20, 2, 200)
    only_large = with_square(source, 0, 12, 200)
    assert compare_with_reference(source, only_large, reference).change == pytest.approx(0.5)


def test_specks_below_four_pixels_are_judged_together() -> None:
    source = canvas()
    reference = with_square(source, 0, 6, 200)
    for column in (10, 13, 16, 19):
        reference[20, column] = 200
    half_of_the_specks = with_square(source, 0, 6, 200)
    half_of_the_specks[20, 10] = half_of_the_specks[20, 13] = 200
    assert compare_with_reference(source, half_of_the_specks, reference).change == pytest.approx(0.75)


def test_overshooting_is_no_negative_progress() -> None:
    source = canvas()
    result = compare_with_reference(source, with_square(source, 4, 8, 0), with_square(source, 4, 8, 200))
    assert result.change == 0.0


def test_noise_that_nobody_sees_costs_nothing() -> None:
    source = canvas()
    reference = with_square(source, 0, 6, 200)
    noisy = np.where(reference == 200, reference, reference + UNSEEN_DAMAGE).astype(np.uint8)
    assert compare_with_reference(source, noisy, reference).score == 10.0


def test_damage_as_large_as_the_demanded_change_leaves_nothing() -> None:
    source = canvas()
    reference = with_square(source, 0, 8, 200)
    twice = with_square(reference, 14, 9, 200)
    half = with_square(reference, 14, 6, 200)
    assert compare_with_reference(source, twice, reference).score == 0.0
    assert 2.0 < compare_with_reference(source, half, reference).score < 8.0


def test_a_change_of_the_whole_picture_leaves_nothing_to_preserve() -> None:
    result = compare_with_reference(canvas(), canvas(150), canvas(200))
    assert result.preservation == 1.0


@pytest.mark.parametrize(
    "edited", [np.zeros((24, 23, 3), np.uint8), np.zeros((24, 24, 3), np.float32), np.zeros((24, 24), np.uint8)]
)
def test_images_of_another_shape_or_type_are_refused(edited: np.ndarray) -> None:
    with pytest.raises(ValueError, match="three uint8 images"):
        compare_with_reference(canvas(), edited, canvas(200))


def test_equal_source_and_reference_are_refused() -> None:
    with pytest.raises(ValueError, match="no difference"):
        compare_with_reference(canvas(), canvas(50), canvas())
