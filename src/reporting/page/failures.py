"""The table of a run's failures by their reasons, with links to the cards of some samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.counted import counted
from src.reporting.page.model import Cell, Link, Table, Word
from src.reporting.wording import one_line

REASONS, LONGEST_REASON = 200, 500
"""Reasons in the table, and characters of each: no two need be alike of a hundred thousand. The cards have them all."""


def failure_tables(report: Mapping[str, Any]) -> list[Table]:
    """The table, the most frequent reason first; nothing where nothing has failed."""
    rows: list[list[Cell]] = [
        [Word(failure["status"]), _shortened(failure["reason"]), _links(failure), str(failure["count"])]
        for failure in report["failures"][:REASONS]
    ]
    columns = [Word(name) for name in ("status", "reason", "which", "count")]
    more = len(report["failures"]) - len(rows)
    note = f"… and {counted(more, 'more reason')}, all in the JSON file" if more else ""
    return [Table(Word("failures"), columns, rows, note=note, numeric=1)] if rows else []


def _shortened(reason: str) -> str:
    text = one_line(reason)
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"


def _links(failure: Mapping[str, Any]) -> list[Link]:
    links = [Link(one_line(name), card=name) for name in failure["sample_ids"]]
    return links + ([Link("…", card=failure["sample_ids"][0])] if failure["count"] > len(links) else [])
