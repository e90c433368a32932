"""From raw items to `EditSample`s: fields, languages, ids, selection — and a `BadSample` for what cannot be one."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from src.data.image import LazyImage
from src.data.sample import BadSample, EditSample
from src.data.selection import Selection
from src.data.sources import ByteProgress, RawItem, read_items
from src.errors import DataError, did_you_mean

logger = logging.getLogger(__name__)

MAX_ID_BYTES = 150
"""Longer ids do not fit into file names with a suffix on every file system."""
_UNSAFE_ID = re.compile(r"[/\\\x00-\x1f\x7f]|\.\.|^\.")

Language = Literal["en", "zh"]


class _Unusable(ValueError):
    """Why an item is not a sample."""


def load_samples(
    data_path: str, selection: Selection, progress: ByteProgress | None = None
) -> Iterator[EditSample | BadSample]:
    """Streams the selected samples in file order; images stay encoded.

    Ids and seeds do not depend on the selection: every item of the file is named, selected or not.

    Raises:
        DataError: for a file that cannot be read (see `read_items`), or when nothing is selected at all.
    """
    folder = Path(data_path).parent
    ids = _Ids()
    seen: Counter[str] = Counter()
    selected: Counter[str] = Counter()
    for raw in read_items(data_path, progress):
        item = _sample(raw, folder, selection.language, ids)
        category = item.category or "(none)"
        difficulty = raw.fields.get("difficulty") if raw.fields else None
        seen[f"{category} {difficulty}"] += 1
        if not _is_selected(item, difficulty, selection):
            continue
        selected[category] += 1
        yield item
        if selected.total() == selection.limit:
            return
    if not selected:
        raise _nothing_selected(data_path, selection, seen)
    for category in selection.categories or ():
        if not selected[category]:
            logger.warning("no sample of category %s was selected from %s", category, data_path)


def _is_selected(item: EditSample | BadSample, difficulty: object, selection: Selection) -> bool:
    """An item that does not say its category belongs to no other one: it is shown rather than silently dropped."""
    if selection.categories and item.category is not None and item.category not in selection.categories:
        return False
    return not selection.difficulties or difficulty in selection.difficulties


def _nothing_selected(data_path: str, selection: Selection, seen: Counter[str]) -> DataError:
    present = ", ".join(f"{name}: {count}" for name, count in seen.items())
    categories = {name.split(" ")[0] for name in seen}
    hints = "".join(did_you_mean(name, categories) for name in selection.categories or () if name not in categories)
    return DataError(f"nothing in {data_path} matches {selection.describe()}.{hints} The file holds {present}.")


def _sample(raw: RawItem, folder: Path, language: Language, ids: _Ids) -> EditSample | BadSample:
    fields = raw.fields or {}
    fallback_id = ids.free(f"item_{raw.index:05d}")
    sample_id, category = fallback_id, None
    try:
        if raw.problem:
            raise _Unusable(raw.problem)
        category = _text(fields, "subset") or _text(fields, "category")
        sample_id = ids.name(fields, raw.index, fallback_id)
        if not category:
            raise _Unusable("the category (field `subset`) is absent")
        instruction = _translated(fields, "edit_instruction", language)
        if not instruction:
            raise _Unusable("the instruction (fields `edit_instruction`, `edit_instruction_en`) is absent or blank")
        source = _image(fields, "src_img", folder)
        if source is None:
            raise _Unusable("the source image (field `src_img_b64`) is absent")
        return EditSample(
            sample_id=sample_id,
            index=raw.index,
            category=category,
            instruction=instruction,
            description=_translated(fields, "original_description", language),
            source=source,
            difficulty=_text(fields, "difficulty") or None,
            tags=_tags(fields),
            rationale=_translated(fields, "rationale_short", language) or None,
            reference=_image(fields, "reference_img", folder),
        )
    except _Unusable as error:
        return BadSample(sample_id, raw.index, category, str(error))


class _Ids:
    """Gives each item of a file its id, safe as a file name and unique."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._origins: dict[str, int] = {}

    def name(self, fields: Mapping[str, Any], index: int, fallback: str) -> str:
        """The explicit `id`, else the stem of `original_image_path`, else the fallback.

        Raises:
            _Unusable: when the id is unsafe, or the same id or path came before.
        """
        explicit, path = fields.get("id"), _text(fields, "original_image_path")
        if explicit is not None:
            origin = wanted = _storable(str(explicit))
        elif path:
            origin, wanted = path, PurePosixPath(path.replace("\\", "/")).stem
        else:
            return fallback
        parts = origin.replace("\\", "/").split("/")
        if not wanted or _UNSAFE_ID.search(wanted) or ".." in parts or len(wanted.encode()) > MAX_ID_BYTES:
            raise _Unusable(f"the id {origin!r:.80} is not safe as a file name")
        if origin in self._origins:
            raise _Unusable(f"the id {origin!r:.80} is a duplicate of item {self._origins[origin]}")
        self._origins[origin] = index
        return self.free(wanted)

    def free(self, wanted: str) -> str:
        """`wanted`, or the first of `wanted-2`, `wanted-3` … that is not in use."""
        candidate, number = wanted, 1
        while candidate in self._used:
            number += 1
            candidate = f"{wanted}-{number}"
        self._used.add(candidate)
        return candidate


def _text(fields: Mapping[str, Any], name: str) -> str:
    """A text field without outer blanks; empty when absent.

    Raises:
        _Unusable: when it is something else than text.
    """
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _Unusable(f"field `{name}` is {type(value).__name__}, not text")
    return _storable(value).strip()


def _storable(text: str) -> str:
    """JSON may hold halves of surrogate pairs, which neither file names nor the record can."""
    return text.encode(errors="replace").decode()


def _translated(fields: Mapping[str, Any], name: str, language: Language) -> str:
    """The field in the language of the run, or in the other one when only that is there."""
    order = (f"{name}_en", name) if language == "en" else (name, f"{name}_en")
    return _text(fields, order[0]) or _text(fields, order[1])


def _tags(fields: Mapping[str, Any]) -> tuple[str, ...]:
    tags = fields.get("tags")
    if tags is None:
        return ()
    if isinstance(tags, str):
        return (_storable(tags),)
    if isinstance(tags, list | tuple):
        return tuple(_storable(str(tag)) for tag in tags)
    raise _Unusable(f"field `tags` is {type(tags).__name__}, not a list of texts")


def _image(fields: Mapping[str, Any], name: str, folder: Path) -> LazyImage | None:
    """The image of `<name>_b64` (base64 text), or of `<name>` (bytes, a path beside the file, or both in a struct)."""
    value = next((fields[key] for key in (f"{name}_b64", name) if fields.get(key) is not None), None)
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
        if isinstance(value, str):
            return LazyImage(path=folder / value)
    if value is None:
        return None
    if isinstance(value, bytes):
        return LazyImage.from_bytes(value)
    if not isinstance(value, str):
        raise _Unusable(f"the image (field `{name}_b64`) is {type(value).__name__}, not base64 text")
    if fields.get(f"{name}_b64") is None:
        return LazyImage(path=folder / value)
    return LazyImage(base64_text=value)
