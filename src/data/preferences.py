"""Preference pairs: two edits of one source by one instruction, and which of them is the better one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from src.data.image import LazyImage
from src.data.image_folder import ImageFolder
from src.data.items import ItemIds, text_field
from src.data.loader import image_field, translated_field
from src.data.names import storable
from src.data.sample import MAX_INSTRUCTION, BadSample, Unusable
from src.data.sources import RawItem, read_items
from src.data.winners import WINNERS


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """Two edits and the better one. Images stay encoded."""

    pair_id: str
    """Unique within a file."""
    index: int
    """Position of the item in its file, from 0."""
    instruction: str
    source: LazyImage
    edits: tuple[LazyImage, LazyImage]
    """Edit A, then edit B."""
    winner: str
    """`a`, `b`, `tie` or `both_bad`."""
    category: str | None = None
    rationale: str | None = None
    margin: float = 0.0
    """By how much the winner is better, on any scale that is the same within a file; 0 where that is not stated."""
    group: str | None = None
    """Names the pairs that together put several edits into one order; None for a pair of its own."""
    group_size: int | None = None
    """How many edits the group puts into one order, where the file states it; some of its pairs may be unusable."""
    dimension: str | None = None
    """By what the edits were compared, such as their consistency; None for how good they are as a whole."""
    stated_id: str = ""
    """The id that the file states, where several rows may share one."""


def load_preferences(
    data_path: str, language: Literal["en", "zh"] = "en", *, follow_links: bool = False
) -> Iterator[PreferencePair | BadSample]:
    """Reads pairs one at a time from JSON Lines, JSON, parquet or `hf://name@split`.

    Fields are those of a benchmark (`src_img` or `src_img_b64`, `edit_instruction`, `edit_instruction_en`,
    `rationale_short`, `subset` or `category`, `id`), and `a_img` and `b_img` (or `a_img_b64` …), `winner`, `margin`.

    Args:
        data_path: The file; image paths start from its folder.
        language: Of instruction and rationale, where the file has both.
        follow_links: Whether images may lie behind links out of the folder.

    Raises:
        DataError: the file cannot be read, or breaks off.
    """
    folder = ImageFolder.of(data_path, follow_links=follow_links)
    ids = ItemIds("pair")
    for raw in read_items(data_path):
        yield _pair(raw, folder, language, ids)


def _pair(raw: RawItem, folder: ImageFolder, language: Literal["en", "zh"], ids: ItemIds) -> PreferencePair | BadSample:
    fields = raw.fields or {}
    category = pair_id = None
    try:
        if raw.problem:
            raise Unusable(raw.problem)
        pair_id = _id(fields, raw.index, ids)
        category = text_field(fields, "subset") or text_field(fields, "category") or None
        return PreferencePair(
            pair_id=pair_id,
            index=raw.index,
            instruction=_instruction(fields, language),
            source=required_image(fields, "src_img", folder),
            edits=(required_image(fields, "a_img", folder), required_image(fields, "b_img", folder)),
            winner=_winner(fields),
            category=category,
            rationale=translated_field(fields, "rationale_short", language) or None,
            margin=_margin(fields),
        )
    except Unusable as error:
        return BadSample(pair_id or ids.by_index(raw.index), raw.index, category, str(error))


def _id(fields: Mapping[str, Any], index: int, ids: ItemIds) -> str:
    stated = fields.get("id")
    if stated is None:
        return ids.by_index(index)
    return ids.stated("id", storable(str(stated)), storable(str(stated)), index)


def _instruction(fields: Mapping[str, Any], language: Literal["en", "zh"]) -> str:
    instruction = translated_field(fields, "edit_instruction", language)
    if not instruction:
        raise Unusable("the instruction (fields `edit_instruction`, `edit_instruction_en`) is absent or blank")
    if len(instruction) > MAX_INSTRUCTION:
        raise Unusable(f"the instruction has {len(instruction):,} characters, above the limit of {MAX_INSTRUCTION:,}")
    return instruction


def required_image(fields: Mapping[str, Any], name: str, folder: ImageFolder) -> LazyImage:
    """The image of a field as `image_field` reads it.

    Raises:
        Unusable: there is none.
    """
    image = image_field(fields, name, folder)
    if image is None:
        raise Unusable(f"the image (fields `{name}`, `{name}_b64`) is absent")
    return image


def _winner(fields: Mapping[str, Any]) -> str:
    stated = fields.get("winner")
    winner = WINNERS.get(stated.strip().lower()) if isinstance(stated, str) else None
    if winner is None:
        raise Unusable(f"field `winner` is {stated!r:.40}, which is none of a, b, tie and both_bad")
    return winner


def _margin(fields: Mapping[str, Any]) -> float:
    value = fields.get("margin")
    if value is None:
        return 0.0
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e6 or math.isnan(value):
        raise Unusable(f"field `margin` is {value!r:.40}, not a number from 0 up to a million")
    return float(value)
