"""The goals that the miniature editor was set, and which of them its held-out scores miss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from src.miniature.editor.opposites import PairShares
from src.miniature.world.edits import CATEGORIES

LEAST_OF_ALL = 7.0
"""The mean reference score of taught families in taught wordings."""
LEAST_OF_CATEGORY = {category: 5.0 if category == "指代" else 6.0 for category in CATEGORIES}
MOST_UNASKED = 0.5
"""The mean score where nothing of the picture is asked for."""
LEAST_GAP = 1.5
"""What an untaught wish scores below its explicit wording: what a rewriter could gain."""
LEAST_RIGHT = 0.8
CONTRARIES = {"side": "left or right", "which": "this or that"}
"""The kinds of contrary edits that have a goal, and what the card calls them."""


def missed_goals(groups: Mapping[tuple[str, str], Mapping[str, Sequence[float]]], pairs: PairShares) -> str:
    """The missed goals with what was reached, as part of a sentence; "none" if all are reached.

    Args:
        groups: The scores of every category and difficulty, for each column of the card.
        pairs: Which results of contrary edits are right.
    """
    return "; ".join(_missed(groups, pairs)) or "none"


def _missed(groups: Mapping[tuple[str, str], Mapping[str, Sequence[float]]], pairs: PairShares) -> Iterator[str]:
    def mean(column: str, category: str | None = None) -> float:
        chosen = [scores[column] for (name, _), scores in groups.items() if category in (None, name)]
        return float(np.mean([score for scores in chosen for score in scores]))

    if (reached := mean("english")) < LEAST_OF_ALL:
        yield f"{LEAST_OF_ALL:g} by the reference score ({reached:.2f})"
    for least in sorted(set(LEAST_OF_CATEGORY.values()), reverse=True):
        reached_by = {name: mean("english", name) for name in CATEGORIES if LEAST_OF_CATEGORY[name] == least}
        if low := [f"{name} ({reached:.2f})" for name, reached in reached_by.items() if reached < least]:
            yield f"{least:g} in {', '.join(low)}"
    for column in ("neutral", "unrelated"):
        if (reached := mean(column)) > MOST_UNASKED:
            yield f"*{column}* at most {MOST_UNASKED:g} ({reached:.2f})"
    if (gap := mean("untaught_explicit") - mean("untaught")) < LEAST_GAP:
        yield f"untaught wishes {LEAST_GAP:g} below their explicit wording ({gap:.2f})"
    for kind, name in CONTRARIES.items():
        if not pairs.get(kind):
            yield f"{name} (`{kind}`) right in {LEAST_RIGHT:.0%} (no pair measured)"
        elif (right := float(np.mean(pairs[kind]))) < LEAST_RIGHT:
            yield f"{name} (`{kind}`) right in {LEAST_RIGHT:.0%} ({right:.0%}; chance 50%)"
