"""`ComplexEditLevels`: Complex-Edit (UCSC-VLAA/Complex-Edit), of each row one item for each level of complexity."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from src.data.benchmarks.layout import BenchmarkFormat, required_image, required_text
from src.data.sample import Unusable
from src.data.sources import ByteProgress, RawItem, read_items

LEVELS = 8
_ROW, _LEVEL = "row", "level"
_ID = re.compile(r"(?P<row>[0-9]{5,9})_c(?P<level>[1-8])")


def complex_edit_id(row: int, level: int) -> str:
    """The id of a sample: the place of its row in the set, from 0, and the level."""
    return f"{row:05d}_c{level}"


def row_and_level(sample_id: str) -> tuple[int, int] | None:
    """The row and the level of a sample with this id; None where it is none of Complex-Edit's."""
    found = _ID.fullmatch(sample_id)
    return (int(found["row"]), int(found["level"])) if found else None


class ComplexEditLevels(BenchmarkFormat):
    """Rows of `image` and `edit.compound`, whose entry c − 1 has the instruction of level c, 1 to 8.

    The dataset on the hub (split test_real unless `@test_syn` is named), a folder that `datasets` has saved, or parquet
    files. The level is the difficulty: `difficulties: ["8"]` takes one of them. All levels of an image are one cluster.
    """

    NAME: ClassVar[str] = "Complex-Edit"
    HUB_ID: ClassVar[str] = "UCSC-VLAA/Complex-Edit"
    HUB_SPLIT: ClassVar[str] = "test_real"

    def raw_rows(self, progress: ByteProgress, unwanted: Container[int]) -> Iterator[RawItem]:
        """Streams each row once a level."""
        for raw in read_items(self.source, progress, _Rows(unwanted)):
            for level in range(1, LEVELS + 1):
                index = raw.index * LEVELS + level - 1
                passed_over = raw.passed_over or index in unwanted
                fields = {**raw.fields, _ROW: raw.index, _LEVEL: level} if raw.fields is not None else None
                yield replace(raw, index=index, fields=None if passed_over else fields, passed_over=passed_over)

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The id has the row's place and the level."""
        return {"id": complex_edit_id(row[_ROW], row[_LEVEL]), "subset": "complex-edit", "difficulty": str(row[_LEVEL])}

    def content(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The instruction of the row's level; the cluster is the row."""
        edit, level = row.get("edit"), int(row[_LEVEL])
        compound = edit.get("compound") if isinstance(edit, Mapping) else None
        if not isinstance(compound, list | tuple):
            raise Unusable("field `edit.compound` is no list")
        step = compound[level - 1] if level <= len(compound) else None
        if not isinstance(step, Mapping):
            raise Unusable(f"field `edit.compound` has no instruction of level {level}")
        return {
            "edit_instruction_en": required_text(step, "compound_instruction"),
            "src_img": required_image(row, "image"),
            "cluster": f"{row[_ROW]:05d}",
            "attributes": {"level": str(level)},
        }


class _Rows(Container[int]):
    """Rows of which no level is wanted."""

    def __init__(self, items: Container[int]) -> None:
        self._items = items

    def __contains__(self, row: object) -> bool:
        return isinstance(row, int) and all(row * LEVELS + place in self._items for place in range(LEVELS))
