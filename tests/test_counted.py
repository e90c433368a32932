"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from src.counted import counted


@pytest.mark.parametrize(
    ("count", "words", "expected"),
    [
        (0, ("sample",), "0 samples"),
        (1, ("sample",), "1 sample"),
        (2, ("sample",), "2 samples"),
        (1, ("category", "categories"), "1 category"),
        (3, ("category", "categories"), "3 categories"),
        (1, ("sample has", "samples have"), "1 sample has"),
        (0, ("sample has", "samples have"), "0 samples have"),
    ],
)
def test_one_is_singular_and_every_other_number_plural(count: int, words: tuple[str, ...], expected: str) -> None:
    assert counted(count, *words) == expected
