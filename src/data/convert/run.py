"""`python main.py data convert`: a file of a foreign format becomes JSON Lines with a folder of images beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydantic

from src.data.convert.base import BadRow, Converter
from src.data.convert.complex_edit import ComplexEdit
from src.data.convert.conversations import Conversations
from src.data.convert.edit_parquet import EditParquet
from src.data.convert.edit_preferences import EditPreferences
from src.data.convert.plain import Plain
from src.data.convert.vqa_rad import VqaRad
from src.data.image import LazyImage, content_hash, decode_image, image_kind
from src.data.sources import RawItem
from src.errors import ConfigError, DataError, did_you_mean
from src.validation import config_error

CONVERTERS: dict[str, type[Converter]] = {
    "complex-edit": ComplexEdit,
    "conversations": Conversations,
    "edit-parquet": EditParquet,
    "edit-preferences": EditPreferences,
    "plain": Plain,
    "vqa-rad": VqaRad,
}
_NAMED = 5


@dataclass
class Conversion:
    """The outcome of a conversion."""

    rows: int = 0
    items: int = 0
    images: int = 0
    """Distinct ones that were stored."""
    bad: list[str] = field(default_factory=list)
    """Each bad row and why."""
    broken_off: str | None = None
    """Why the file could not be read to its end, if it could not."""


def build_converter(source_format: str, params: Mapping[str, Any]) -> Converter:
    """Builds the converter of a format.

    Raises:
        ConfigError: an unknown format or setting, with the nearest name.
    """
    if source_format not in CONVERTERS:
        raise ConfigError(
            f"--from {source_format!r} is no known format.{did_you_mean(source_format, CONVERTERS)} "
            f"Known: {', '.join(CONVERTERS)}"
        )
    converter = CONVERTERS[source_format]
    try:
        return converter(params)
    except pydantic.ValidationError as error:
        raise config_error(error, converter.Params, f"--set of {source_format}") from error


def convert(converter: Converter, source: str, output: Path) -> Conversion:
    """Converts row by row; `output` appears when the last row is done. Bad rows are named, never fatal.

    Args:
        converter: The converter of the source's format.
        source: JSON, JSONL, parquet, a folder or pattern of parquet files, a saved dataset, or `hf://name@split`.
        output: A `.jsonl` file; its images go to a folder of its name with `_images` behind, each stored once.

    Raises:
        ConfigError: `output` is no `.jsonl` file.
        DataError: the source cannot be read at all, or not one row is good.
    """
    if output.suffix != ".jsonl":
        raise ConfigError(f"the output {output} must end in .jsonl")
    result = Conversion()
    images = ImagesBeside(output)
    unfinished = output.with_name(f"{output.name}.{os.getpid()}.unfinished")
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Halves of surrogate pairs become "?", as they do where a benchmark is read.
        with unfinished.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
            for raw in _until_it_breaks(converter, source, result):
                result.rows += 1
                try:
                    for item in _items(converter, raw, images):
                        file.write(json.dumps(item, ensure_ascii=False) + "\n")
                        result.items += 1
                except BadRow as error:
                    result.bad.append(f"row {raw.index}: {error}")
        if not result.items:
            raise DataError(f"{source}: none of {result.rows} rows can be converted: {'; '.join(result.bad[:_NAMED])}")
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    result.images = len(images)
    return result


def _until_it_breaks(converter: Converter, source: str, result: Conversion) -> Iterator[RawItem]:
    try:
        yield from converter.rows(source)
    except DataError as error:
        if not result.items:
            raise
        result.broken_off = str(error)


def _items(converter: Converter, raw: RawItem, images: ImagesBeside) -> Iterator[dict[str, Any]]:
    if raw.fields is None:
        raise BadRow(raw.problem or "the row is empty")
    yield from converter.items(raw.fields, raw.index, images.keep)


class ImagesBeside:
    """The folder beside the output: each image once, as it was stored, named by its content."""

    def __init__(self, output: Path) -> None:
        self._root = output.parent
        self._folder = f"{output.stem}_images"
        self._names: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._names)

    def keep(self, image: LazyImage) -> str:
        """Stores an image, and returns its path from the folder of the output.

        Raises:
            ImageError: it cannot be read or decoded.
        """
        data = image.read_bytes()
        digest = content_hash(data)
        if digest not in self._names:
            decode_image(data)
            name = f"{self._folder}/{digest[:20]}.{image_kind(data).partition(' ')[0].lower()}"
            (self._root / self._folder).mkdir(exist_ok=True)
            (self._root / name).write_bytes(data)
            self._names[digest] = name
        return self._names[digest]
