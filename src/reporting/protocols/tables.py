"""What the tables of all protocols are made of: rows of samples in, means with their coverage out."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from src.data.verdict import Status
from src.record.results import SampleResult
from src.reporting.statistics import Scale, mean_interval

PERCENT: Scale = (0.0, 100.0)


@dataclass(frozen=True, slots=True)
class ProtocolRow:
    """What a table needs of one sample."""

    group: str
    """Its category: the task, the edit type, the folder; empty for an item of which none can be read."""
    status: Status | None
    values: Mapping[str, float]
    """The dimensions that have a value, on the protocol's own scale; a sample without a score may have some."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """The benchmark's own fields of the sample."""
    source: str | None = None
    """Equal for samples that are not independent of each other; None for one that is independent of all."""

    @property
    def scored(self) -> bool:
        """Whether it has a score."""
        return self.status is Status.SCORED

    @property
    def applicable(self) -> bool:
        """False for what cannot be done or judged: it is neither right nor wrong, and counts nowhere."""
        return self.status is not Status.NOT_APPLICABLE

    @property
    def failed(self) -> bool:
        """Whether it was edited or judged, in vain: not so for an item that cannot be run, or was not come to."""
        return self.status not in (None, Status.SCORED, Status.NOT_APPLICABLE, Status.BAD_SAMPLE)


def protocol_row(result: SampleResult) -> ProtocolRow:
    """What a table needs of a result."""
    values = {name: value for name, value in result.dimensions.items() if value is not None}
    return ProtocolRow(result.category or "", result.status, values, result.attributes, result.dependence)


@dataclass(frozen=True)
class Metric:
    """A column of a table: what it takes from a sample, and its scale."""

    name: str
    scale: Scale
    of: Callable[[ProtocolRow], float | None]
    """The sample's value; None where it has none, which leaves the sample out of this metric's means."""


@dataclass(frozen=True)
class TableRow:
    """One line of a table."""

    name: str
    values: Mapping[str, float | None]
    """The value of each metric; absent or None where there is nothing to average."""
    scored: int
    total: int
    """Samples with a score, and all applicable samples of the line: their quotient is the coverage."""
    ci95: Mapping[str, tuple[float, float] | None] = field(default_factory=dict)
    """95 % interval of each metric, robust to shared source pictures; absent or None where there is none."""
    note: str = ""


@dataclass(frozen=True)
class ProtocolTable:
    """A table of a protocol."""

    title: str
    metrics: tuple[Metric, ...]
    rows: tuple[TableRow, ...]
    main: str | None = None
    """The metric that is shown on 0–10 as well; None for the last one."""

    def data(self) -> dict[str, Any]:
        """The table as JSON data, with every value on 0–10 beside the protocol's own scale."""
        return {
            "title": self.title,
            "metrics": [{"name": metric.name, "scale": list(metric.scale)} for metric in self.metrics],
            "main": self.main or self.metrics[-1].name,
            "rows": [
                {
                    "name": row.name,
                    "values": dict(row.values),
                    "of_ten": {
                        metric.name: _of_ten(row.values.get(metric.name), metric.scale) for metric in self.metrics
                    },
                    "ci95": {metric.name: row.ci95.get(metric.name) for metric in self.metrics},
                    "scored": row.scored,
                    "total": row.total,
                    "note": row.note,
                }
                for row in self.rows
            ],
        }


def mean_row(name: str, rows: Sequence[ProtocolRow], metrics: Sequence[Metric]) -> TableRow:
    """The means over samples, each over those that have a value, with their intervals."""
    values: dict[str, float | None] = {}
    intervals: dict[str, tuple[float, float] | None] = {}
    sources = [place if row.source is None else row.source for place, row in enumerate(rows)]
    for metric in metrics:
        pairs = [(value, one) for row, one in zip(rows, sources, strict=True) if (value := metric.of(row)) is not None]
        numbers = [value for value, _ in pairs]
        values[metric.name] = statistics.fmean(numbers) if numbers else None
        intervals[metric.name] = mean_interval(numbers, [one for _, one in pairs], metric.scale) if numbers else None
    total = sum(row.applicable for row in rows)
    return TableRow(name, values, sum(row.scored for row in rows), total, intervals, _outside(rows))


def _outside(rows: Sequence[ProtocolRow]) -> str:
    """Which of the samples are in no count, or in no group."""
    inapplicable, unknown = sum(not row.applicable for row in rows), sum(not row.group for row in rows)
    found = {f"{inapplicable} not applicable": inapplicable, f"{unknown} of no readable category": unknown}
    return ", ".join(text for text, count in found.items() if count)


def macro_row(groups: Sequence[TableRow], metrics: Sequence[Metric], of: int, word: str) -> TableRow:
    """The mean over groups, each counted alike.

    A group that was run and has no scored sample leaves no mean: one over the others would be another quantity. A group
    without an applicable sample was not run, and one of which no scored sample has the metric is not asked for it.

    Args:
        groups: The lines of the groups that were run.
        metrics: The columns of the table.
        of: How many groups the benchmark has.
        word: What a group is called, such as `tasks`.
    """
    run = [row for row in groups if row.total]
    values: dict[str, float | None] = {}
    notes = [] if len(run) == of else [f"over {len(run)} of the benchmark's {of} {word}"]
    lacking: dict[str, None] = {}
    for metric in metrics:
        without = [row for row in run if row.values[metric.name] is None]
        lost = [row.name for row in without if not row.scored]
        lacking |= dict.fromkeys(lost)
        known = [mean for row in run if (mean := row.values[metric.name]) is not None]
        values[metric.name] = statistics.fmean(known) if known and not lost else None
        if known and without and not lost:
            notes.append(f"{metric.name} over {len(known)} of them")
    if lacking:
        notes.append(f"no mean, as there is no score of {', '.join(lacking)}")
    scored, total = (sum(getattr(row, name) for row in run) for name in ("scored", "total"))
    return TableRow(f"overall, macro over {word}", values, scored, total, note="; ".join(notes))


def grouped(rows: Iterable[ProtocolRow], order: Sequence[str]) -> dict[str, list[ProtocolRow]]:
    """The rows by group: the benchmark's groups in its order as far as there are any, then others as they appear.

    An item whose category cannot be read is in no group.
    """
    found: dict[str, list[ProtocolRow]] = {name: [] for name in order}
    for row in rows:
        if row.group:
            found.setdefault(row.group, []).append(row)
    return {name: group for name, group in found.items() if group}


def dimension(name: str, scale: Scale, of: str) -> Metric:
    """A column with a dimension of the scored samples."""
    return Metric(name, scale, lambda row: row.values.get(of) if row.scored else None)


def percent(score: float) -> float:
    """A score of 1–5 as 25 (s − 1) per cent."""
    return 25 * (score - 1)


def _of_ten(value: float | None, scale: Scale) -> float | None:
    low, high = scale
    return None if value is None else 10 * (value - low) / (high - low)
