from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.rewards.core.means import weighted_geometric_mean, weighted_mean

SCORES = st.floats(0, 10)
WEIGHTS = st.floats(0, 1e6)


@pytest.mark.parametrize(
    ("values", "weights", "mean", "geometric"),
    [
        ({"a": 2.0, "b": 8.0}, {"a": 1.0, "b": 1.0}, 5.0, 4.0),
        ({"a": 1.0, "b": 8.0}, {"a": 2.0, "b": 1.0}, 10 / 3, 2.0),
        ({"a": 0.0, "b": 8.0}, {"a": 1.0, "b": 1.0}, 4.0, 0.0),
        ({"a": 0.0, "b": 8.0}, {"a": 0.0, "b": 1.0}, 8.0, 8.0),
        ({"a": 3.0}, {"a": 0.2, "not there": 5.0}, 3.0, 3.0),
    ],
)
def test_means_are_as_computed_by_hand(
    values: dict[str, float], weights: dict[str, float], mean: float, geometric: float
) -> None:
    assert weighted_mean(values, weights) == pytest.approx(mean)
    assert weighted_geometric_mean(values, weights) == pytest.approx(geometric)


@given(st.lists(st.tuples(SCORES, WEIGHTS), min_size=1, max_size=8).filter(lambda rows: any(w > 1e-6 for _, w in rows)))
def test_a_mean_never_leaves_the_range_of_its_values(rows: list[tuple[float, float]]) -> None:
    values = {str(position): value for position, (value, _) in enumerate(rows)}
    weights = {str(position): weight for position, (_, weight) in enumerate(rows)}
    mean, geometric = weighted_mean(values, weights), weighted_geometric_mean(values, weights)
    assert min(values.values()) <= mean <= max(values.values())
    assert min(values.values()) <= geometric <= max(values.values())
    assert geometric <= mean or math.isclose(geometric, mean, rel_tol=1e-9)


@pytest.mark.parametrize("value", [0.1, 3.3, 7.7, 10.0])
def test_equal_values_are_their_own_mean_to_the_last_digit(value: float) -> None:
    values = {str(number): value for number in range(7)}
    weights = {name: 0.15 + int(name) / 7 for name in values}
    assert weighted_mean(values, weights) == weighted_geometric_mean(values, weights) == value
