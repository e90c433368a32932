"""The pixels of a picture as published protocols send them."""

from __future__ import annotations

from PIL import Image


def like_the_source(image: Image.Image, source: Image.Image) -> Image.Image:
    """The picture in the source's size: bicubic, and without regard to its aspect, which hides a wrong one."""
    return image if image.size == source.size else image.resize(source.size, Image.Resampling.BICUBIC)


def within(side: int, image: Image.Image) -> Image.Image:
    """A picture within a square of so many pixels, by Pillow's `thumbnail` (bicubic); smaller ones as they are."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    return small
