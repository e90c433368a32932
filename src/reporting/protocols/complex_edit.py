"""Complex-Edit's table: means by level of complexity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from src.data.verdict import Status
from src.reporting.protocols.tables import ProtocolRow, ProtocolTable, dimension, grouped, macro_row, mean_row
from src.reporting.statistics import SCORES

LEVELS = tuple(f"level {level}" for level in range(1, 9))
PARTS = ("instruction_following", "identity_preservation", "perceptual_quality")


def complex_edit_tables(rows: Sequence[ProtocolRow], as_published: bool) -> list[ProtocolTable]:
    """One line a level; as published, the overall column holds the quality."""
    overall = dimension("overall", SCORES, PARTS[-1] if as_published else "protocol_score")
    metrics = (*(dimension(name.replace("_", " "), SCORES, name) for name in PARTS), overall)
    by_level = [replace(row, group=_level(row)) for row in rows]
    levels = [mean_row(name, group, metrics) for name, group in grouped(by_level, LEVELS).items()]
    whole = [mean_row("overall, micro", rows, metrics), macro_row(levels, metrics, len(LEVELS), "levels")]
    return [ProtocolTable("levels of complexity", metrics, (*levels, *whole))]


def _level(row: ProtocolRow) -> str:
    if level := row.attributes.get("level"):
        return f"level {level}"
    return "" if row.status is Status.BAD_SAMPLE else "no level"
