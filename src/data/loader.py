"""From raw items to `EditSample`s: fields, languages, ids, selection — and a `BadSample` for what cannot be one."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

from src.data.image import LazyImage
from src.data.image_folder import ImageFolder, OutsideFolder
from src.data.knowledge_graph import KnowledgeGraph, read_knowledge_graph
from src.data.names import CONTROL, MAX_NAME_BYTES, category_problem, storable
from src.data.sample import MAX_INSTRUCTION, BadSample, EditSample
from src.data.selection import Selection
from src.data.sources import ByteProgress, RawItem, read_items
from src.errors import DataError

logger = logging.getLogger(__name__)

LARGEST_DIFFICULTY = 10**9
_UNSAFE_ID = re.compile(rf"[/\\{CONTROL}]|\.\.|^\.|^\s*$")

Language = Literal["en", "zh"]


class _Unusable(ValueError):
    """Why an item is not a sample."""


def load_samples(
    data_path: str,
    selection: Selection,
    progress: ByteProgress | None = None,
    left_out: Counter[str] | None = None,
) -> Iterator[EditSample | BadSample]:
    """Streams the selected samples in file order; images stay encoded.

    Ids and seeds do not depend on the selection: every item of the file is named, selected or not.

    Args:
        data_path: See `read_items`.
        selection: Which of its samples.
        progress: Updated while reading.
        left_out: Counts the items that the selection passes over, by category.

    Raises:
        DataError: for a file that cannot be read (see `read_items`), or when nothing is selected at all.
    """
    folder = ImageFolder.of(data_path, follow_links=selection.follow_links)
    ids = _Ids()
    seen: Counter[tuple[str, str]] = Counter()
    selected: Counter[str] = Counter()
    for raw in read_items(data_path, progress):
        item = _sample(raw, folder, selection.language, ids)
        category = item.category or "(none)"
        difficulty = _stated_difficulty(raw.fields or {})
        seen[category, difficulty or "(none)"] += 1
        if not _is_selected(item, difficulty, selection):
            if left_out is not None:
                left_out[category] += 1
            continue
        selected[category] += 1
        yield item
        if selected.total() == selection.limit:
            return
    if not selected:
        raise _nothing_selected(data_path, selection, seen)
    for problem in selection.unknown(seen):
        logger.warning("%s: %s", data_path, problem)


def _stated_difficulty(fields: Mapping[str, Any]) -> str | None:
    """The difficulty that a filter sees; None where the item states none that can be used."""
    try:
        return _difficulty(fields)
    except _Unusable:
        return None


def _is_selected(item: EditSample | BadSample, difficulty: str | None, selection: Selection) -> bool:
    """A bad item that does not say its category or difficulty is shown rather than silently dropped."""
    if item.category is not None and not selection.takes_category(item.category):
        return False
    return selection.takes_difficulty(difficulty) or (isinstance(item, BadSample) and difficulty is None)


def _nothing_selected(data_path: str, selection: Selection, seen: Counter[tuple[str, str]]) -> DataError:
    present = ", ".join(f"{category} {difficulty}: {count}" for (category, difficulty), count in seen.items())
    problems = "".join(f" {problem}" for problem in selection.unknown(seen))
    return DataError(f"nothing in {data_path} matches {selection.describe()}.{problems} The file holds {present}.")


def _sample(raw: RawItem, folder: ImageFolder, language: Language, ids: _Ids) -> EditSample | BadSample:
    fields = raw.fields or {}
    sample_id = category = None
    try:
        if raw.problem:
            raise _Unusable(raw.problem)
        stated = _text(fields, "subset") or _text(fields, "category")
        problem = category_problem(stated)
        category = None if problem else stated
        sample_id = ids.name(fields, raw.index)
        if category is None:
            raise _Unusable(f"the category (field `subset`) {problem}")
        instruction = _translated(fields, "edit_instruction", language)
        if not instruction:
            raise _Unusable("the instruction (fields `edit_instruction`, `edit_instruction_en`) is absent or blank")
        if len(instruction) > MAX_INSTRUCTION:
            raise _Unusable(
                f"the instruction has {len(instruction):,} characters, above the limit of {MAX_INSTRUCTION:,}"
            )
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
            difficulty=_difficulty(fields),
            tags=_tags(fields),
            rationale=_translated(fields, "rationale_short", language) or None,
            reference=_image(fields, "reference_img", folder),
            preliminary=_image(fields, "preliminary_img", folder),
            graph=_graph(fields),
            family=_family(fields),
            seed=_seed(fields),
        )
    except (_Unusable, OutsideFolder) as error:
        return BadSample(sample_id or ids.free(f"item_{raw.index:05d}"), raw.index, category, str(error))


class _Ids:
    """Gives each item of a file its id, safe as a file name and unique."""

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}
        self._origins: dict[tuple[bool, str], int] = {}

    def name(self, fields: Mapping[str, Any], index: int) -> str:
        """The explicit `id`, else the stem of `original_image_path`, else `item_<index>`.

        Raises:
            _Unusable: when the id is unsafe, or the same id or path came before.
        """
        explicit, path = fields.get("id"), _text(fields, "original_image_path")
        if explicit is not None:
            origin = wanted = storable(str(explicit))
        elif path:
            origin, wanted = path, PurePosixPath(path.replace("\\", "/")).stem
        else:
            return self.free(f"item_{index:05d}")
        parts = origin.replace("\\", "/").split("/")
        if not wanted or _UNSAFE_ID.search(wanted) or ".." in parts or len(wanted.encode()) > MAX_NAME_BYTES:
            raise _Unusable(f"the id {origin!r:.80} is not safe as a file name")
        key = (explicit is None, origin)
        if key in self._origins:
            raise _Unusable(f"the id {origin!r:.80} is a duplicate of item {self._origins[key]}")
        self._origins[key] = index
        return self.free(wanted)

    def free(self, wanted: str) -> str:
        """`wanted`, or the first of `wanted-2`, `wanted-3` … that is not in use."""
        candidate = wanted
        while candidate in self._uses:
            self._uses[wanted] += 1
            candidate = f"{wanted}-{self._uses[wanted]}"
        self._uses[candidate] = 1
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
    return storable(value).strip()


def _difficulty(fields: Mapping[str, Any]) -> str | None:
    """Text as it stands, and a number as text: 3 and 3.0 are both `3`.

    Raises:
        _Unusable: when it is neither.
    """
    value = fields.get("difficulty")
    if not isinstance(value, int | float) or isinstance(value, bool):
        return _text(fields, "difficulty") or None
    if value != value:  # NaN is how tables of numbers leave a cell empty
        return None
    if abs(value) > LARGEST_DIFFICULTY:
        raise _Unusable(f"field `difficulty` is a number above {LARGEST_DIFFICULTY}")
    return repr(value).removesuffix(".0")


def _translated(fields: Mapping[str, Any], name: str, language: Language) -> str:
    """The field in the language of the run, or in the other one when only that is there; blank is there."""
    wanted, other = (f"{name}_en", name) if language == "en" else (name, f"{name}_en")
    return _text(fields, other if fields.get(wanted) is None else wanted)


def _tags(fields: Mapping[str, Any]) -> tuple[str, ...]:
    tags = fields.get("tags")
    if tags is None:
        return ()
    if isinstance(tags, str):
        return (storable(tags),)
    if isinstance(tags, list | tuple):
        return tuple(storable(str(tag)) for tag in tags)
    raise _Unusable(f"field `tags` is {type(tags).__name__}, not a list of texts")


def _graph(fields: Mapping[str, Any]) -> KnowledgeGraph | None:
    if fields.get("knowledge_graph") is None:
        return None
    try:
        return read_knowledge_graph(fields["knowledge_graph"])
    except ValueError as error:
        raise _Unusable(f"field `knowledge_graph` {error}") from error


def _family(fields: Mapping[str, Any]) -> str | None:
    """Other benchmarks may mean something else by the key."""
    value = fields.get("family")
    return storable(value) if isinstance(value, str) else None


def _seed(fields: Mapping[str, Any]) -> int | None:
    value = fields.get("seed")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _image(fields: Mapping[str, Any], name: str, folder: ImageFolder) -> LazyImage | None:
    """The image of `<name>_b64` (base64 text), or of `<name>` (bytes, a path beside the file, or both in a struct)."""
    value = next((fields[key] for key in (f"{name}_b64", name) if fields.get(key) is not None), None)
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
        if isinstance(value, str):
            return folder.image(value)
    if value is None:
        return None
    if isinstance(value, bytes):
        return LazyImage.from_bytes(value)
    if not isinstance(value, str):
        raise _Unusable(f"the image (field `{name}_b64`) is {type(value).__name__}, not base64 text")
    if fields.get(f"{name}_b64") is None:
        return folder.image(value)
    return LazyImage(base64_text=value)
