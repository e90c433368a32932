"""`ComplexEdit`: the benchmark Complex-Edit, one edit task for each image and level of complexity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pydantic

from src.data.convert.base import BadRow, Converter, ConverterParams, Keep, image_of, kept

LEVELS = 8


class ComplexEdit(Converter):
    """The instruction of level n joins the first n atomic edits of a row (`edit.compound[n - 1]`).

    All levels of an image share one stored file, so that a split by source image keeps them together. The splits of the
    dataset are test splits: what is trained on them must not be measured on them.
    """

    class Params(ConverterParams):
        """The params: which levels of complexity are taken."""

        levels: list[int] = pydantic.Field(list(range(1, LEVELS + 1)), min_length=1)

        @pydantic.field_validator("levels")
        @classmethod
        def _known(cls, levels: list[int]) -> list[int]:
            if wrong := [level for level in levels if not 1 <= level <= LEVELS]:
                raise ValueError(f"level {wrong[0]} is not one of 1 to {LEVELS}")
            return sorted(set(levels))

    SOURCE: ClassVar[str] = "UCSC-VLAA/Complex-Edit (arXiv 2504.13143)"
    RESULT: ClassVar[str] = "edit task"

    def items(self, row: Mapping[str, Any], index: int, keep: Keep) -> Iterator[dict[str, Any]]:
        """Yields one item for each level."""
        edit = row.get("edit")
        compound = edit.get("compound") if isinstance(edit, Mapping) else None
        if not isinstance(compound, list):
            raise BadRow("field `edit.compound` is no list")
        source = kept(keep, image_of(row.get("image"), "image"), "image")
        for level in self.params.levels:
            yield {
                "subset": "complex_edit",
                "edit_instruction_en": _instruction(compound, level),
                "src_img": source,
                "difficulty": str(level),
                "tags": [f"complexity {level}"],
                "id": f"{index:05d}_level_{level}",
            }


def _instruction(compound: list[Any], level: int) -> str:
    step = compound[level - 1] if level <= len(compound) else None
    found = step.get("compound_instruction") if isinstance(step, Mapping) else None
    if not isinstance(found, str) or not found.strip():
        raise BadRow(f"field `edit.compound` has no instruction of level {level}")
    return found.strip()
