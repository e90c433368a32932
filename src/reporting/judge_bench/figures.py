"""The figures of a judge on pairs that people have compared. What cannot be computed is None, never a number."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from src.reporting.calibration.pair_order import accuracy_of_choices, best_tie_width, pairs_of
from src.reporting.calibration.resampling import Measured, cluster_numbers
from src.reporting.judge_bench.compared import ComparedPair
from src.reporting.statistics import ROUNDING, mean_interval

SHARE = (0.0, 1.0)
NAMED = 20
"""Rows that a report names of each kind of doubt."""


def figures(pairs: Sequence[ComparedPair], unusable: int = 0) -> dict[str, Any]:
    """The figures of a group of pairs, beside which so many rows could not be used.

    `accuracy` is over the pairs of which people prefer one edit, with a judge's tie as half a pair: a coin has 0.5.
    `strict_accuracy` counts a judge's tie as wrong. `tie_calibrated` is over all pairs, with the ties of people, and a
    tie width that is chosen on other source pictures (`accuracy_of_choices`); `in_sample` chooses it on the very pairs
    that it reports, as published tables do, and is too high for that. Intervals are of 95 %, clustered by source
    picture.
    """
    judged = [pair for pair in pairs if pair.gap is not None]
    right = [(value, pair.cluster) for pair in judged if (value := pair.right) is not None]
    strict = [(float(value == 1), cluster) for value, cluster in right]
    return {
        "pairs": len(pairs),
        "rows": len(pairs) + unusable,
        "judged": len(judged),
        "coverage": len(judged) / (len(pairs) + unusable) if pairs else 0.0,
        "sources": len({pair.cluster for pair in pairs}),
        "ties_of_people": sum(not pair.sign for pair in pairs),
        "preferences": len(right),
        "accuracy": _mean(right),
        "strict_accuracy": _mean(strict),
        "ties_of_judge": sum(abs(pair.gap or 0) <= ROUNDING for pair in judged),
        **_tie_calibrated(judged),
    }


def _mean(values: Sequence[tuple[float, str]]) -> dict[str, Any]:
    numbers, clusters = [value for value, _ in values], [cluster for _, cluster in values]
    if not numbers:
        return {"value": None, "ci95": None, "n": 0}
    return {"value": statistics.fmean(numbers), "ci95": mean_interval(numbers, clusters, SHARE), "n": len(numbers)}


def _tie_calibrated(judged: Sequence[ComparedPair]) -> dict[str, Any]:
    if not judged:
        nothing = asdict(Measured(None, None, 0, "no pair has a score of both edits"))
        return {"tie_calibrated": nothing, "tie_width": None, "in_sample": None}
    gaps = np.array([pair.gap for pair in judged], dtype=float)
    signs = np.array([pair.sign for pair in judged], dtype=float)
    width, accuracy = best_tie_width(pairs_of(gaps, signs))
    measured = accuracy_of_choices(gaps, signs, cluster_numbers([pair.cluster for pair in judged]))
    return {"tie_calibrated": asdict(measured), "tie_width": width, "in_sample": accuracy}


def group_figures(pairs: Iterable[ComparedPair]) -> dict[str, dict[str, Any]]:
    """Strict accuracy of whole groups, by their number K of edits: all pairs of a group in the order of people.

    A group counts if the file has each of its K(K − 1)/2 pairs once, people prefer one edit in each, and the judge has
    scored all. K is what the file states, or else how many edits the usable pairs of the group show. `chance` is 1/K!:
    that of an order drawn at random.
    """
    groups: dict[tuple[str, str | None], list[ComparedPair]] = defaultdict(list)
    for pair in pairs:
        if pair.group is not None:
            groups[pair.group, pair.dimension].append(pair)
    found: dict[int, Counter[str]] = defaultdict(Counter)
    right: dict[int, list[tuple[float, str]]] = defaultdict(list)
    for members in groups.values():
        size = members[0].group_size or len({edit for pair in members for edit in pair.edits})
        state = _state(members, size)
        found[size][state] += 1
        if state == "judged":
            right[size].append((float(all(pair.right == 1 for pair in members)), members[0].cluster))
    return {
        str(size): {"groups": sum(found[size].values()), "chance": 1 / math.factorial(size), **found[size]}
        | {"strict_accuracy": _mean(right[size])}
        for size in sorted(found)
    }


def _state(members: Sequence[ComparedPair], size: int) -> str:
    """Whether a group can be counted, or why it cannot."""
    distinct = {frozenset(pair.edits) for pair in members}
    if len(distinct) != len(members) or len(members) != size * (size - 1) // 2 or size < 2:
        return "incomplete"
    if any(not pair.sign for pair in members):
        return "with_ties"
    return "judged" if all(pair.gap is not None for pair in members) else "without_score"


def order_figures(pairs: Iterable[ComparedPair]) -> dict[str, Any]:
    """What a pairwise judge says when the two edits change places: its scores are 5 ± the preference for the first.

    `agreement` is the share of pairs of which both orders say the same, `first_preferred` the share of questions in
    which the edit that is shown first is preferred (ties half): 0.5 without a bias for the place.
    """
    judged = [pair for pair in pairs if pair.gap is not None]
    leans = [tuple(_lean(result.score) for result in pair.results) for pair in judged]
    agree = [(float(first == -second), pair.cluster) for (first, second), pair in zip(leans, judged, strict=True)]
    place = [((1 + lean) / 2, pair.cluster) for both, pair in zip(leans, judged, strict=True) for lean in both]
    return {"pairs": len(judged), "agreement": _mean(agree), "first_preferred": _mean(place)}


def _lean(score: float | None) -> int:
    """1 where the edit that is shown first is preferred, -1 where the second is, 0 for a tie."""
    difference = (score or 0.0) - 5.0
    return 0 if abs(difference) <= ROUNDING else int(math.copysign(1, difference))


def duplicates(pairs: Iterable[ComparedPair]) -> dict[str, Any]:
    """Rows that ask people the same twice: the same two edits of one source, by one instruction and dimension.

    `conflicting` lists those with different answers, of which no judge can get all right; every row counts all the
    same. `repeated_ids` are ids that several rows state.
    """
    same: dict[tuple[frozenset[str], str | None], list[ComparedPair]] = defaultdict(list)
    ids: Counter[tuple[str, str | None]] = Counter()
    for pair in pairs:
        same[frozenset(pair.edits), pair.dimension].append(pair)
        if pair.stated_id:
            ids[pair.stated_id, pair.dimension] += 1
    repeated = [rows for rows in same.values() if len(rows) > 1]
    conflicts = [rows for rows in repeated if len({_preferred(pair) for pair in rows}) > 1]
    doubled = [name for (name, _), count in ids.items() if count > 1]
    return {
        "rows": sum(map(len, repeated)),
        "conflicting_rows": sum(map(len, conflicts)),
        "conflicting": [[pair.pair_id for pair in rows] for rows in conflicts[:NAMED]],
        "repeated_ids": len(doubled),
        "repeated_ids_named": doubled[:NAMED],
    }


def _preferred(pair: ComparedPair) -> str:
    return pair.edits[(1 + pair.sign) // 2] if pair.sign else ""


def by_category(pairs: Iterable[ComparedPair], unusable: Mapping[str, int] | None = None) -> dict[str, dict[str, Any]]:
    """The figures by category, in the order in which the categories come.

    Args:
        pairs: The pairs that could be used.
        unusable: How many rows of each category could not be used; none by default.
    """
    lost = unusable or {}
    grouped: dict[str, list[ComparedPair]] = defaultdict(list)
    for pair in pairs:
        grouped[pair.category].append(pair)
    return {name: figures(grouped[name], lost.get(name, 0)) for name in dict.fromkeys([*grouped, *lost])}


def by_dimension(pairs: Sequence[ComparedPair]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The figures by dimension where the file has any, with the macro mean over the categories of each.

    The macro mean is that of EditScore's bench: strict accuracy for each task, and the plain mean of these. Where the
    scorer gives a value of the dimension's name, the figures by that value follow: EditScore's bench publishes these.
    """
    for dimension in dict.fromkeys(pair.dimension for pair in pairs if pair.dimension):
        members = [pair for pair in pairs if pair.dimension == dimension]
        yield dimension, _of_dimension(members)
        if any(result.dimensions.get(dimension) is not None for pair in members for result in pair.results):
            yield (
                f"{dimension}, by the scorer's own {dimension}",
                _of_dimension([pair.by(dimension) for pair in members]),
            )


def _of_dimension(members: Sequence[ComparedPair]) -> dict[str, Any]:
    return figures(members) | {"macro_strict_accuracy": macro(by_category(members))}


def macro(categories: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The plain mean of the categories' strict accuracies, of those that have one."""
    known = [found["strict_accuracy"]["value"] for found in categories.values()]
    numbers = [value for value in known if value is not None]
    return statistics.fmean(numbers) if numbers else None
