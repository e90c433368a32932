from __future__ import annotations

import base64
import contextlib
import io
import os
import random
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from src.data.image import ImageError, LazyImage, content_hash, decode_image, encode_png, over_white


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


@given(st.integers(1, 40), st.integers(1, 40), st.randoms(use_true_random=False), st.booleans())
def test_rgb_pixels_survive_a_round_trip(width: int, height: int, dice: random.Random, flat: bool) -> None:
    pixels = bytes(width * height * 3) if flat else dice.randbytes(width * height * 3)
    data = encode_png(Image.frombytes("RGB", (width, height), pixels))
    Image.open(io.BytesIO(data)).verify()
    read = Image.open(io.BytesIO(data))
    assert (read.format, read.mode, read.size, read.tobytes()) == ("PNG", "RGB", (width, height), pixels)


def test_a_picture_of_another_mode_is_written_as_the_rgb_that_it_is_read_as() -> None:
    see_through = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert decode_image(encode_png(see_through)).getpixel((0, 0)) == (255, 255, 255)
    assert decode_image(encode_png(Image.new("L", (8, 8), 7))).getpixel((0, 0)) == (7, 7, 7)


def test_cmyk_becomes_rgb() -> None:
    decoded = decode_image(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))
    assert decoded.mode == "RGB"
    red, green, blue = decoded.getpixel((8, 8))
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (32768, 128), (65535, 255)])
def test_sixteen_bits_are_scaled_to_eight(value: int, expected: int) -> None:
    assert decode_image(encoded(Image.new("I;16", (16, 16), value))).getpixel((3, 3)) == (expected,) * 3


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_of_thirty_two_bits_are_refused(mode: str) -> None:
    with pytest.raises(ImageError, match="no agreed white"):
        decode_image(encoded(Image.new(mode, (16, 16), 7), "TIFF"))


def test_transparency_is_laidover_white() -> None:
    assert decode_image(encoded(Image.new("RGBA", (16, 16), (0, 0, 0, 0)))).getpixel((0, 0)) == (255, 255, 255)
    assert decode_image(encoded(Image.new("LA", (16, 16), (0, 128)))).getpixel((0, 0)) == (127, 127, 127)


