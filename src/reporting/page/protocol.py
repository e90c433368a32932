"""The tables of a published protocol on the page of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.reporting.page.model import Cell, Table
from src.reporting.wording import number


def protocol_tables(report: Mapping[str, Any]) -> list[Table]:
    """The tables of the protocol, the first with the sentence on published ones; none for a run by another scorer."""
    told = report.get("protocol")
    if told is None:
        return []
    notes = [told["comparable"]] + [""] * (len(told["tables"]) - 1)
    return [_table(told["name"], table, note) for table, note in zip(told["tables"], notes, strict=True)]


def protocol_statement(report: Mapping[str, Any]) -> dict[str, Any]:
    """All that is stated of the protocol, by the word of its title; nothing for a run by another scorer."""
    told = report.get("protocol")
    if told is None:
        return {}
    kept = ("name", "benchmark", "source", "comparable", "as_published", "stated", "defects", "not_reproduced")
    return {"protocol": {name: told[name] for name in kept}}


def _table(name: str, table: dict[str, Any], note: str) -> Table:
    metrics = [metric["name"] for metric in table["metrics"]]
    rows: list[list[Cell]] = [
        [
            " · ".join(filter(None, (row["name"], row["note"]))),
            *(number(row["values"].get(metric), 2) for metric in metrics),
            f"{row['scored']} / {row['total']}",
        ]
        for row in table["rows"]
    ]
    columns = ["", *metrics, "n"]
    return Table(f"{name} · {table['title']}", columns, rows, note, numeric=1 + len(metrics))
