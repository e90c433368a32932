"""`VQAQuestion`: an image, what is asked about it, and the right answer; read from `{prompt, answer, images}` files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from src.data.image import LazyImage
from src.data.image_folder import ImageFolder, OutsideFolder
from src.data.names import category_problem, storable
from src.data.sample import BadSample
from src.data.selection import Selection
from src.data.sources import RawItem, read_items
from src.errors import DataError

IMAGE_MARK = "<image>"
"""Stands in a prompt where an image goes. Images are shown first whatever its place; each mark must have one."""
DEFAULT_CATEGORY = "vqa"


@dataclass(frozen=True, slots=True)
class VQAQuestion:
    """One question with one right answer."""

    question_id: str
    """The item's `id`, or `question_<index>`; unique within a file."""
    index: int
    category: str
    text: str
    """Without image marks."""
    answer: str
    images: tuple[LazyImage, ...]
    difficulty: str | None = None


class _Unusable(ValueError):
    """Why an item is no question."""


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
    ids: Counter[str] = Counter()
    seen: Counter[tuple[str, str]] = Counter()
    selected = 0
    for raw in read_items(data_path):
        item = _item(raw, folder, ids)
        if isinstance(item, VQAQuestion):
            seen[item.category, item.difficulty or "(none)"] += 1
        if not _is_selected(item, selection):
            continue
        selected += 1
        yield item
        if selected == selection.limit:
            return
    if not selected:
        problems = "".join(f" {problem}" for problem in selection.unknown(seen))
        raise DataError(f"nothing in {data_path} matches {selection.describe()}.{problems}")


def _item(raw: RawItem, folder: ImageFolder, ids: Counter[str]) -> VQAQuestion | BadSample:
    try:
        if raw.fields is None:
            raise _Unusable(raw.problem or "the item is empty")
        question = _question(raw.fields, raw.index, folder)
        ids[question.question_id] += 1
        if ids[question.question_id] > 1:
            raise _Unusable(f"the id {question.question_id!r:.80} is a duplicate")
    except (_Unusable, OutsideFolder) as error:
        return BadSample(f"question_{raw.index:05d}", raw.index, None, str(error))
    return question


def _is_selected(item: VQAQuestion | BadSample, selection: Selection) -> bool:
    """A bad item is shown rather than silently dropped."""
    if isinstance(item, BadSample):
        return True
    return selection.takes_category(item.category) and selection.takes_difficulty(item.difficulty)


def _question(fields: Mapping[str, Any], index: int, folder: ImageFolder) -> VQAQuestion:
    prompt, answer = _text(fields, "prompt"), _text(fields, "answer")
    values = fields.get("images")
    if not isinstance(values, list) or not values:
        raise _Unusable("field `images` is no list of images")
    marks = prompt.count(IMAGE_MARK)
    if marks not in (0, len(values)):
        raise _Unusable(f"the prompt has {marks} × {IMAGE_MARK} for {len(values)} images")
    category = storable(str(fields.get("category") or DEFAULT_CATEGORY))
    if problem := category_problem(category):
        raise _Unusable(f"field `category` {problem}")
    return VQAQuestion(
        question_id=_id(fields, index),
        index=index,
        category=category,
        text=prompt.replace(IMAGE_MARK, "").strip(),
        answer=answer,
        images=tuple(_image(value, folder) for value in values),
        difficulty=storable(str(fields["difficulty"])) if fields.get("difficulty") is not None else None,
    )


def _id(fields: Mapping[str, Any], index: int) -> str:
    """Raises `_Unusable` for one that is no name of a line in tables and logs."""
    stated = storable(str(fields.get("id") or f"question_{index:05d}"))
    if problem := category_problem(stated):
        raise _Unusable(f"field `id` {problem}")
    return stated


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.replace(IMAGE_MARK, "").strip():
        raise _Unusable(f"field `{name}` is absent, blank or no text")
    return storable(value).strip()


def _image(value: Any, folder: ImageFolder) -> LazyImage:
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return LazyImage.from_bytes(value)
    if not isinstance(value, str) or not value:
        raise _Unusable("an entry of `images` is neither a path nor bytes")
    if value.startswith("data:"):
        return LazyImage(base64_text=value)
    return folder.image(value)
