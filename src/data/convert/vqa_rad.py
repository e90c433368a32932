"""`VqaRad`: rows of `image`, `question` and `answer`, as of VQA-RAD and many other question sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from src.data.convert.base import Converter, Keep, image_of, kept, text_of
from src.data.questions import IMAGE_MARK


class VqaRad(Converter):
    """Converts VQA-RAD, of which each row is one question."""

    SOURCE: ClassVar[str] = "flaviagiammarino/vqa-rad (parquet or hf://)"
    RESULT: ClassVar[str] = "question"

    def items(self, row: Mapping[str, Any], index: int, keep: Keep) -> Iterator[dict[str, Any]]:
        """Yields the single item of the row."""
        question, answer = text_of(row, "question"), text_of(row, "answer")
        image = kept(keep, image_of(row.get("image"), "image"), "image")
        yield {"prompt": f"{IMAGE_MARK} {question}", "answer": answer, "images": [image]}
