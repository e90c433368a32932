"""Rows of files and folders that are no benchmark: CSV, and pictures with their texts beside them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from src.data.sources import RawItem, read_items
from src.errors import DataError

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"})
_TABLES = ("metadata.jsonl", "metadata.csv")
LONGEST_CELL = 2**28
"""Characters of a cell: it may hold a picture as base64."""
LONGEST_TEXT = 2**20
"""Bytes of the text beside a picture."""


def plain_rows(source: str) -> Iterator[RawItem]:
    """The rows of a CSV or TSV file, of a folder of pictures, or of what `read_items` knows.

    Raises:
        DataError: as `read_items`; a CSV file without a header or not in UTF-8; a folder without anything to read.
    """
    path = Path(source)
    if path.suffix.lower() in _SEPARATORS and path.is_file():
        return _table_rows(path)
    if path.is_dir():
        table = next((path / name for name in _TABLES if (path / name).is_file()), None)
        if table is not None:
            return plain_rows(str(table))
        if pictures := sorted(file for file in path.rglob("*") if file.suffix.lower() in _PICTURES):
            return _folder_rows(path, pictures)
    return read_items(source)


def _table_rows(path: Path) -> Iterator[RawItem]:
    csv.field_size_limit(LONGEST_CELL)
    read = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=_SEPARATORS[path.suffix.lower()])
            for index in count():
                row = next(reader, None)
                if row is None:
                    break
                read += 1
                if None in row:
                    yield RawItem(index, None, f"line {reader.line_num}: it has more cells than the header has names")
                else:
                    yield RawItem(index, row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read after {read} rows: {error}; store it as CSV in UTF-8") from error
    if not read:
        raise DataError(f"{path} holds no rows below its header")


def _folder_rows(folder: Path, pictures: list[Path]) -> Iterator[RawItem]:
    """Each picture with the text of the same name beside it."""
    for index, picture in enumerate(pictures):
        text = picture.with_suffix(".txt")
        name = picture.relative_to(folder).as_posix()
        try:
            with text.open("rb") as file:
                instruction = file.read(LONGEST_TEXT).decode("utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
            yield RawItem(index, None, f"{name}: its instruction {text.name} {reason}")
        else:
            yield RawItem(index, {"image": name, "instruction": instruction, "original_image_path": name})
