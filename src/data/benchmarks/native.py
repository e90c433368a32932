"""`Native`: EditLoop's own format, whose rows are items as they stand."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any, ClassVar

from src.data.benchmarks.layout import BenchmarkFormat
from src.data.sources import ByteProgress, RawItem


class Native(BenchmarkFormat):
    """See docs/data.md."""

    NAME: ClassVar[str] = "EditLoop's own format"
    HUB_SPLIT: ClassVar[str] = "test"

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """Nothing: see `content`."""
        return {}

    def content(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row itself."""
        return dict(row)

    def rows(self, progress: ByteProgress, unwanted: Container[int]) -> Iterator[RawItem]:
        """Streams the rows as they stand in the files."""
        return self.raw_rows(progress, unwanted)
