"""`VQAQuestion`: an image, what is asked about it, and the right answer; read from `{prompt, answer, images}` files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from src.data.image import LazyImage
from src.data.image_folder import ImageFolder
from src.data.items import ItemIds, difficulty_field, selected_items, stated_difficulty, text_field
from src.data.names import category_problem, storable
from src.data.sample import BadSample, Unusable
from src.data.selection import Selection
from src.data.sources import RawItem, read_items

IMAGE_MARK = "<image>"
"""The mark of an image in a prompt. Images are shown first wherever the mark stands; each mark must have one."""
DEFAULT_CATEGORY = "vqa"


@dataclass(frozen=True, slots=True)
class VQAQuestion:
    """One question with one right answer."""

    question_id: str
    """The item's `id`, or `question_<index>`; unique within a file."""
    index: int
    category: str
    text: str
    """The question without image marks."""
    answer: str
    images: tuple[LazyImage, ...]
    difficulty: str | None = None


def load_questions(data_path: str, selection: Selection) -> Iterator[VQAQuestion | BadSample]:
    """Streams the selected questions of a file in its order; images stay encoded.

    Items have `prompt`, `answer` and `images` (a list of paths below the file's folder, of `data:` URIs, or
    of `{bytes, path}`), and may have `id`, `category` and `difficulty`. The format is that of EasyR1's multimodal data.

    Args:
        data_path: Any source that `read_items` knows.
        selection: Categories, difficulties and limit; questions have one language.

    Raises:
        DataError: the file cannot be read, or nothing is selected.
    """
    folder = ImageFolder.of(data_path, follow_links=selection.follow_links)
    ids = ItemIds("question")
    questions = ((_item(raw, folder, ids), stated_difficulty(raw.fields)) for raw in read_items(data_path))
    return selected_items(questions, data_path, selection)


def _item(raw: RawItem, folder: ImageFolder, ids: ItemIds) -> VQAQuestion | BadSample:
    try:
        if raw.fields is None:
            raise Unusable(raw.problem or "the item is empty")
        return _question(raw.fields, raw.index, folder, ids)
    except Unusable as error:
        return BadSample(ids.by_index(raw.index), raw.index, None, str(error))


def _question(fields: Mapping[str, Any], index: int, folder: ImageFolder, ids: ItemIds) -> VQAQuestion:
    prompt, answer = _required(fields, "prompt"), _required(fields, "answer")
    values = fields.get("images")
    if not isinstance(values, list) or not values:
        raise Unusable("field `images` is no list of images")
    marks = prompt.count(IMAGE_MARK)
    if marks not in (0, len(values)):
        raise Unusable(f"the prompt has {marks} × {IMAGE_MARK} for {len(values)} images")
    category = storable(str(fields.get("category") or DEFAULT_CATEGORY))
    if problem := category_problem(category):
        raise Unusable(f"field `category` {problem}")
    images, difficulty = tuple(_image(value, folder) for value in values), difficulty_field(fields)
    return VQAQuestion(
        question_id=_id(fields, index, ids),  # the last that may fail: an item that is bad leaves its id to others
        index=index,
        category=category,
        text=prompt.replace(IMAGE_MARK, "").strip(),
        answer=answer,
        images=images,
        difficulty=difficulty,
    )


def _id(fields: Mapping[str, Any], index: int, ids: ItemIds) -> str:
    """The item's `id`, or `question_<index>`.

    Raises:
        Unusable: the id cannot stand in a line of tables and logs, or came before.
    """
    if not fields.get("id"):
        return ids.by_index(index)
    stated = storable(str(fields["id"]))
    if problem := category_problem(stated):
        raise Unusable(f"field `id` {problem}")
    return ids.stated("id", stated, stated, index)


def _required(fields: Mapping[str, Any], name: str) -> str:
    text = text_field(fields, name)
    if not text.replace(IMAGE_MARK, "").strip():
        raise Unusable(f"field `{name}` is absent or blank")
    return text


def _image(value: Any, folder: ImageFolder) -> LazyImage:
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return LazyImage.from_bytes(value)
    if not isinstance(value, str) or not value:
        raise Unusable("an entry of `images` is neither a path nor bytes")
    if value.startswith("data:"):
        return LazyImage(base64_text=value)
    return folder.image(value)
