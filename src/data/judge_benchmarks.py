"""Public sets of people's preferences between edits, as a stream of preference pairs: one row of a file, one pair.

Ids do not tell rows apart: a published set has had the same id twice, with opposite answers. So a pair is named by its
place in the file, and what the file calls it is kept beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from src.data.image_folder import ImageFolder
from src.data.items import text_field
from src.data.names import storable
from src.data.preferences import PreferencePair, load_preferences, required_image
from src.data.sample import MAX_INSTRUCTION, BadSample, Unusable
from src.data.sources import RawItem, read_items
from src.data.winners import FIRST_WINS, SECOND_WINS, TIE, PreferenceFormat

PairOf = Callable[[str, int, Mapping[str, Any], ImageFolder], PreferencePair]

_RANKINGS = {"A>B": FIRST_WINS, "B>A": SECOND_WINS, "A=B": TIE, "B=A": TIE}
_WAYS = re.compile(r"([2-9])pair")
"""A `dataset` whose groups are of so many edits."""
_BLANK = re.compile(r"\s+")


def load_judge_benchmark(
    name: PreferenceFormat, data_path: str, language: Literal["en", "zh"] = "en", *, follow_links: bool = False
) -> Iterator[PreferencePair | BadSample]:
    """Streams the pairs of a set; images stay encoded.

    - `editreward-bench` is the layout of TIGER's EditReward-Bench: `id`, `dataset`, `instruction`, `source_image`,
      `candidate_1`, `candidate_2`, `ranking`. Rows of one `dataset` whose ids agree up to the first `_` are one group.
    - `editscore-bench` is that of EditScore's EditReward-Bench: `key`, `instruction`, `input_image`, `output_images`
      with the preferred one first, `task_type`, `dimension`.
    - `preferences` are this project's own pairs, as `load_preferences` reads them.

    Args:
        name: The layout.
        data_path: See `read_items`.
        language: Of instructions, where `preferences` have both.
        follow_links: Whether images may lie behind links out of the folder.

    Raises:
        DataError: the file cannot be read, or breaks off.
    """
    if name == "preferences":
        yield from load_preferences(data_path, language, follow_links=follow_links)
        return
    folder = ImageFolder.of(data_path, follow_links=follow_links)
    for raw in read_items(data_path):
        if name == "editreward-bench":
            yield _read(raw, folder, _editreward_pair, "dataset")
        else:
            yield _read(raw, folder, _editscore_pair, "task_type")


def _read(raw: RawItem, folder: ImageFolder, pair_of: PairOf, category: str) -> PreferencePair | BadSample:
    pair_id = f"row_{raw.index:05d}"
    try:
        if raw.problem:
            raise Unusable(raw.problem)
        return pair_of(pair_id, raw.index, raw.fields or {}, folder)
    except Unusable as error:
        stated = (raw.fields or {}).get(category)
        return BadSample(pair_id, raw.index, storable(stated) or None if isinstance(stated, str) else None, str(error))


def _editreward_pair(pair_id: str, index: int, fields: Mapping[str, Any], folder: ImageFolder) -> PreferencePair:
    ranking = fields.get("ranking")
    winner = _RANKINGS.get(_BLANK.sub("", ranking).upper()) if isinstance(ranking, str) else None
    if winner is None:
        raise Unusable(f"field `ranking` is {ranking!r:.40}, which is none of A>B, B>A and A=B")
    stated, dataset = _stated_id(fields, "id"), text_field(fields, "dataset")
    prefix = stated.partition("_")[0]
    return PreferencePair(
        pair_id=pair_id,
        index=index,
        instruction=_instruction(fields),
        source=required_image(fields, "source_image", folder),
        edits=(required_image(fields, "candidate_1", folder), required_image(fields, "candidate_2", folder)),
        winner=winner,
        category=storable(dataset) or None,
        group=f"{storable(dataset)}/{prefix}" if prefix else None,
        group_size=int(ways[1]) if (ways := _WAYS.fullmatch(dataset)) else None,
        stated_id=stated,
    )


def _editscore_pair(pair_id: str, index: int, fields: Mapping[str, Any], folder: ImageFolder) -> PreferencePair:
    outputs = fields.get("output_images")
    if not isinstance(outputs, list | tuple) or len(outputs) != 2:
        count = f"{len(outputs)} images" if isinstance(outputs, list | tuple) else repr(outputs)[:40]
        raise Unusable(f"field `output_images` holds {count}, not two images, the preferred one first")
    better, worse = ({"output_images": image} for image in outputs)
    return PreferencePair(
        pair_id=pair_id,
        index=index,
        instruction=_instruction(fields),
        source=required_image(fields, "input_image", folder),
        edits=(required_image(better, "output_images", folder), required_image(worse, "output_images", folder)),
        winner=FIRST_WINS,
        category=storable(text_field(fields, "task_type")) or None,
        dimension=storable(text_field(fields, "dimension")) or None,
        stated_id=_stated_id(fields, "key"),
    )


def _instruction(fields: Mapping[str, Any]) -> str:
    instruction = storable(text_field(fields, "instruction"))
    if not instruction:
        raise Unusable("the instruction (field `instruction`) is absent or blank")
    if len(instruction) > MAX_INSTRUCTION:
        raise Unusable(f"the instruction has {len(instruction):,} characters, above the limit of {MAX_INSTRUCTION:,}")
    return instruction


def _stated_id(fields: Mapping[str, Any], name: str) -> str:
    """The id as text; EditScore's key is a pair of texts."""
    value = fields.get(name)
    parts = value if isinstance(value, list | tuple) else [value]
    return storable("/".join(str(part) for part in parts if part is not None))
