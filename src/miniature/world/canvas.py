"""Drawing in scene pixels: every shape is painted at twice the size, the whole picture is halved at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from src.miniature.world.palette import Rgb
from src.miniature.world.scene import SIZE

Point = tuple[float, float]

_ZOOM = 2


class Canvas:
    """A 64x64 picture being painted.

    Args:
        background: Colour of the empty picture.

    Attributes:
        tone: Factors for red, green and blue by which the present light multiplies every colour.
    """

    def __init__(self, background: Rgb) -> None:
        self.tone: tuple[float, float, float] = (1.0, 1.0, 1.0)
        self._image = Image.new("RGB", (SIZE * _ZOOM, SIZE * _ZOOM), background)
        self._draw = ImageDraw.Draw(self._image)

    def _toned(self, colour: Rgb) -> Rgb:
        red, green, blue = (round(value * factor) for value, factor in zip(colour, self.tone, strict=True))
        return red, green, blue

    def rectangle(self, left: float, top: float, right: float, bottom: float, colour: Rgb) -> None:
        """Fill a box; right and bottom are exclusive edges, as everywhere in this class."""
        self._draw.rectangle(_box(left, top, right, bottom), fill=self._toned(colour))

    def ellipse(self, left: float, top: float, right: float, bottom: float, colour: Rgb) -> None:
        """Fill the ellipse inside a box."""
        self._draw.ellipse(_box(left, top, right, bottom), fill=self._toned(colour))

    def half_disc(self, left: float, top: float, right: float, bottom: float, colour: Rgb) -> None:
        """Fill the upper half of the ellipse whose upper half fits in a box."""
        self._draw.pieslice(_box(left, top, right, 2 * bottom - top), 180, 360, fill=self._toned(colour))

    def polygon(self, points: Sequence[Point], colour: Rgb) -> None:
        """Fill a polygon."""
        self._draw.polygon([(round(x * _ZOOM), round(y * _ZOOM)) for x, y in points], fill=self._toned(colour))

    def line(self, start: Point, end: Point, colour: Rgb, width: float = 1.0) -> None:
        """Draw a straight line."""
        ends = [(round(x * _ZOOM), round(y * _ZOOM)) for x, y in (start, end)]
        self._draw.line(ends, fill=self._toned(colour), width=round(width * _ZOOM))

    def mirror_down(self, row: int, water: Rgb, share: float) -> None:
        """Reflect what lies above `row` into what lies below, mixed with `share` of the water's colour."""
        edge, height = row * _ZOOM, (SIZE - row) * _ZOOM
        above = self._image.crop((0, edge - height, SIZE * _ZOOM, edge)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        surface = Image.new("RGB", above.size, self._toned(water))
        self._image.paste(Image.blend(above, surface, share), (0, edge))

    def veil(self, colour: Rgb, share: float) -> None:
        """Mix the whole picture with `share` of a colour."""
        self._image.paste(Image.blend(self._image, Image.new("RGB", self._image.size, colour), share))

    def pixels(self) -> np.ndarray:
        """Return the finished picture as uint8 of shape (64, 64, 3)."""
        return np.array(self._image.reduce(_ZOOM))


def _box(left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int]:
    """Return PIL's box, whose right and bottom edges are inclusive."""
    x0, y0 = round(left * _ZOOM), round(top * _ZOOM)
    return x0, y0, max(x0, round(right * _ZOOM) - 1), max(y0, round(bottom * _ZOOM) - 1)
