"""`PictureCodec`: pixels to the codes of a VQ-VAE and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from src.errors import ModelError


@dataclass(frozen=True)
class PictureCodec:
    """The VQ-VAE of an Emu3 checkpoint with its processor of pictures."""

    vqvae: Any
    """`Emu3VQVAE`."""
    processor: Any
    """`Emu3ImageProcessor`: how pixels are scaled and normalised."""
    area: int | None = None
    """How many pixels the VQ-VAE sees at most; None leaves the size to the processor."""

    def encode(self, picture: Image.Image) -> list[list[int]]:
        """The codes of an RGB picture, row by row.

        Raises:
            ModelError: the processor refuses the picture.
        """
        import torch

        if self.area is None:
            shown, resize = picture, True
        else:
            size = size_of_area(picture.size, self.area, self.vqvae.vision_spatial_factor)
            shown, resize = picture.resize(size, Image.Resampling.BICUBIC), False
        try:
            inputs = self.processor(shown, do_resize=resize, return_tensors="pt")
        except ValueError as error:
            raise ModelError(f"the checkpoint's processor refuses a picture of {picture.size}: {error}") from error
        with torch.inference_mode():
            pixels = inputs["pixel_values"].to(self.vqvae.device)
            codes = self.vqvae.encode(pixels, inputs["image_sizes"], return_dict=True).image_tokens[0]
        rows: list[list[int]] = codes.tolist()
        return rows

    def decode(self, codes: Sequence[Sequence[int]]) -> Image.Image:
        """The RGB picture of codes, `spatial factor` pixels a code.

        Raises:
            ModelError: the VQ-VAE makes NaN or infinite pixels.
        """
        import torch

        with torch.inference_mode():
            made = self.vqvae.decode(torch.tensor([codes], device=self.vqvae.device)).float().cpu()
        if not bool(made.isfinite().all()):
            raise ModelError("the VQ-VAE made NaN or infinite pixels; set dtype: bfloat16 or float32")
        pictures = self.processor.postprocess(list(made), return_tensors="PIL.Image.Image")["pixel_values"]
        picture: Image.Image = pictures[0]
        return picture.convert("RGB")


def grid_of(size: tuple[int, int], area: int | None, processor: Any, factor: int) -> tuple[int, int]:
    """The rows and columns of codes that `PictureCodec.encode` makes of a picture, which need not be there.

    Args:
        size: Width and height of the picture.
        area: How many pixels the VQ-VAE sees at most; None leaves the size to the processor.
        processor: `Emu3ImageProcessor`.
        factor: Pixels a code of the VQ-VAE.

    Raises:
        ModelError: the processor refuses the picture.
    """
    if area is not None:
        width, height = size_of_area(size, area, factor)
        return height // factor, width // factor
    from transformers.models.emu3.image_processing_emu3 import smart_resize

    limits = processor.spatial_factor, processor.min_pixels, processor.max_pixels
    try:
        height, width = smart_resize(size[1], size[0], *limits)
    except ValueError as error:
        raise ModelError(f"the checkpoint's processor refuses a picture of {size}: {error}") from error
    return height // factor, width // factor


def size_of_area(size: tuple[int, int], area: int, multiple: int) -> tuple[int, int]:
    """The width and height of at most that many pixels, about in the aspect ratio of `size`, in units of `multiple`.

    Sides are rounded to whole units, one at least; where that comes to more, as it does for thin pictures, the longer
    side gives way.
    """
    scale = math.sqrt(area / (size[0] * size[1]))
    width, height = (max(1, round(side * scale / multiple)) for side in size)
    if width * height > (most := max(1, area // multiple**2)):
        width, height = (most // height, height) if width >= height else (width, most // width)
    return width * multiple, height * multiple


def with_aspect_ratio(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A picture with the aspect ratio of `size` and about the area that it has; itself where that is its ratio."""
    scale = math.sqrt(picture.width * picture.height / (size[0] * size[1]))
    wanted = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    return picture if wanted == picture.size else picture.resize(wanted, Image.Resampling.BICUBIC)
