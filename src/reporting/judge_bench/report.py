"""The report of `judge-bench` as plain data: all that JSON, Markdown, console and page show."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from src.data.verdict import Status
from src.record.results import RunInfo, SampleResult
from src.reporting.judge_bench.against import compare_judges
from src.reporting.judge_bench.compared import ComparedPair, compared_pairs
from src.reporting.judge_bench.figures import (
    by_category,
    by_dimension,
    duplicates,
    figures,
    group_figures,
    macro,
    order_figures,
)
from src.reporting.report import NO_NAME, build_summary, json_data

SCHEMA_VERSION = 1
PAIRWISE = "pairwise"
"""The key of the run's facts that says whether the scorer compares two edits by itself."""


@dataclass(frozen=True)
class OtherJudge:
    """What another judge said of pairs, for a comparison."""

    name: str
    results: Sequence[SampleResult]


def build_judge_bench(
    info: RunInfo, results: Sequence[SampleResult], other: OtherJudge | None = None
) -> dict[str, Any]:
    """Builds the report.

    Args:
        info: What was judged, by what.
        results: Both edits of each pair, as the record has them.
        other: Another judge to compare with.

    Raises:
        OutputError: the other judge has judged none of these pairs.
    """
    pairs = list(compared_pairs(results))
    bad = [result for result in results if result.status is Status.BAD_SAMPLE]
    summary = build_summary(info, _verdicts_once(results))
    categories = by_category(pairs, Counter(result.category or NO_NAME for result in bad))
    report = {
        "schema_version": SCHEMA_VERSION,
        "timestamp": datetime.now().astimezone().isoformat(timespec="seconds"),
        "data": {key: value for key, value in info.editor.items() if key != "class"},
        "run_key": info.run_key,
        "scorer": info.scorer,
        "environment": info.environment,
        "overall": figures(pairs, len(bad)) | {"macro_strict_accuracy": macro(categories)},
        "categories": categories,
        "dimensions": dict(by_dimension(pairs)),
        "groups": group_figures(pairs),
        "orders": order_figures(pairs) if info.editor.get(PAIRWISE) else None,
        "without_score": dict(Counter(filter(None, (pair.without_score for pair in pairs))).most_common()),
        "bad_rows": [
            {"id": result.sample_id, "category": result.category or NO_NAME, "reason": result.reason} for result in bad
        ],
        "duplicates": duplicates(pairs),
        "seconds_a_comparison": _mean(pair.seconds for pair in pairs),
        "cost_a_comparison": _mean(pair.cost for pair in pairs),
        "usage": summary["usage"],
        "judge_models": summary["judge_models"],
        "against": compare_judges(pairs, compared_pairs(other.results), other.name) if other else None,
        "pairs": [_row(pair) for pair in pairs],
    }
    plain: dict[str, Any] = json_data(report)
    return plain


def _verdicts_once(results: Iterable[SampleResult]) -> Iterable[SampleResult]:
    """Each verdict once: an edit of several rows was judged once, for all of them."""
    usable = (result for result in results if result.status is not Status.BAD_SAMPLE)
    return {(one.edit_key, one.judge_seconds, one.replies, one.prompts): one for one in usable}.values()


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _row(pair: ComparedPair) -> dict[str, Any]:
    return {
        "id": pair.pair_id,
        "stated_id": pair.stated_id,
        "category": pair.category,
        "group": pair.group,
        "dimension": pair.dimension,
        "winner": pair.winner,
        "scores": [result.score for result in pair.results],
        "right": pair.right,
        "without_score": pair.without_score,
    }
