"""`RegionCount`: the readability of a picture from the number of its regions, without any weights."""

from __future__ import annotations

from typing import Self

import numpy as np
import pydantic
from PIL import Image

from src.models.base import ModelParams
from src.rewards.scorers.readability import Readability


class RegionCount(Readability):
    """1 up to `clear` regions, 0 from `jumbled` regions on, and a straight line between.

    The line and its bounds are those of MMMG (arXiv 2506.10963), which counts the masks of SAM 2 and the text lines of
    an OCR. A region here is a connected part of one coarse colour, which is something else: look at the counts of some
    good pictures and set the bounds before you compare anything.
    """

    class Params(ModelParams):
        """The bounds of the line and how regions are found; all have defaults."""

        clear: int = pydantic.Field(70, ge=0)
        jumbled: int = pydantic.Field(160, ge=1)
        levels: int = pydantic.Field(4, ge=2, le=256)
        """Steps into which each colour channel is divided."""
        side: int = pydantic.Field(256, ge=16)
        """Longer sides are scaled down to this many pixels."""
        smallest_share: float = pydantic.Field(0.0005, ge=0, lt=1)
        """Regions that cover less of the picture are not counted."""

        @pydantic.model_validator(mode="after")
        def _ordered(self) -> Self:
            if self.clear >= self.jumbled:
                raise ValueError("clear must be below jumbled")
            return self

    def measure(self, image: Image.Image) -> float:
        """The readability by the number of regions, 0–1; the class gives the formula."""
        regions = self.count(image)
        return min(1.0, max(0.0, (self.params.jumbled - regions) / (self.params.jumbled - self.params.clear)))

    def count(self, image: Image.Image) -> int:
        """The number of regions that cover at least `smallest_share` of the picture."""
        small = image.convert("RGB")
        small.thumbnail((self.params.side, self.params.side), Image.Resampling.BOX)
        steps = np.asarray(small).astype(np.int32) * self.params.levels // 256
        colours = (steps[..., 0] * self.params.levels + steps[..., 1]) * self.params.levels + steps[..., 2]
        return int((_region_sizes(colours) >= self.params.smallest_share * colours.size).sum())


def _region_sizes(values: np.ndarray) -> np.ndarray:
    """The number of pixels of each 4-connected region of equal values in an array (height, width)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    index = np.arange(values.size).reshape(values.shape)
    right, below = values[:, :-1] == values[:, 1:], values[:-1] == values[1:]
    one = np.concatenate([index[:, :-1][right], index[:-1][below]])
    other = np.concatenate([index[:, 1:][right], index[1:][below]])
    joined = coo_array((np.ones(len(one), bool), (one, other)), shape=(values.size, values.size))
    return np.bincount(connected_components(joined, directed=False)[1])
