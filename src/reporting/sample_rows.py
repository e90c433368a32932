"""The samples of a run as they stand in its report: read from the record whenever they are asked for, or in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from src.record.record import Record
from src.reporting.report import build_summary, json_data, sample_row

Row = Mapping[str, Any]
"""One entry of `samples` in a report."""


class SampleRows(Protocol):
    """Rows in the order of the benchmark file."""

    def __iter__(self) -> Iterator[Row]: ...

    def __len__(self) -> int: ...

    @property
    def ids(self) -> list[str]:
        """The ids of the samples, in order."""

    def find(self, sample_id: str) -> Row:
        """The row of a sample that is there."""


class RecordedRows:
    """The samples of a run of a record, of which few are in memory at a time; the record has to stay open.

    Args:
        record: It holds them.
        run_key: Of the run.
    """

    def __init__(self, record: Record, run_key: str) -> None:
        self._record = record
        self._run_key = run_key

    def __iter__(self) -> Iterator[Row]:
        return (json_data(sample_row(result)) for result in self._record.results(self._run_key))

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def ids(self) -> list[str]:
        """The ids of the samples, in order."""
        return self._record.sample_ids(self._run_key)

    def find(self, sample_id: str) -> Row:
        """The row of a sample that is there."""
        result = self._record.result(self._run_key, sample_id)
        assert result is not None, f"{sample_id} is not in the record"
        row: Row = json_data(sample_row(result))
        return row


class ListedRows:
    """Rows that are in memory, such as those of a report that was read from a file."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = list(rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @cached_property
    def ids(self) -> list[str]:
        """The ids of the samples, in order."""
        return [row["sample_id"] for row in self._rows]

    @cached_property
    def _by_id(self) -> dict[str, Row]:
        return {row["sample_id"]: row for row in self._rows}

    def find(self, sample_id: str) -> Row:
        """The row of a sample that is there."""
        return self._by_id[sample_id]


def recorded_report(record: Record, metrics: Sequence[str]) -> dict[str, Any]:
    """The report of the latest run of a record, as `build_report` makes it, with `RecordedRows` for samples."""
    info = record.latest_run()
    summary = build_summary(info, record.results(info.run_key), metrics)
    return summary | {"samples": RecordedRows(record, info.run_key)}


def rows_of(report: Mapping[str, Any]) -> SampleRows:
    """The samples of a report, wherever they are."""
    samples = report["samples"]
    return samples if isinstance(samples, RecordedRows) else ListedRows(samples)
