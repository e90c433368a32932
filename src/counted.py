"""A number with its noun, and the first of many names, for sentences."""

from __future__ import annotations

from collections.abc import Iterable

_SHOWN = 5


def counted(count: int, noun: str, several: str | None = None) -> str:
    """`1 sample`, `0 samples`, `2 samples`; with `several`, a plural that is not the noun with an s.

    Args:
        count: How many there are.
        noun: What stands behind 1, which may go on with a verb: `sample has`.
        several: What stands behind every other number; the noun with an s where it is left out.
    """
    return f"{count} {noun if count == 1 else several or noun + 's'}"


def some(names: Iterable[str]) -> str:
    """The first five of the names."""
    listed = list(names)
    return ", ".join(listed[:_SHOWN]) + (", …" if len(listed) > _SHOWN else "")
