"""Encoded images and the one way in which EditLoop turns them into pixels."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from src.data.png import rgb_png
from src.reasons import reason_of

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""Formats that are read; others that Pillow knows run external programs (EPS) or have no use here."""
MAX_PIXELS = 64_000_000
"""Larger images are refused before they are decompressed (a decompression bomb costs gigabytes)."""
MAX_FILE_BYTES = 64 * 2**20
"""The largest file of a picture that is read."""
_BLANKS = " \t\r\n\f\v"
_WITHOUT_BLANKS = dict.fromkeys(map(ord, _BLANKS))
STRIP_ROWS = 256
MIN_SIDE = 8
"""Images with a side below this many pixels are refused: there is nothing to edit in them."""


Image.core.set_block_size(64 * 2**20)
# glibc gives memory back at once where a block is above 32 MiB; smaller ones of many threads stay with the process.


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
            return _read_file(self.path)
        text = self.base64_text or ""
        if text.startswith("data:"):
            text = text.partition(",")[2]
        if any(blank in text for blank in _BLANKS):  # some encoders break lines
            text = text.translate(_WITHOUT_BLANKS)
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


def _read_file(path: Path) -> bytes:
    try:
        is_endless = path.exists() and not path.is_file()  # a pipe or a device
        size = 0 if is_endless else path.stat().st_size
        data = b"" if is_endless or size > MAX_FILE_BYTES else path.read_bytes()
    except OSError as error:
        raise ImageError(f"image file {path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # NUL, or half a surrogate pair
        raise ImageError(f"image path {str(path)!r:.80} is not a possible file name: {error}") from error
    if size > MAX_FILE_BYTES:
        raise ImageError(f"image file {path} has {size:,} bytes, above the limit of {MAX_FILE_BYTES:,}")
    if is_endless:
        raise ImageError(f"image file {path} is not a regular file")
    return data


def content_hash(data: bytes) -> str:
    """SHA-256 of encoded bytes, hexadecimal: the identity of an image in every key."""
    return hashlib.sha256(data).hexdigest()


class OpenedImage:
    """A picture of which only the header has been read: its size is known before its pixels cost memory.

    Raises:
        ImageError: on construction, when it is no picture, or one of a size that is refused.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        with _readable():
            self._image = _opened(data)
        self.size: tuple[int, int] = self._image.size
        """Width and height as the header states them."""

    def decode(self, least_side: int | None = None) -> Image.Image:
        """The pixels, by the rules of `decode_image`. To be called once: the file is read to its end.

        Args:
            least_side: A JPEG may be decoded smaller, in a fraction of the time, but with no side below this.
        """
        image = self._image
        with _readable():
            if least_side is not None:
                image.draft(None, (least_side, least_side))
            # MPO is a phone's JPEG: one photo, then previews or depth maps of it.
            if image.format != "MPO" and _has_second_frame(image, self._data):
                raise ImageError("it has several frames (an animation?): store the frame that is meant")
            ImageOps.exif_transpose(image, in_place=True)
            rgb = _to_rgb(image, is_pgm=image.format == "PPM")
            rgb.info = {}
            return rgb


def decode_image(data: bytes) -> Image.Image:
    """Decodes bytes to an upright 8-bit RGB image, or says why that is impossible.

    EXIF rotation is applied; palette, CMYK and grey are converted; 16-bit is scaled to 8; transparency is laid over
    white; colour profiles and other metadata are dropped. Refused, because no honest single picture can be made of
    them: more than one frame, more than `MAX_PIXELS` pixels, a side under `MIN_SIDE` pixels, 32-bit pixels, truncated
    or unknown files.

    Raises:
        ImageError: with the reason.
    """
    return OpenedImage(data).decode()


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Lets an `ImageError` within the block say which of a sample's images is at fault."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{name} image: {error}") from error


def image_kind(data: bytes) -> str:
    """Format and pixel mode as stored, e.g. `PNG RGBA` or `JPEG CMYK`, of bytes that `decode_image` accepts."""
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    return f"{image.format} {image.mode}"


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height as the file's header states them.

    Raises:
        ImageError: it is no picture, or one of a size that `decode_image` refuses.
    """
    return OpenedImage(data).size


def _opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width}×{height} pixels, above the limit of {MAX_PIXELS:,} (decompression bomb?)")
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{width}×{height} pixels: each side must have at least {MIN_SIDE}")
    return image


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"decompression bomb: {error}") from error
    except Exception as error:  # Pillow's plug-ins raise every kind of error on hostile files
        raise ImageError(f"not a readable image: {reason_of(error)}") from error


def _has_second_frame(image: Image.Image, data: bytes) -> bool:
    """Whether there is more than one; `n_frames` would walk through a hundred thousand of them for minutes."""
    if image.format == "JPEG":
        return False
    if image.format in ("PNG", "WEBP"):  # their headers say how many
        return getattr(image, "n_frames", 1) > 1
    try:
        Image.open(io.BytesIO(data), formats=FORMATS).seek(1)
    except EOFError:
        return False
    return True


def _to_rgb(image: Image.Image, *, is_pgm: bool) -> Image.Image:
    # Pillow opens 16-bit PGM, alone of all formats, as mode I with values up to 65535.
    if image.mode.startswith("I;16") or (is_pgm and image.mode == "I"):
        return _in_strips(image, _eight_bits)
    if image.mode in ("I", "F"):
        raise ImageError(f"pixels of 32 bits (mode {image.mode}) have no agreed white: store 8 or 16 bits")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return over_white(image)
    return _plain(image)


def _plain(image: Image.Image) -> Image.Image:
    """An RGB image that is no file's any more; pixels that are RGB already are not copied."""
    if image.mode != "RGB":
        return image.convert("RGB")
    image.load()
    return image._new(image.im)


def open_rgb(path: Path) -> Image.Image:
    """The pixels of a picture that EditLoop itself has stored."""
    return _plain(Image.open(path))


def over_white(image: Image.Image) -> Image.Image:
    """The RGB picture that a transparent one shows on white."""
    return _in_strips(image, _strip_over_white)


def _in_strips(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """A picture made RGB a strip at a time: whole copies of a large one cost gigabytes."""
    rgb = Image.new("RGB", image.size)
    for top in range(0, image.height, STRIP_ROWS):
        strip = image.crop((0, top, image.width, min(top + STRIP_ROWS, image.height)))
        rgb.paste(convert(strip), (0, top))
    return rgb


def _strip_over_white(strip: Image.Image) -> Image.Image:
    white = Image.new("RGBA", strip.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, strip.convert("RGBA"))


def _eight_bits(strip: Image.Image) -> Image.Image:
    return strip.convert("I").point(lambda value: value * (1 / 256)).convert("L").convert("RGB")


def shrunk(image: Image.Image, most_pixels: int) -> Image.Image:
    """The image scaled down (Lanczos) until width times height are at most so many, its proportions kept."""
    scale = (most_pixels / (image.width * image.height)) ** 0.5
    size = (max(MIN_SIDE, int(image.width * scale)), max(MIN_SIDE, int(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def encode_png(image: Image.Image) -> bytes:
    """Lossless PNG bytes of an image, which is made RGB as by `decode_image` if it is not yet."""
    return rgb_png(image if image.mode == "RGB" else _to_rgb(image, is_pgm=False))
