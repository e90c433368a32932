"""`Converter`: rows of a foreign format in, items of one of EditLoop's own formats out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import pydantic

from src.data.image import ImageError, LazyImage
from src.data.sources import RawItem, read_items


class BadRow(ValueError):
    """Why a row, or the rest of it, cannot be converted."""


class ConverterParams(pydantic.BaseModel):
    """Base of a converter's settings; unknown names are errors."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


Keep = Callable[[LazyImage], str]
"""Stores an image beside the output and returns its path from there; raises `ImageError` for one that is none."""


class Converter(ABC):
    """Converts one row at a time; knows nothing of files."""

    Params: ClassVar[type[ConverterParams]] = ConverterParams
    SOURCE: ClassVar[str]
    """The source of the format."""
    RESULT: ClassVar[str]
    """The kind of the items of the output: an edit task, or a question."""

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        self.params: Any = self.Params(**(params or {}))

    def rows(self, source: str) -> Iterator[RawItem]:
        """The rows of a source, as `read_items` reads it.

        Raises:
            DataError: it cannot be read, or breaks off.
        """
        return read_items(source)

    @abstractmethod
    def items(self, row: Mapping[str, Any], index: int, keep: Keep) -> Iterator[dict[str, Any]]:
        """Yields the items that a row gives.

        Args:
            row: As it stands in the file.
            index: Its position there, from 0.
            keep: Stores images.

        Raises:
            BadRow: at any point; what was given before counts.
            ImageError: likewise, for an image that cannot be decoded.
        """


def text_of(row: Mapping[str, Any], name: str) -> str:
    """Returns a text field without outer blanks.

    Raises:
        BadRow: it is absent, blank, or no text.
    """
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadRow(f"field `{name}` is {'absent or blank' if value in (None, '') else repr(value)[:80]}, not text")
    return value.strip()


def image_of(value: Any, name: str) -> LazyImage:
    """An image that lies in the row: bytes, `{bytes, path}` as `datasets` stores it, or base64 text.

    Raises:
        BadRow: it is none of these.
    """
    if isinstance(value, Mapping):
        value = value.get("bytes")
    if isinstance(value, bytes) and value:
        return LazyImage.from_bytes(value)
    if isinstance(value, str) and value.strip():
        return LazyImage(base64_text=value)
    raise BadRow(f"field `{name}` holds no image, neither bytes nor base64 text")


def kept(keep: Keep, image: LazyImage, name: str) -> str:
    """Returns the path of a stored image.

    Raises:
        BadRow: it cannot be decoded; the text names its field.
    """
    try:
        return keep(image)
    except ImageError as error:
        raise BadRow(f"field `{name}`: {error}") from error
