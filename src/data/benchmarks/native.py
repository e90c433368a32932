"""`Native`: EditLoop's own format, whose rows are items as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from src.data.benchmarks.layout import BenchmarkFormat


class Native(BenchmarkFormat):
    """See docs/data.md."""

    NAME: ClassVar[str] = "EditLoop's own format"
    HUB_SPLIT: ClassVar[str] = "test"

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """Nothing: the row has it."""
        return {}

    def content(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row itself."""
        return dict(row)
