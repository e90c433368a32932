"""Many tests at once: adjusted p-values, and which of several runs can be told apart."""

from __future__ import annotations

import string
from collections.abc import Collection, Sequence

SIGNIFICANT = 0.05
"""Two runs are told apart where the adjusted p-value is below this."""


def holm(values: Sequence[float | None]) -> list[float | None]:
    """The p-values adjusted by Holm's step-down procedure (Scandinavian Journal of Statistics 6, 1979).

    An adjusted value below 0.05 may be called significant: over all these tests together, the chance of even one false
    claim is at most 5 %, however the tests depend on each other.

    Args:
        values: Of every test; None where there was nothing to test, which counts as no test.
    """
    tested = sorted((value, place) for place, value in enumerate(values) if value is not None)
    adjusted: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (value, place) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * value))
        adjusted[place] = largest
    return adjusted


def group_letters(names: Sequence[str], different: Collection[tuple[str, str]]) -> dict[str, str]:
    """The compact letter display: two names share a letter exactly where they cannot be told apart.

    Args:
        names: All names, in the order in which they are shown; the first one gets the first letter.
        different: The pairs that can be told apart, in any order.

    Returns:
        The letters of each name, by the algorithm “insert and absorb” of Piepho (Journal of Computational and Graphical
        Statistics 13, 2004).
    """
    groups: list[frozenset[str]] = [frozenset(names)]
    for first, second in different:
        split = [
            part
            for group in groups
            for part in ((group - {first}, group - {second}) if {first, second} <= group else (group,))
        ]
        distinct = list(dict.fromkeys(split))
        groups = [group for group in distinct if not any(group < other for other in distinct)]
    order = {name: place for place, name in enumerate(names)}
    groups.sort(key=lambda group: sorted(order[name] for name in group))
    return {name: "".join(_letter(place) for place, group in enumerate(groups) if name in group) for name in names}


def _letter(place: int) -> str:
    """a, b … z, then a1, b1 …"""
    return string.ascii_lowercase[place % 26] + (str(place // 26) if place >= 26 else "")
