"""`read_entry_files`: several JSON mappings of key to row, each in a folder that says what its rows are."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from src.data.sources import ByteProgress, RawItem, read_entries
from src.errors import DataError

FOLDER = "folder"
"""Where a row notes the name of the folder that it is from; the official rows have no such field."""


def read_entry_files(files: Mapping[str, Path], progress: ByteProgress, unwanted: Container[int]) -> Iterator[RawItem]:
    """Streams the entries of one file after the other, each with the name of its file in the field `folder`.

    A file that breaks off keeps no entry of the others: what is wrong is raised after the last one.

    Args:
        files: By their names.
        progress: Updated after every entry.
        unwanted: Places of entries that are passed over, counted over all files.

    Raises:
        DataError: as `read_entries`, of all files that cannot be read.
    """
    index, done, total = 0, 0, sum(file.stat().st_size for file in files.values())
    problems: list[str] = []
    for name, file in files.items():
        within, size = ByteProgress(), file.stat().st_size
        entries = read_entries(file, within, _From(unwanted, index))
        while raw := _next(entries, problems):
            progress.fraction = min((done + within.fraction * size) / max(total, 1), 0.999)
            fields = None if raw.fields is None else {**raw.fields, FOLDER: name}
            yield replace(raw, index=index, fields=fields)
            index += 1
        done += size
    if problems:
        raise DataError("; ".join(problems))
    progress.fraction = 1.0


def _next(entries: Iterator[RawItem], problems: list[str]) -> RawItem | None:
    """The next entry; None at the end, and where the file cannot be read on, which is noted."""
    try:
        return next(entries, None)
    except DataError as error:
        problems.append(str(error))
        return None


class _From(Container[int]):
    """Places of a file, of which it is known which places of all files are wanted."""

    def __init__(self, places: Container[int], first: int) -> None:
        self._places, self._first = places, first

    def __contains__(self, place: object) -> bool:
        return isinstance(place, int) and place + self._first in self._places
