"""The tables of RISEBench and of UniREditBench, which took over its scores: weighted scores, and accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from src.reporting.protocols.tables import (
    PERCENT,
    Metric,
    ProtocolRow,
    ProtocolTable,
    TableRow,
    dimension,
    grouped,
    macro_row,
    mean_row,
    percent,
)

CATEGORIES = ("temporal_reasoning", "causal_reasoning", "spatial_reasoning", "logical_reasoning")
SCORE = "score"
DIMENSIONS = ("reasoning", "consistency", "plausibility")


def rise_tables(rows: Sequence[ProtocolRow], as_published: bool) -> list[ProtocolTable]:
    """Scores and accuracy by category, the three dimensions by category, and scores by subtask.

    As published, a failure counts as wrong in the accuracy, and stays out of the scores.
    """
    metrics = _metrics(failures_are_wrong=as_published)
    categories = [mean_row(name, group, metrics) for name, group in grouped(rows, CATEGORIES).items()]
    overall = mean_row("overall, micro", rows, metrics)
    whole = [overall, macro_row(categories, metrics, len(CATEGORIES), "categories")]
    tables = [
        ProtocolTable("scores and accuracy", metrics, (*categories, *whole), SCORE),
        _by_dimension(rows, CATEGORIES),
    ]
    told = [replace(row, group=str(subtask)) for row in rows if (subtask := row.attributes.get("subtask"))]
    if told:
        subtasks = tuple(mean_row(name, group, metrics) for name, group in grouped(told, ()).items())
        tables.append(ProtocolTable("by subtask", metrics, subtasks, SCORE))
    return tables


def uniredit_tables(rows: Sequence[ProtocolRow], as_published: bool) -> list[ProtocolTable]:
    """Scores and accuracy by class, and the three dimensions; samples without a score are in neither."""
    metrics = _metrics(failures_are_wrong=False)
    classes: list[TableRow] = [mean_row(name, group, metrics) for name, group in grouped(rows, ()).items()]
    whole = [mean_row("overall, micro", rows, metrics), macro_row(classes, metrics, len(classes), "classes")]
    return [ProtocolTable("scores and accuracy", metrics, (*classes, *whole), SCORE), _by_dimension(rows, ())]


def _metrics(*, failures_are_wrong: bool) -> tuple[Metric, ...]:
    score = dimension(SCORE, (1.0, 5.0), "protocol_score")

    def accuracy(row: ProtocolRow) -> float | None:
        if not row.scored:
            return 0.0 if failures_are_wrong and row.failed else None
        return 100.0 * all(row.values[name] == 5 for name in DIMENSIONS if name in row.values)

    return (score, Metric("score %", PERCENT, _as_percent(score.of)), Metric("accuracy %", PERCENT, accuracy))


def _as_percent(of: Callable[[ProtocolRow], float | None]) -> Callable[[ProtocolRow], float | None]:
    def value(row: ProtocolRow) -> float | None:
        score = of(row)
        return None if score is None else percent(score)

    return value


def _by_dimension(rows: Sequence[ProtocolRow], order: Sequence[str]) -> ProtocolTable:
    """The mean of each dimension in per cent, over the samples to which it applies."""
    metrics = tuple(
        Metric(f"{name} %", PERCENT, _as_percent(dimension(name, (1.0, 5.0), name).of)) for name in DIMENSIONS
    )
    groups = [mean_row(name, group, metrics) for name, group in grouped(rows, order).items()]
    return ProtocolTable("dimensions", metrics, (*groups, mean_row("overall, micro", rows, metrics)))
