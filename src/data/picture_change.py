"""How far an edit differs from its source at the place where it differs most, whatever was asked for."""

from __future__ import annotations

import numpy as np
from PIL import Image

NEAR_COPY = 12.0
"""Grey levels of 255 up to which an edit is marked as a near-copy of its source.

On the 64 × 64 pictures of the miniature benchmark, where codecs do most harm, sources stored as JPEG of quality 75 and
sources with noise of 22 dB come to 12 at most, and 99 of 100 demanded edits to more.
"""
CELL, MOST_CELLS = 8, 32
"""The least side of a cell in pixels, and the most cells on a side."""


def picture_change(source: Image.Image, edited: Image.Image) -> float:
    """The largest difference of the mean colours of source and edit in any cell of a grid, in grey levels (0–255).

    The grid has a cell for every 8 pixels of the source's shorter side, at most 32 on a side: within a cell the traces
    of codecs and noise cancel out, while an object that was put in, taken away or recoloured moves the mean. An edit of
    another size is compared in the same grid. The very same picture gives 0. Strong haloes, a shift and another
    brightness move means as well; thin strokes and texture hardly do: docs/report.md has figures.
    """
    cells = max(1, min(min(source.size) // CELL, MOST_CELLS))
    return float(np.abs(_cells(source, cells) - _cells(edited, cells)).max())


def _cells(picture: Image.Image, cells: int) -> np.ndarray:
    small = picture.convert("RGB").resize((cells, cells), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)
