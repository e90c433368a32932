"""Turns raw items into `EditSample`s (fields, languages, ids, selection), or a `BadSample` for what cannot be one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Literal, TypeVar

from src.data.benchmarks.formats import opened
from src.data.image import LazyImage
from src.data.image_folder import ImageFolder
from src.data.items import (
    ItemIds,
    difficulty_field,
    is_safe_file_name,
    selected_items,
    stated_difficulty,
    text_field,
)
from src.data.knowledge_graph import KnowledgeGraph, read_knowledge_graph
from src.data.names import category_problem, storable
from src.data.sample import MAX_INSTRUCTION, BadSample, EditSample, PassedOver, Unusable
from src.data.selected_content import SelectedContent
from src.data.selection import Selection
from src.data.sources import ByteProgress, RawItem
from src.shard import Shard

Language = Literal["en", "zh"]
_PROMPT = "prompt"
ValueT = TypeVar("ValueT")


def load_samples(
    data_path: str,
    selection: Selection,
    progress: ByteProgress | None = None,
    left_out: Counter[str] | None = None,
    content: SelectedContent | None = None,
) -> Iterator[EditSample | BadSample]:
    """Streams the selected samples in file order; images stay encoded.

    Ids and seeds do not depend on the selection: every item of the file is named, selected or not.

    Args:
        data_path: What the selection's format reads; see `BenchmarkFormat`.
        selection: Which of its samples, and in which format they are stored.
        progress: Updated while reading.
        left_out: Counts the items that the selection passes over, by category.
        content: Gets every item that is selected, those of other shards included.

    Raises:
        DataError: for files that cannot be read (see `BenchmarkFormat`), or when nothing is selected at all.
    """
    benchmark = opened(data_path, selection)
    ids = ItemIds("item")
    samples = (
        (_sample(raw, benchmark.images, selection.language, ids), stated_difficulty(raw.fields))
        for raw in benchmark.rows(progress or ByteProgress(), ())
    )
    selected = selected_items(samples, data_path, selection, left_out)
    return selected if selection.shard is None else _of_shard(selected, selection.shard, content)


def _of_shard(
    selected: Iterable[EditSample | BadSample], shard: Shard, content: SelectedContent | None
) -> Iterator[EditSample | BadSample]:
    for item in selected:
        if content is not None:
            content.add(item)
        if shard.takes(item.sample_id):
            yield item


def load_others(
    data_path: str, selection: Selection, known: Mapping[int, str], progress: ByteProgress | None = None
) -> Iterator[EditSample | BadSample | PassedOver]:
    """Streams the selected samples but those at known places, which are not read.

    What it yields is what `load_samples` would, as long as the known places hold what they are said to hold. A sample
    whose id depends on another one's is passed over as well.

    Args:
        data_path: What the selection's format reads.
        selection: Which of its samples; it takes all that are known.
        known: The ids of the samples to pass over, by their places in the file.
        progress: Updated while reading.

    Raises:
        DataError: as `load_samples`.
    """
    benchmark = opened(data_path, selection)
    ids = ItemIds("item")
    renamed: set[int] = set()

    def samples() -> Iterator[tuple[EditSample | BadSample | PassedOver, str | None]]:
        for raw in benchmark.rows(progress or ByteProgress(), known):
            if raw.passed_over:
                ids.taken(known[raw.index])
                yield PassedOver(raw.index), None
                continue
            before = ids.renamed
            sample = _sample(raw, benchmark.images, selection.language, ids)
            if ids.renamed > before:
                renamed.add(raw.index)
            yield sample, stated_difficulty(raw.fields)

    selected: Iterator[EditSample | BadSample | PassedOver] = selected_items(samples(), data_path, selection)
    for sample in selected:
        if isinstance(sample, PassedOver) or sample.index in renamed:
            yield PassedOver(sample.index)
        elif selection.shard is None or selection.shard.takes(sample.sample_id):
            yield sample


def _sample(raw: RawItem, folder: ImageFolder, language: Language, ids: ItemIds) -> EditSample | BadSample:
    fields = raw.fields or {}
    sample_id = category = None
    try:
        stated = text_field(fields, "subset") or text_field(fields, "category")
        problem = category_problem(stated)
        category = None if problem else stated
        sample_id = _id(fields, raw.index, ids)
        if raw.problem:
            raise Unusable(raw.problem)
        if category is None:
            raise Unusable(f"the category (field `subset`) {problem}")
        text = _text_name(fields)
        instruction = translated_field(fields, text, language)
        if not instruction:
            raise Unusable(f"the instruction (fields `{text}`, `{text}_en`) is absent or blank")
        if len(instruction) > MAX_INSTRUCTION:
            raise Unusable(
                f"the instruction has {len(instruction):,} characters, above the limit of {MAX_INSTRUCTION:,}"
            )
        source = image_field(fields, "src_img", folder)
        if source is None and text != _PROMPT:
            raise Unusable("the source image (field `src_img_b64`) is absent")
        return EditSample(
            sample_id=sample_id,
            index=raw.index,
            category=category,
            instruction=instruction,
            description=translated_field(fields, "original_description", language),
            source=source,
            difficulty=difficulty_field(fields),
            tags=_tags(fields),
            rationale=translated_field(fields, "rationale_short", language) or None,
            reference=image_field(fields, "reference_img", folder),
            preliminary=image_field(fields, "preliminary_img", folder),
            graph=_graph(fields),
            family=_family(fields),
            seed=_seed(fields),
            other_instruction=_other_instruction(fields, language),
            further_sources=_further_sources(fields, folder),
            cluster=_cluster(fields),
            attributes=_attributes(fields),
            instruction_language=raw.language,
            turns=_turns(fields),
        )
    except Unusable as error:
        return BadSample(
            sample_id or ids.by_index(raw.index),
            raw.index,
            category,
            str(error),
            difficulty=stated_difficulty(fields),
            tags=_readable(lambda: _tags(fields), ()),
            instruction=_readable(lambda: translated_field(fields, _text_name(fields), language), "")[:MAX_INSTRUCTION],
            description=_readable(lambda: translated_field(fields, "original_description", language), ""),
            instruction_language=raw.language,
        )


def _text_name(fields: Mapping[str, Any]) -> str:
    """The name of the text: an instruction, or else a prompt, of which a picture is to be made without a source.

    An item with a source has an instruction: what else calls a text a prompt says something else by it.
    """
    has_prompt = any(fields.get(name) is not None for name in (_PROMPT, f"{_PROMPT}_en"))
    taken = ("edit_instruction", "edit_instruction_en", "src_img", "src_img_b64", "further_src_imgs")
    return _PROMPT if has_prompt and all(fields.get(name) is None for name in taken) else "edit_instruction"


def _readable(read: Callable[[], ValueT], otherwise: ValueT) -> ValueT:
    """A field of an item that is unusable for another field, perhaps, or for this one."""
    try:
        return read()
    except Unusable:
        return otherwise


def _id(fields: Mapping[str, Any], index: int, ids: ItemIds) -> str:
    """The explicit `id`, else the stem of `original_image_path`, else `item_<index>`.

    Raises:
        Unusable: the id is no safe name of a file, or the same id or path came before.
    """
    explicit, path = fields.get("id"), text_field(fields, "original_image_path")
    if explicit is not None:
        field, origin = "id", storable(str(explicit))
        wanted = origin
    elif path:
        field, origin = "original_image_path", path
        wanted = PurePosixPath(path.replace("\\", "/")).stem
    else:
        return ids.by_index(index)
    if not is_safe_file_name(wanted) or ".." in origin.replace("\\", "/").split("/"):
        raise Unusable(f"the id {origin!r:.80} is not safe as a file name")
    return ids.stated(field, origin, wanted, index)


def translated_field(fields: Mapping[str, Any], name: str, language: Language) -> str:
    """The field in the language of the run, or in the other one when only that is there; blank is there."""
    wanted, other = (f"{name}_en", name) if language == "en" else (name, f"{name}_en")
    return text_field(fields, other if fields.get(wanted) is None else wanted)


def _other_instruction(fields: Mapping[str, Any], language: Language) -> str | None:
    """The instruction in the other language, if both are stated; what is no text there does not concern the run."""
    name = _text_name(fields)
    chinese, english = fields.get(name), fields.get(f"{name}_en")
    other = chinese if language == "en" else english
    if chinese is None or english is None or not isinstance(other, str):
        return None
    return storable(other).strip()[:MAX_INSTRUCTION] or None


def _tags(fields: Mapping[str, Any]) -> tuple[str, ...]:
    tags = fields.get("tags")
    if tags is None:
        return ()
    if isinstance(tags, str):
        return (storable(tags),)
    if isinstance(tags, list | tuple):
        return tuple(storable(str(tag)) for tag in tags)
    raise Unusable(f"field `tags` is {type(tags).__name__}, not a list of texts")


def _graph(fields: Mapping[str, Any]) -> KnowledgeGraph | None:
    if fields.get("knowledge_graph") is None:
        return None
    try:
        return read_knowledge_graph(fields["knowledge_graph"])
    except ValueError as error:
        raise Unusable(f"field `knowledge_graph` {error}") from error


def _family(fields: Mapping[str, Any]) -> str | None:
    """Other benchmarks may mean something else by the key."""
    value = fields.get("family")
    return storable(value) if isinstance(value, str) else None


def _seed(fields: Mapping[str, Any]) -> int | None:
    value = fields.get("seed")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _further_sources(fields: Mapping[str, Any], folder: ImageFolder) -> tuple[LazyImage, ...]:
    value = fields.get("further_src_imgs")
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise Unusable(f"field `further_src_imgs` is {type(value).__name__}, not a list of images")
    images = [image_field({"further_src_imgs": one}, "further_src_imgs", folder) for one in value]
    if any(image is None for image in images):
        raise Unusable("field `further_src_imgs` has an empty place")
    return tuple(image for image in images if image is not None)


def _turns(fields: Mapping[str, Any]) -> tuple[str, ...]:
    value = fields.get("edit_turns")
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or len(value) < 2 or not all(isinstance(one, str) for one in value):
        raise Unusable("field `edit_turns` is no list of two or more texts")
    return tuple(storable(turn).strip() for turn in value)


def _cluster(fields: Mapping[str, Any]) -> str | None:
    """Other benchmarks may mean something else by the key."""
    value = fields.get("cluster")
    return storable(value).strip() or None if isinstance(value, str) else None


def _attributes(fields: Mapping[str, Any]) -> dict[str, str | tuple[str, ...]]:
    """Texts and lists of texts; other benchmarks may mean something else by the key."""
    value = fields.get("attributes")
    found: dict[str, str | tuple[str, ...]] = {}
    for name, said in value.items() if isinstance(value, Mapping) else ():
        if isinstance(said, str) and said.strip():
            found[storable(str(name))] = storable(said).strip()
        elif isinstance(said, list | tuple) and said and all(isinstance(one, str) for one in said):
            found[storable(str(name))] = tuple(map(storable, said))
    return found


def image_field(fields: Mapping[str, Any], name: str, folder: ImageFolder) -> LazyImage | None:
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
        raise Unusable(f"the image (field `{name}_b64`) is {type(value).__name__}, not base64 text")
    if fields.get(f"{name}_b64") is None:
        return folder.image(value)
    return LazyImage(base64_text=value)
