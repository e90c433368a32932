"""Two judges on the same pairs: whether one agrees with people more often, by McNemar's test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from src.errors import OutputError
from src.reporting.judge_bench.compared import ComparedPair
from src.reporting.paired import paired_difference


def compare_judges(ours: Iterable[ComparedPair], other: Iterable[ComparedPair], name: str) -> dict[str, Any]:
    """Compares two judges on the pairs that both have judged and of which people prefer one edit.

    McNemar's exact test looks at the pairs that exactly one of the two judges gets right, with a tie as wrong, and
    takes pairs as independent. What it tests is `strict_difference`, that of the accuracies with a tie as wrong;
    `difference` is that of the accuracies with a tie as half a pair. Both have an interval clustered by source picture:
    where pairs share sources, it is the one to go by.

    Args:
        ours: The pairs of the judge that was measured.
        other: Those of the other judge.
        name: Of the other judge's folder.

    Raises:
        OutputError: they have no pair in common.
    """
    known = {_name(pair): pair for pair in other}
    both = [(pair, known[_name(pair)]) for pair in ours if _name(pair) in known]
    if not both:
        raise OutputError(f"{name} has judged other pairs: judge the same file by both judges, then compare")
    judged = [(one, two) for one, two in both if one.right is not None and two.right is not None]
    only_ours = sum(one.right == 1 and two.right != 1 for one, two in judged)
    only_other = sum(one.right != 1 and two.right == 1 for one, two in judged)
    return {
        "other": name,
        "pairs": len(judged),
        "only_this_right": only_ours,
        "only_other_right": only_other,
        "mcnemar_p": mcnemar_p(only_ours, only_other),
        "difference": _difference([(one.right or 0.0, two.right or 0.0, one.cluster) for one, two in judged]),
        "strict_difference": _difference(
            [(float(one.right == 1), float(two.right == 1), one.cluster) for one, two in judged]
        ),
    }


def _difference(values: Sequence[tuple[float, float, str]]) -> dict[str, Any]:
    """The mean difference of ours from the other's, each with its cluster."""
    found = paired_difference([two for _, two, _ in values], [one for one, _, _ in values], [c for _, _, c in values])
    kept = ("pairs", "clusters", "mean_first", "mean_second", "difference", "ci95", "p", "note")
    return {key: value for key, value in asdict(found).items() if key in kept}


def _name(pair: ComparedPair) -> tuple[str, tuple[str, str], str | None]:
    return pair.pair_id, pair.edits, pair.dimension


def mcnemar_p(one: int, other: int) -> float:
    """The exact two-sided p-value of McNemar's test: a coin on the pairs that exactly one of two judges gets right."""
    from scipy.special import bdtr

    total = one + other
    return min(1.0, 2 * float(bdtr(min(one, other), total, 0.5))) if total else 1.0
