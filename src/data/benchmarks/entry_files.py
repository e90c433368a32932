"""`read_entry_files`: several JSON mappings of key to row, each in a folder that says what its rows are."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from src.data.sources import ByteProgress, RawItem, read_entries

FOLDER = "folder"
"""Where a row notes the name of the folder that it is from; the official rows have no such field."""


def read_entry_files(files: Mapping[str, Path], progress: ByteProgress, unwanted: Container[int]) -> Iterator[RawItem]:
    """Streams the entries of one file after the other, each with the name of its file in the field `folder`.

    Args:
        files: By their names.
        progress: Updated after every entry.
        unwanted: Places of entries that are passed over, counted over all files.

    Raises:
        DataError: as `read_entries`.
    """
    index, done, total = 0, 0, sum(file.stat().st_size for file in files.values())
    for name, file in files.items():
        within, size = ByteProgress(), file.stat().st_size
        for raw in read_entries(file, within, _From(unwanted, index)):
            progress.fraction = min((done + within.fraction * size) / max(total, 1), 0.999)
            fields = None if raw.fields is None else {**raw.fields, FOLDER: name}
            yield replace(raw, index=index, fields=fields)
            index += 1
        done += size
    progress.fraction = 1.0


class _From(Container[int]):
    """Places of a file, of which it is known which places of all files are wanted."""

    def __init__(self, places: Container[int], first: int) -> None:
        self._places, self._first = places, first

    def __contains__(self, place: object) -> bool:
        return isinstance(place, int) and place + self._first in self._places
