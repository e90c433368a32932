"""The report as plain data: everything that JSON, Markdown and console show, built from frozen results alone."""

from __future__ import annotations

import math
import statistics
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from src.data.categories import category_key
from src.data.picture_change import NEAR_COPY
from src.data.verdict import SentPrompt, Status, Verdict
from src.record.results import RunInfo, SampleResult
from src.reporting.protocols.section import ProtocolSection
from src.reporting.statistics import percentile, summarise

SCHEMA_VERSION = 1
METRICS = ("mean", "std", "median", "min", "max")
ALWAYS = ("num_samples", "total", "coverage", "ci95", "clusters")
DIFFICULTIES = ("easy", "medium", "hard")
NO_NAME = "(none)"
"""The group of samples that state no category or difficulty, or none that can be read."""
EXAMPLES = 5
LARGEST_AMOUNT = 1e18
"""The largest amount of usage that counts; what a plug-in states beyond it, or as NaN, is left out."""

_VARYING = ("timestamp", "timings", "attempts", "environment", "metadata", "config")

_NOT_PLAIN = ("repeats", "prompts", "expected", "cluster", "attributes", "change")
_AS_IT_IS = (str, int, bool, type(None))
"""What stands in a report as it is; asked for by the million."""
_OF_A_REPEAT = ("status", "score", "dimensions", "reason", "replies", "usage", "seconds", "model")

