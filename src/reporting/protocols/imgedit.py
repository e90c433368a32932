"""ImgEdit-Bench's tables: means by edit type; the overall score, which the benchmark does not define, in both ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from src.reporting.protocols.tables import ProtocolRow, ProtocolTable, TableRow, dimension, grouped, macro_row, mean_row

TYPES = ("add", "adjust", "extract", "replace", "remove", "background", "style", "compose", "action")
METRICS = (dimension("score", (1.0, 5.0), "protocol_score"),)


def imgedit_tables(rows: Sequence[ProtocolRow], as_published: bool) -> list[ProtocolTable]:
    """One line for each edit type, as published rounded to two decimals; then macro and micro."""
    types = [mean_row(name, group, METRICS) for name, group in grouped(rows, TYPES).items()]
    if as_published:
        types = [_rounded(row) for row in types]
    whole = [macro_row(types, METRICS, len(TYPES), "edit types"), mean_row("overall, micro", rows, METRICS)]
    return [ProtocolTable("basic suite", METRICS, (*types, *whole))]


def imgedit_uge_tables(rows: Sequence[ProtocolRow], as_published: bool) -> list[ProtocolTable]:
    """The mean over all samples, as published rounded to two decimals."""
    whole = mean_row("overall", rows, METRICS)
    return [ProtocolTable("understanding, grounding, editing", METRICS, (_rounded(whole) if as_published else whole,))]


def _rounded(row: TableRow) -> TableRow:
    return replace(row, values={name: None if mean is None else round(mean, 2) for name, mean in row.values.items()})
