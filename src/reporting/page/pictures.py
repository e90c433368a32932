"""The pictures of a page: a thumbnail of each inside it, the full picture beside it."""

from __future__ import annotations

import base64
import io
import os
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from src.data.image import ImageError, LazyImage, OpenedImage, content_hash
from src.reporting.page.model import Picture

PICTURES_FOLDER = "pictures"
"""Folder beside the page for full pictures that lie in no file of their own, named by their content and spread over
sub-folders by the first two digits of that name."""
LARGEST_SIDE = 256
"""Pixels of a thumbnail's longer side."""
EXACT_SIDE = 128
"""Pictures with no side above it are embedded as they are, without loss."""
SMALLEST_SIDE = 48
THUMBNAIL_BYTES = 16_000_000
"""Bytes of all thumbnails of a page together, as far as `FEWEST_BYTES` allows."""
MOST_BYTES, FEWEST_BYTES = 16_000, 1_500
"""Bounds of the bytes of one thumbnail."""
_HEADER_BYTES = 620
"""Of a JPEG, whatever its size."""
_BYTES_A_PIXEL = 0.08
"""Of a JPEG of little detail: thumbnails begin with the side that would fit if the picture were one."""
_BEST, _LEAST = 80, 40
"""JPEG qualities: the second one for what is too large by the first."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture as it is embedded in a page."""

    uri: str
    size: tuple[int, int]
    """Width and height of the full picture."""
    is_whole: bool
    """Whether the thumbnail is the full picture, without loss."""


class PagePictures:
    """Makes the pictures of one page. Safe to use from several threads.

    Args:
        folder: Where the page will lie.
        count: How many pictures the page will have, about: many pictures have small thumbnails.
        linked: Whether pictures that lie in files of their own are shown from there, small as well: making a hundred
            thousand thumbnails takes long.
    """

    def __init__(self, folder: Path, count: int, *, linked: bool = False) -> None:
        self._linked = linked
        self._folder = folder.resolve()
        self._way_to = cache(self._relative)
        self._bytes_each = max(FEWEST_BYTES, min(MOST_BYTES, THUMBNAIL_BYTES // max(1, count)))

    def of(self, label: str, image: LazyImage) -> Picture:
        """A picture of the data, or of a file: a file is linked to, other pictures are stored beside the page.

        Raises:
            OSError: it cannot be stored.
        """
        try:
            return self.of_bytes(label, image.read_bytes(), image.path)
        except ImageError as error:
            return Picture(label, missing=str(error))

    def of_file(self, label: str, path: Path, size: tuple[int, int] | None) -> Picture:
        """A picture in a file of its own, of this width and height where they are known.

        Raises:
            OSError: it cannot be stored.
        """
        if self._linked and size is not None:
            return Picture(label, full=self.link(path), size=size)
        return self.of(label, LazyImage(path=path))

    def of_bytes(self, label: str, data: bytes, path: Path | None, size: tuple[int, int] | None = None) -> Picture:
        """A picture that has been read already, from a file at `path` if there is one.

        Raises:
            ImageError: it is no picture that can be shown.
            OSError: it cannot be stored.
        """
        if self._linked and path is not None:
            return Picture(label, full=self.link(path), size=size or OpenedImage(data).size)
        thumbnail = make_thumbnail(data, self._bytes_each)
        full = "" if thumbnail.is_whole else self.link(path if path is not None else self._stored(data))
        return Picture(label, thumbnail=thumbnail.uri, full=full, size=thumbnail.size)

    def link(self, path: Path) -> str:
        """The URL of a file relative to the page, which no file name can turn into another kind of URL."""
        return f"{self._way_to(path.parent)}/{quote(path.name)}"

    def _relative(self, folder: Path) -> str:
        way = Path(os.path.relpath(folder.resolve(), self._folder)).as_posix()
        return "." if way == "." else f"./{quote(way)}"

    def _stored(self, data: bytes) -> Path:
        kind = (Image.open(io.BytesIO(data)).format or "PNG").lower()
        name = content_hash(data)[:32]
        path = self._folder / PICTURES_FOLDER / name[:2] / f"{name}.{kind}"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
            part.write_bytes(data)
            os.replace(part, path)
        return path


def make_thumbnail(data: bytes, most_bytes: int) -> Thumbnail:
    """A picture small enough for a page: lossless if it is small, else a JPEG of at most about so many bytes.

    Raises:
        ImageError: it is no picture that can be shown.
    """
    opened = OpenedImage(data)
    side = min(LARGEST_SIDE, int((most_bytes / _BYTES_A_PIXEL) ** 0.5))
    image = opened.decode(least_side=max(side, EXACT_SIDE))
    size = _upright(opened.size, image.size)
    if max(size) <= EXACT_SIDE:
        exact = _encoded(image, "WEBP", lossless=True, quality=50, method=0)
        if len(exact) <= max(most_bytes, MOST_BYTES // 2):
            return Thumbnail(_uri("webp", exact), size, is_whole=True)
    quality = _BEST
    while True:
        image.thumbnail((side, side), Image.Resampling.HAMMING, reducing_gap=1.0)
        encoded = _encoded(image, "JPEG", quality=quality)
        if len(encoded) <= most_bytes or (side <= SMALLEST_SIDE and quality == _LEAST):
            return Thumbnail(_uri("jpeg", encoded), size, is_whole=False)
        if quality == _LEAST:  # a smaller picture has more detail a pixel
            excess = (len(encoded) - _HEADER_BYTES) / (most_bytes - _HEADER_BYTES)
            side = max(SMALLEST_SIDE, int(0.97 * side / excess**0.6))
        quality = _LEAST


def _upright(stored: tuple[int, int], decoded: tuple[int, int]) -> tuple[int, int]:
    """The full size of a picture that was decoded smaller, and turned if its file says so."""
    is_turned = (stored[0] < stored[1]) != (decoded[0] < decoded[1])
    return (stored[1], stored[0]) if is_turned else stored


def _encoded(image: Image.Image, kind: str, **settings: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
