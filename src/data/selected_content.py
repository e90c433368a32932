"""`SelectedContent`: whether shards of one run have seen the same benchmark."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from src.data.image import LazyImage
from src.data.sample import BadSample, EditSample

_ADDED = frozenset({"further_sources", "cluster", "attributes", "instruction_language", "turns"})
"""Fields that count only where they say something: shards of before, which did not have them, agree with others."""


class SelectedContent:
    """Counts and digests what a selection takes of a benchmark, without decoding a picture.

    Pictures in files of their own count by their names and sizes: to read them all is the work of all shards.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begins anew."""
        self.items = 0
        self._hash = hashlib.sha256()

    def add(self, item: EditSample | BadSample) -> None:
        """Adds the next item."""
        self.items += 1
        for field in fields(item):
            value = getattr(item, field.name)
            if field.name in _ADDED and not value:
                continue
            text = _text(value)
            self._hash.update(f"{field.name}={len(text)}:{text}\n".encode("utf-8", "backslashreplace"))

    def digest(self) -> str:
        """SHA-256 (hexadecimal) of all items so far, in their order."""
        return self._hash.hexdigest()


def _text(value: object) -> str:
    if isinstance(value, LazyImage):
        return _picture(value)
    if isinstance(value, Mapping):
        return repr(sorted(value.items()))
    if isinstance(value, tuple) and any(isinstance(part, LazyImage) for part in value):
        return repr([_text(part) for part in value])
    return repr(value)


def _picture(image: LazyImage) -> str:
    if image.path is None:
        return image.base64_text or ""
    return f"{image.path.name} {_size(image.path)}"


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (OSError, ValueError):  # what is wrong with it, its sample will say
        return None
