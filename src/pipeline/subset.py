"""`spread_subset`: some of many samples, spread over their categories, and the same ones each time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TypeVar

from src.pipeline.keys import sample_seed

Item = TypeVar("Item")


def spread_subset(
    items: Iterable[Item], most: int, seed: int, place: Callable[[Item], tuple[str | None, str]]
) -> list[Item]:
    """At most so many of the items, spread over the categories in proportion; the same ones each time.

    Within its category an item has a place that follows from the seed and its id alone. The categories are walked
    through side by side, so that a larger subset includes a smaller one.

    Args:
        items: In any order.
        most: How many.
        seed: Decides which.
        place: Gives the category and the id of an item.
    """
    groups: dict[str | None, list[tuple[str, Item]]] = defaultdict(list)
    for item in items:
        category, sample_id = place(item)
        groups[category].append((sample_id, item))
    placed = []
    for group in groups.values():
        shuffled = sorted(group, key=lambda entry: (sample_seed(seed, entry[0]), entry[0]))
        placed += [((rank + 0.5) / len(group), name, item) for rank, (name, item) in enumerate(shuffled)]
    return [item for _, _, item in sorted(placed, key=lambda entry: entry[:2])[:most]]
