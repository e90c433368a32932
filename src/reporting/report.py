"""The report as plain data: everything that JSON, Markdown and console show, built from frozen results alone."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from src.pipeline.results import RunInfo, SampleResult
from src.reporting.statistics import percentile, summarise
from src.rewards.verdict import Status

REPORT_VERSION = 1
METRICS = ("mean", "std", "median", "min", "max")
UNFINISHED = "unfinished"
NO_VALUE = "(none)"
EXAMPLES = 5


def build_report(info: RunInfo, results: Iterable[SampleResult], metrics: Sequence[str] = METRICS) -> dict[str, Any]:
    """Builds the JSON-able report of a run.

    The keys of the older benchmark (`timestamp`, `category_statistics`, `overall_statistics`, `summary`, `metadata`)
    keep their meaning, except that failures are outside every figure; all other keys are new. `count` among the
    metrics repeats `num_samples`.
    """
    rows = list(results)
    benchmark = info.config["benchmark"]
    wanted = benchmark.get("categories") or []
    categories = _grouped(rows, lambda row: row.category or NO_VALUE, order=wanted)
    statistics_of = {name: _statistics(group, metrics) for name, group in categories.items()}
    overall = _statistics(rows, metrics)
    return {
        "schema_version": REPORT_VERSION,
        "timestamp": datetime.now().astimezone().isoformat(timespec="seconds"),
        "summary": _summary(statistics_of, overall),
        "overall_statistics": overall,
        "category_statistics": statistics_of,
        "difficulty_statistics": _by(rows, metrics, lambda row: row.difficulty or NO_VALUE, ["easy", "medium", "hard"]),
        "category_by_difficulty": {
            name: _by(group, metrics, lambda row: row.difficulty or NO_VALUE, ["easy", "medium", "hard"])
            for name, group in categories.items()
        },
        "tag_statistics": _tags(rows, metrics),
        "statuses": overall["statuses"],
        "empty_categories": [name for name in wanted if name not in categories],
        "failures": _failures(rows),
        "samples": [_sample(row) for row in rows],
        "editor": info.editor,
        "scorer": info.scorer,
        "environment": info.environment,
        "attempts": [asdict(attempt) for attempt in info.attempts],
        "timings": _timings(info, rows),
        "metadata": {
            "benchmark_config": benchmark,
            "diffusion_model": info.config["diffusion_model"],
            "reward_model": info.config["reward_model"],
            "total_pairs": len(rows),
            "categories": list(categories),
            "config": info.config,
        },
    }


def comparable(report: dict[str, Any]) -> dict[str, Any]:
    """What must be equal between an unbroken run and one that was killed and resumed: all but times and attempts."""
    kept = ("summary", "overall_statistics", "category_statistics", "difficulty_statistics", "failures")
    timeless = [{key: value for key, value in row.items() if not key.endswith("seconds")} for row in report["samples"]]
    return {key: report[key] for key in kept} | {"samples": timeless}


def _grouped(
    rows: Iterable[SampleResult], key: Callable[[SampleResult], str], order: Sequence[str]
) -> dict[str, list[SampleResult]]:
    """Groups in the given order first, then in order of appearance; groups without rows are left out."""
    groups: dict[str, list[SampleResult]] = {name: [] for name in order}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {name: group for name, group in groups.items() if group}


def _statistics(rows: Sequence[SampleResult], metrics: Sequence[str]) -> dict[str, Any]:
    sources: list[Hashable] = [row.source_sha256 or row.sample_id for row in rows]
    summary = asdict(summarise([row.score for row in rows], sources))
    summary["count"] = summary["num_samples"]
    always = ("num_samples", "total", "coverage", "ci95", "clusters")
    statuses = Counter(str(row.status or UNFINISHED) for row in rows)
    chosen = {name: summary[name] for name in (*metrics, *always)}
    return chosen | {"statuses": {name: statuses[name] for name in (*Status, UNFINISHED) if statuses[name]}}


def _by(
    rows: Iterable[SampleResult], metrics: Sequence[str], key: Callable[[SampleResult], str], order: Sequence[str]
) -> dict[str, Any]:
    return {name: _statistics(group, metrics) for name, group in _grouped(rows, key, order).items()}


def _tags(rows: Iterable[SampleResult], metrics: Sequence[str]) -> dict[str, Any]:
    groups: dict[str, list[SampleResult]] = defaultdict(list)
    for row in rows:
        for tag in dict.fromkeys(row.tags):
            groups[tag].append(row)
    ordered = sorted(groups.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    return {tag: _statistics(group, metrics) for tag, group in ordered}


def _summary(categories: dict[str, Any], overall: dict[str, Any]) -> dict[str, Any]:
    means = {name: values.get("mean") for name, values in categories.items()}
    ranked = sorted((mean, name) for name, mean in means.items() if mean is not None)
    worst, best = (ranked[0], ranked[-1]) if ranked else (None, None)
    return {
        "num_categories": len(categories),
        "total_samples": overall["total"],
        "overall_mean": overall.get("mean"),
        "coverage": overall["coverage"],
        "category_means": means,
        "best_category": best and {"name": best[1], "score": best[0]},
        "worst_category": worst and {"name": worst[1], "score": worst[0]},
    }


def _failures(rows: Iterable[SampleResult]) -> list[dict[str, Any]]:
    """Failures of one status and reason together, the most frequent first; every bad sample by itself."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        if row.status is not None and row.status is not Status.SCORED:
            groups[row.status, row.reason or ""].append(row.sample_id)
    ordered = sorted(groups.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    return [
        {"status": status, "reason": reason, "count": len(ids), "sample_ids": ids[:EXAMPLES]}
        for (status, reason), ids in ordered
    ]


def _sample(row: SampleResult) -> dict[str, Any]:
    values = asdict(row)
    return values | {"tags": list(row.tags), "replies": list(row.replies), "status": row.status or UNFINISHED}


def _timings(info: RunInfo, rows: Sequence[SampleResult]) -> dict[str, Any]:
    """Seconds of editing and judging per sample, wall time and counts of work over all attempts."""
    walls = [attempt.seconds for attempt in info.attempts if attempt.seconds is not None]
    last = info.attempts[-1] if info.attempts else None
    return {
        "edit_seconds": _spread([row.edit_seconds for row in rows if row.edit_seconds is not None]),
        "judge_seconds": _spread([row.judge_seconds for row in rows if row.judge_seconds is not None]),
        "wall_seconds": sum(walls) if walls else None,
        "edits_made": last.edits_made if last else 0,
        "edits_reused": last.edits_reused if last else 0,
        "verdicts_made": last.verdicts_made if last else 0,
        "verdicts_reused": last.verdicts_reused if last else 0,
    }


def _spread(seconds: Sequence[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    return {
        "total": sum(seconds),
        "mean": statistics.fmean(seconds),
        "median": statistics.median(seconds),
        "p95": percentile(seconds, 0.95),
    }
