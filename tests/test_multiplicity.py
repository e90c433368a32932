"""Holm's adjustment and the letters of groups, against definitions and published values."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.reporting.multiplicity import group_letters, holm

NAMES = "ABCDEF"
PAIRS = list(itertools.combinations(NAMES, 2))


def test_holm_gives_the_values_of_a_worked_example() -> None:
    """R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_is_the_closure_of_bonferroni(values: list[float]) -> None:
    """The adjusted p of a test is the largest Bonferroni p of all sets of tests that hold it (Marcus et al., 1976)."""
    places = range(len(values))
    subsets = [set(one) for size in range(1, len(values) + 1) for one in itertools.combinations(places, size)]
    closed = [
        max(min(1.0, len(subset) * min(values[other] for other in subset)) for subset in subsets if place in subset)
        for place in places
    ]
    assert holm(values) == pytest.approx(closed)


def test_what_was_not_tested_is_no_test() -> None:
    assert holm([0.02, None, 0.04]) == pytest.approx([0.04, None, 0.04])
    assert holm([None, None]) == [None, None]
    assert holm([]) == []


@given(st.sets(st.sampled_from(PAIRS)), st.randoms())
def test_two_names_share_a_letter_exactly_where_they_cannot_be_told_apart(
    different: set[tuple[str, str]], dice
) -> None:  # type: ignore[no-untyped-def]
    shuffled = sorted(different)
    dice.shuffle(shuffled)
    letters = group_letters(NAMES, shuffled)
    for pair in PAIRS:
        shared = set(letters[pair[0]]) & set(letters[pair[1]])
        assert bool(shared) == (pair not in different), (letters, pair)
    assert all(letters.values())


def test_groups_overlap_where_the_middle_one_is_like_both_ends() -> None:
    assert group_letters(["best", "middle", "worst"], [("best", "worst")]) == {
        **{"best": "a", "middle": "ab", "worst": "b"}
    }
    assert group_letters(["one"], []) == {"one": "a"}
    many = [f"run {place}" for place in range(30)]
    letters = group_letters(many, list(itertools.combinations(many, 2)))
    assert len(set(letters.values())) == 30
    assert letters["run 26"] == "a1"