def test_a_transparent_palette_entry_is_white_and_others_keep_their_colour() -> None:
    image = Image.new("P", (16, 16), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((5, 5), 1)
    decoded = decode_image(encoded(image, transparency=0))
    assert decoded.getpixel((0, 0)) == (255, 255, 255)
    assert decoded.getpixel((5, 5)) == (200, 100, 50)


def test_an_exif_rotated_photo_comes_upright() -> None:
    image = Image.new("RGB", (32, 16), "black")
    image.paste("white", (0, 0, 8, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90°
    decoded = decode_image(encoded(image, "JPEG", exif=exif))
    assert decoded.size == (16, 32)
    assert decoded.getpixel((8, 2))[0] > 200
    assert decoded.getpixel((8, 28))[0] < 60


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_refused(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue", "green")]
    with pytest.raises(ImageError, match="it has several frames"):
        decode_image(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))


@pytest.mark.parametrize("size", [(1, 1), (7, 100), (100, 7)])
def test_a_picture_with_nothing_to_edit_in_it_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="at least 8"):
        decode_image(encoded(Image.new("RGB", size)))


def bomb(side: int) -> bytes:
    """A PNG of side² pixels that takes a few bytes: its header promises what its data never holds."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [10_000, 30_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(side: int) -> None:
    with pytest.raises(ImageError, match="decompression bomb"):
        decode_image(bomb(side))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_file_is_refused(kind: str) -> None:
    data = encoded(Image.effect_noise((64, 64), 90).convert("RGB"), kind)
    with pytest.raises(ImageError, match="not a readable image"):
        decode_image(data[: len(data) // 2])


@pytest.mark.parametrize("data", [b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="not a readable image"):
        decode_image(data)


@given(st.binary(max_size=300))
def test_any_bytes_give_rgb_pixels_or_an_image_error(data: bytes) -> None:
    with contextlib.suppress(ImageError):
        assert decode_image(data).mode == "RGB"


@given(st.binary(max_size=40), st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_png_gives_rgb_pixels_or_an_image_error(tail: bytes, position: int, value: int) -> None:
    data = bytearray(encoded(Image.effect_noise((12, 12), 50).convert("RGB")) + tail)
    data[position % len(data)] = value
    with contextlib.suppress(ImageError):
        assert decode_image(bytes(data)).mode == "RGB"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_upright(orientation: int) -> None:
    upright = Image.new("L", (24, 16), 0)
    upright.paste(255, (0, 0, 6, 4))
    stored_as = [None, *(Image.Transpose(way) for way in (0, 3, 1, 5, 2, 6, 4))][orientation - 1]
    stored = upright if stored_as is None else upright.transpose(stored_as)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert decode_image(encoded(stored, exif=exif)).tobytes() == upright.convert("RGB").tobytes()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_sixteen_bits_in_every_format(kind: str) -> None:
    assert decode_image(encoded(Image.new("I;16", (16, 16), 40_000), kind)).getpixel((3, 3)) == (156,) * 3


def test_a_phones_jpeg_with_a_second_picture_inside_is_its_first() -> None:
    photo, preview = Image.new("RGB", (16, 16), "white"), Image.new("RGB", (8, 8), "black")
    assert decode_image(encoded(photo, "MPO", save_all=True, append_images=[preview])).getpixel((2, 2))[0] > 250


def test_profiles_and_metadata_do_not_reach_what_is_written_later() -> None:
    source = decode_image(encoded(Image.new("RGB", (16, 16)), icc_profile=b"a profile"))
    assert source.info == {}
    assert b"iCCP" not in encode_png(source)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM"])
def test_no_truncation_loses_a_pixel_silently(kind: str) -> None:
    data = encoded(Image.effect_noise((40, 40), 90).convert("RGB"), kind)
    whole = decode_image(data).tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for length in range(0, len(data), max(1, len(data) // 60)):
            with contextlib.suppress(ImageError):
                assert decode_image(data[:length]).tobytes() == whole


def test_decoding_in_threads_leaves_the_warning_filters_alone() -> None:
    data, before = encoded(Image.new("RGB", (16, 16))), list(warnings.filters)
    threads = [threading.Thread(target=lambda: [decode_image(data) for _ in range(300)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_base64_may_be_broken_into_lines() -> None:
    data = encode_png(Image.effect_noise((16, 16), 90).convert("RGB"))
    assert LazyImage(base64_text=base64.encodebytes(data).decode()).read_bytes() == data


def test_a_pipe_is_refused_instead_of_being_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match=r"pipe\.png is not a regular file"):
        LazyImage(path=tmp_path / "pipe.png").read_bytes()


def test_base64_may_have_a_data_prefix(tmp_path: Path) -> None:
    data = encode_png(Image.new("RGB", (9, 9), "red"))
    text = "data:image/png;base64," + base64.b64encode(data).decode()
    (tmp_path / "a.png").write_bytes(data)
    for image in (LazyImage(base64_text=text), LazyImage.from_bytes(data), LazyImage(path=tmp_path / "a.png")):
        assert content_hash(image.read_bytes()) == content_hash(data)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (LazyImage(base64_text="!!!!"), "not valid base64"),
        (LazyImage(base64_text="AAA"), "not valid base64"),
        (LazyImage(base64_text=""), "empty"),
        (LazyImage(base64_text="数据"), "not valid base64"),
        (LazyImage(path=Path("no/such/file.png")), "No such file"),
        (LazyImage(path=Path("a\0b.png")), "not a possible file name"),
        (LazyImage(path=Path("a\ud800.png")), "not a possible file name"),
    ],
)
def test_an_unreadable_source_says_why(image: LazyImage, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        image.read_bytes()


def test_a_file_of_very_many_frames_is_refused_without_counting_them(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    pages = [Image.new("L", (8, 8), shade) for shade in range(3)]
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    monkeypatch.setattr(TiffImageFile, "n_frames", property(lambda file: pytest.fail("the frames were counted")))
    with pytest.raises(ImageError, match="it has several frames"):
        decode_image(buffer.getvalue())


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "RGB"])
def test_a_picture_laidover_white_in_strips_equals_one_laid_at_once(mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 40, 4), dtype=np.uint8)
    image = Image.fromarray(noise)
    if mode == "P":
        image = image.convert("RGB").quantize(16)
        image.info["transparency"] = 3
    elif mode == "PA":
        image = image.convert("RGB").quantize(16).convert("PA")
    elif mode == "RGB":
        image = image.convert("RGB")
        image.info["transparency"] = tuple(noise[300, 20, :3].tolist())
    else:
        image = image.convert(mode)
    at_once = image.convert("RGBA")
    at_once = Image.alpha_composite(Image.new("RGBA", at_once.size, (255, 255, 255, 255)), at_once).convert("RGB")
    assert over_white(image).tobytes() == at_once.tobytes()