Statistics = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What figures are made of: of a hundred thousand samples there is room for this, not for all that was said."""

    sample_id: str
    category: str | None
    difficulty: str | None
    tags: tuple[str, ...]
    status: Status | None
    score: float | None
    reason: str | None
    dependence: str | None
    source_size: tuple[int, int] | None
    edit_size: tuple[int, int] | None
    edit_seconds: float | None
    judge_seconds: float | None
    judge_model: str
    change: float | None


Rows = Sequence[_Facts]


def build_report(info: RunInfo, results: Iterable[SampleResult], metrics: Sequence[str] = METRICS) -> dict[str, Any]:
    """Builds the report of a run as JSON data, without a NaN; see `build_summary`."""
    rows = list(results)
    return build_summary(info, rows, metrics) | {"samples": [json_data(sample_row(row)) for row in rows]}


def build_summary(info: RunInfo, results: Iterable[SampleResult], metrics: Sequence[str] = METRICS) -> dict[str, Any]:
    """Builds the report of a run as JSON data, without a NaN, and with an empty list in the place of its samples.

    The keys of the older benchmark (`timestamp`, `category_statistics`, `overall_statistics`, `summary`, `metadata`)
    keep their meaning, except that failures are outside every figure; all other keys are new.

    Args:
        info: What was run.
        results: Every sample of the run; few are kept in memory at a time.
        metrics: Which figures each group gets beside its mean, interval and coverage: `std`, `median`, `min`, `max`,
            `count` (which repeats `num_samples`).
    """
    usage, protocol = _Usage(), ProtocolSection(info.scorer)
    rows = _facts(results, usage, protocol)
    benchmark = info.config["benchmark"]
    categories = _grouped(rows, lambda row: row.category or NO_NAME, first=_as_in_rows(benchmark, rows))
    difficulties = {name: _by_difficulty(group) for name, group in categories.items()}
    by_category = _each(categories, metrics)
    overall = _statistics(rows, metrics)
    report = {
        "schema_version": SCHEMA_VERSION,
        "timestamp": datetime.now().astimezone().isoformat(timespec="seconds"),
        "run_key": info.run_key,
        "summary": _summary(by_category, overall),
        "overall_statistics": overall,
        "category_statistics": by_category,
        "difficulty_statistics": _each(_by_difficulty(rows), metrics),
        "category_by_difficulty": {name: _each(groups, metrics) for name, groups in difficulties.items()},
        "tag_statistics": _each(_by_tag(rows), metrics),
        "statuses": overall["statuses"],
        "unfinished": sum(row.status is None for row in rows),
        "failures": _failures(rows),
        "sizes": _sizes(rows),
        **_near_copies(rows),
        "left_out_by_selection": dict(sorted(info.left_out.items(), key=lambda entry: -entry[1])),
        "samples": [],
        "editor": info.editor,
        "scorer": info.scorer,
        "judge_models": sorted({row.judge_model for row in rows if row.judge_model}),
        "environment": info.environment,
        "attempts": [asdict(attempt) for attempt in info.attempts],
        "timings": _timings(info, rows),
        "usage": usage.sums(),
        **protocol.data(),
        "metadata": {
            "benchmark_config": benchmark,
            "diffusion_model": info.config["diffusion_model"],
            "reward_model": info.config["reward_model"],
            "total_pairs": len(rows),
            "categories": [name for name in categories if name != NO_NAME],
        },
        "config": info.config,
    }
    plain: dict[str, Any] = json_data(report)
    return plain


def _facts(results: Iterable[SampleResult], usage: _Usage, protocol: ProtocolSection) -> list[_Facts]:
    """The facts of each sample; what many have alike is in memory once."""
    known: dict[Any, Any] = {}
    names = [field.name for field in fields(_Facts)]
    rows = []
    for result in results:
        usage.add(result.usage)
        protocol.add(result)
        values = (getattr(result, name) for name in names)
        rows.append(_Facts(*(known.setdefault((type(value), value), value) for value in values)))
    return rows


def sample_row(row: SampleResult) -> dict[str, Any]:
    """One sample as it stands in a report; what stands in `_NOT_PLAIN` only where there is any of it, or never."""
    plain = {name: getattr(row, name) for name in SampleResult.__dataclass_fields__ if name not in _NOT_PLAIN}
    at_times = {"cluster": row.cluster or None, "attributes": row.attributes or None, "change": row.change}
    return plain | {name: said for name, said in at_times.items() if said is not None} | repeats_and_prompts(row)


def repeats_and_prompts(judged: SampleResult | Verdict) -> dict[str, Any]:
    """The repeats and the prompts of a judgement as they stand in a report, where there are any."""
    repeats = [{name: getattr(one, name) for name in _OF_A_REPEAT} for one in judged.repeats or ()]
    prompts = [{name: getattr(one, name) for name in SentPrompt.__dataclass_fields__} for one in judged.prompts]
    nested = {"repeats": repeats, "prompts": prompts}
    return {name: values for name, values in nested.items() if values}


def comparable(report: dict[str, Any]) -> dict[str, Any]:
    """What must be equal of an unbroken run and one that was killed and resumed, wherever they wrote: the results."""
    samples = [_without_times(row) for row in report["samples"]]
    return {key: value for key, value in report.items() if key not in _VARYING} | {"samples": samples}


def _without_times(row: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in row.items() if not key.endswith("seconds")}
    return kept | ({"repeats": list(map(_without_times, row["repeats"]))} if "repeats" in row else {})


def json_data(value: Any) -> Any:
    """Returns a copy with text keys, lists for tuples, and null for what a plug-in gave as NaN or infinity."""
    if type(value) in _AS_IT_IS:
        return value
    if isinstance(value, dict):
        return {str(key): json_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_data(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _grouped(rows: Rows, key: Callable[[_Facts], str], first: Sequence[str]) -> dict[str, list[_Facts]]:
    """Groups with these names first, even if empty, then the others in order of appearance."""
    groups: dict[str, list[_Facts]] = {name: [] for name in first}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _as_in_rows(benchmark: dict[str, Any], rows: Rows) -> list[str]:
    """The categories that the run names, each called as the data calls it where there is any data of it."""
    named = dict.fromkeys(row.category for row in rows if row.category)
    found = [
        [name for name in named if category_key(name) == category_key(wanted)] or [wanted]
        for wanted in benchmark.get("categories") or ()
    ]
    return [name for names in found for name in names]


def _by_difficulty(rows: Rows) -> dict[str, list[_Facts]]:
    groups = _grouped(rows, lambda row: row.difficulty or NO_NAME, first=DIFFICULTIES)
    return {name: group for name, group in groups.items() if group}


def _by_tag(rows: Rows) -> dict[str, list[_Facts]]:
    """Samples under each of their tags, the most frequent tag first."""
    groups: dict[str, list[_Facts]] = defaultdict(list)
    for row in rows:
        for tag in set(row.tags):
            groups[tag].append(row)
    return dict(sorted(groups.items(), key=lambda entry: (-len(entry[1]), entry[0])))


def _each(groups: dict[str, list[_Facts]], metrics: Sequence[str]) -> dict[str, Statistics]:
    return {name: _statistics(rows, metrics) for name, rows in groups.items()}


def _statistics(rows: Rows, metrics: Sequence[str]) -> Statistics:
    scores = [row.score if row.status is Status.SCORED else None for row in rows]
    figures = asdict(summarise(scores, [row.dependence for row in rows]))
    figures["count"] = figures["num_samples"]
    counts = Counter(row.status for row in rows)
    statuses = {status.value: counts[status] for status in Status if counts[status]}
    return {name: figures[name] for name in ("mean", *metrics, *ALWAYS)} | {"statuses": statuses}


def _summary(categories: dict[str, Statistics], overall: Statistics) -> dict[str, Any]:
    means = {name: values["mean"] for name, values in categories.items()}
    scored = [{"name": name, "score": mean} for name, mean in means.items() if mean is not None]
    return {
        "num_categories": sum(name != NO_NAME for name in categories),
        "total_samples": overall["total"],
        "overall_mean": overall["mean"],
        "coverage": overall["coverage"],
        "category_means": means,
        "best_category": max(scored, key=lambda entry: entry["score"], default=None),
        "worst_category": min(scored, key=lambda entry: entry["score"], default=None),
    }


def _failures(rows: Rows) -> list[dict[str, Any]]:
    """Failures of one status and reason together, the most frequent first, each with some of its samples."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        if row.status not in (None, Status.SCORED):
            groups[row.status.value, row.reason or ""].append(row.sample_id)
    return [
        {"status": status, "reason": reason, "count": len(ids), "sample_ids": ids[:EXAMPLES]}
        for (status, reason), ids in sorted(groups.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    ]


def _near_copies(rows: Rows) -> dict[str, Any]:
    """Edits that hardly differ from their source although a change was asked for; nothing where none was measured."""
    measured = [row for row in rows if row.change is not None]
    if not measured:
        return {}
    copies = [row.sample_id for row in measured if row.change is not None and row.change <= NEAR_COPY]
    told = {"threshold": NEAR_COPY, "measured": len(measured), "count": len(copies), "sample_ids": copies}
    return {"near_copies": told}


def _sizes(rows: Rows) -> list[dict[str, Any]]:
    """Which sizes of sources became which sizes of edits, the most frequent first; pictures of text alone have no
    source.
    """
    counts = Counter((row.source_size, row.edit_size) for row in rows if row.edit_size)
    return [{"source": source, "edit": edit, "count": count} for (source, edit), count in counts.most_common()]


class _Usage:
    """What the judge said it used (calls, tokens, cost …), summed over the verdicts that say so, and their number."""

    def __init__(self) -> None:
        self._amounts: dict[str, array[float]] = defaultdict(lambda: array("d"))

    def add(self, usage: Mapping[str, Any]) -> None:
        """Adds that of one sample."""
        for name, amount in usage.items():
            if isinstance(amount, int | float) and not isinstance(amount, bool) and abs(amount) < LARGEST_AMOUNT:
                self._amounts[name].append(amount)

    def sums(self) -> dict[str, dict[str, float]]:
        """Returns the sums, exact up to the last rounding."""
        return {name: {"total": math.fsum(values), "verdicts": len(values)} for name, values in self._amounts.items()}


def _timings(info: RunInfo, rows: Rows) -> dict[str, Any]:
    """Seconds of work a sample, wall time of all attempts that ended, work made by all and reused by the last one.

    A reused edit or verdict counts with the seconds that it took when it was made.
    """
    walls = [attempt.seconds for attempt in info.attempts if attempt.seconds is not None]
    last = info.attempts[-1] if info.attempts else None
    return {
        "edit_seconds": _spread([row.edit_seconds for row in rows if row.edit_seconds is not None]),
        "judge_seconds": _spread([row.judge_seconds for row in rows if row.judge_seconds is not None]),
        "wall_seconds": sum(walls) if walls else None,
        "edits_made": sum(attempt.edits_made for attempt in info.attempts),
        "edits_reused": last.edits_reused if last else 0,
        "verdicts_made": sum(attempt.verdicts_made for attempt in info.attempts),
        "verdicts_reused": last.verdicts_reused if last else 0,
    }


def _spread(seconds: Sequence[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    return {
        "total": math.fsum(seconds),
        "mean": statistics.fmean(seconds),
        "median": statistics.median(seconds),
        "p95": percentile(seconds, 0.95),
    }
