"""Encoded images and the one way in which EditLoop turns them into pixels."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""Formats that are read; others that Pillow knows run external programs (EPS) or have no use here."""
MAX_PIXELS = 64_000_000
"""Larger images are refused before they are decompressed (a decompression bomb costs gigabytes)."""
MIN_SIDE = 8
"""Images with a side below this many pixels are refused: there is nothing to edit in them."""


class ImageError(ValueError):
    """An image cannot be used; the text says why and becomes the reason of a `BadSample`."""


@dataclass(frozen=True, slots=True)
class LazyImage:
    """An image that stays in its stored form until its bytes or pixels are needed.

    Exactly one of the two fields is set: base64 text (with or without a `data:` prefix), or a file's path.
    """

    base64_text: str | None = None
    path: Path | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> LazyImage:
        """Wraps an encoded image (PNG, JPEG …) that is already in memory."""
        return cls(base64_text=base64.b64encode(data).decode("ascii"))

    def read_bytes(self) -> bytes:
        """The encoded file. Raises `ImageError` when the base64 text or the file cannot be read."""
        if self.path is not None:
            try:
                return self.path.read_bytes()
            except OSError as error:
                raise ImageError(f"image file {self.path} cannot be read: {error.strerror or error}") from error
        text = self.base64_text or ""
        if text.startswith("data:"):
            text = text.partition(",")[2]
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ImageError(f"not valid base64: {error}") from error
        if not data:
            raise ImageError("the image is empty")
        return data

    def decode(self) -> Image.Image:
        """The pixels as an upright RGB image; see `decode_image`."""
        return decode_image(self.read_bytes())


def content_hash(data: bytes) -> str:
    """SHA-256 of encoded bytes, hexadecimal: the identity of an image in every key."""
    return hashlib.sha256(data).hexdigest()


def decode_image(data: bytes) -> Image.Image:
    """Decodes bytes to an upright 8-bit RGB image, or says why that is impossible.

    EXIF rotation is applied; palette, CMYK and grey are converted; 16-bit is scaled to 8; transparency is laid over
    white. Refused, because no honest single picture can be made of them: more than one frame, more than `MAX_PIXELS`
    pixels, a side under `MIN_SIDE` pixels, truncated or unknown files.

    Raises:
        ImageError: with the reason.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise ImageError(f"{width}×{height} pixels, above the limit of {MAX_PIXELS:,} (decompression bomb?)")
            if min(width, height) < MIN_SIDE:
                raise ImageError(f"{width}×{height} pixels: each side must have at least {MIN_SIDE}")
            if getattr(image, "n_frames", 1) > 1:
                raise ImageError(f"animated ({getattr(image, 'n_frames', 0)} frames): store the frame that is meant")
            return _to_rgb(ImageOps.exif_transpose(image))
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"decompression bomb: {error}") from error
    except Exception as error:  # Pillow's plug-ins raise every kind of error on hostile files
        raise ImageError(f"not a readable image: {type(error).__name__}: {error}") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):
        raise ImageError(f"pixels of 32 bits (mode {image.mode}) have no agreed white: store 8 or 16 bits")
    if image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def encode_png(image: Image.Image) -> bytes:
    """Lossless PNG bytes, compressed lightly: edits are written once per sample while the editor waits for no one."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
