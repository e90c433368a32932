"""`Conversations`: questions as Qwen's fine-tuning scripts store them, a user's turn and the answer to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from src.data.convert.base import BadRow, Converter, ConverterParams, Keep, kept
from src.data.image import LazyImage
from src.data.image_folder import ImageFolder, OutsideFolder
from src.data.questions import IMAGE_MARK


class Conversations(Converter):
    """Rows of `conversations: [{role, content: [{type: image, image: PATH}, {type: text, text: …}]}, …]`.

    The first two turns count; labels (`Question:`, `Answer:`) before their texts are dropped.
    """

    class Params(ConverterParams):
        """The params: the folder of the images."""

        image_dir: Path
        """Image paths lead from here, and may not lead out."""
        follow_links: bool = False
        """Read images behind links that do."""

    SOURCE: ClassVar[str] = "Qwen-VL fine-tuning JSONL"
    RESULT: ClassVar[str] = "question"

    def items(self, row: Mapping[str, Any], index: int, keep: Keep) -> Iterator[dict[str, Any]]:
        """Yields the single item of the row."""
        turns = row.get("conversations")
        if not isinstance(turns, list) or len(turns) < 2:
            raise BadRow("field `conversations` does not hold a question and an answer")
        asked, told = (_parts(turn) for turn in turns[:2])
        paths = [str(part.get("image")) for part in asked if part.get("type") == "image"]
        if not paths:
            raise BadRow("the question has no image")
        question, answer = _text(asked, "Question:"), _text(told, "Answer:")
        images = [kept(keep, self._image(path), "image") for path in paths]
        yield {"prompt": " ".join([*[IMAGE_MARK] * len(images), question]), "answer": answer, "images": images}

    def _image(self, path: str) -> LazyImage:
        folder = self.params.image_dir.absolute()
        stated = Path(path)
        try:
            return ImageFolder(folder, self.params.follow_links).image(
                stated.relative_to(folder).as_posix() if stated.is_relative_to(folder) else path
            )
        except OutsideFolder as error:
            raise BadRow(str(error)) from error


def _parts(turn: Any) -> list[Mapping[str, Any]]:
    content = turn.get("content") if isinstance(turn, Mapping) else None
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list) or not all(isinstance(part, Mapping) for part in content):
        raise BadRow("a turn of `conversations` has no content")
    return content


def _text(parts: list[Mapping[str, Any]], label: str) -> str:
    found = " ".join(str(part.get("text") or "") for part in parts if part.get("type") == "text").strip()
    found = found.removeprefix(label).strip()
    if not found:
        raise BadRow(f"there is no text of the {label.rstrip(':').lower()}")
    return found
