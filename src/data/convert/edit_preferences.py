"""`EditPreferences`: rows of an input picture, an instruction and two outputs, of which the first is preferred."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from src.data.convert.base import BadRow, Converter, ConverterParams, Keep, image_of, kept, text_of


class EditPreferences(Converter):
    """One row is one preference pair for `train-judge`; the category is its `task_type`.

    `output_images` holds the preferred picture first, so A would always win: which one becomes A follows from the
    row's number, and `winner` says it.
    """

    class Params(ConverterParams):
        """Which rows are taken."""

        dimension: str = "overall"
        """Rows that were judged in another `dimension` are refused: the same two pictures can have another winner."""

    SOURCE: ClassVar[str] = "EditScore's EditReward-Bench (parquet, JSON, or hf://)"
    RESULT: ClassVar[str] = "preference pair"

    def items(self, row: Mapping[str, Any], index: int, keep: Keep) -> Iterator[dict[str, Any]]:
        """Yields the single item of the row."""
        dimension = text_of(row, "dimension")
        if dimension != self.params.dimension:
            raise BadRow(f"field `dimension` is {dimension!r:.40}; --set dimension={dimension:.40} takes such rows")
        outputs = row.get("output_images")
        if not isinstance(outputs, list | tuple) or len(outputs) != 2:
            raise BadRow("field `output_images` is no list of two pictures")
        pictures = [
            kept(keep, image_of(one, "output_images"), f"output_images[{place}]") for place, one in enumerate(outputs)
        ]
        swapped = index % 2 == 1
        first, second = reversed(pictures) if swapped else pictures
        yield {
            "id": f"{text_of(row, 'key')}-{index}",
            "subset": text_of(row, "task_type"),
            "edit_instruction_en": text_of(row, "instruction"),
            "src_img": kept(keep, image_of(row.get("input_image"), "input_image"), "input_image"),
            "a_img": first,
            "b_img": second,
            "winner": "b" if swapped else "a",
        }
