"""Images as data URLs, each resized and encoded once however many questions are asked of it."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from src.data.image import STRIP_ROWS, encode_png

KEPT = 64
"""Encoded images that are remembered; the longest unused one is forgotten first."""
LOSSLESS = 100
"""The quality of a policy without a lossy format."""


@dataclass(frozen=True)
class ImagePolicy:
    """How an image is scaled and compressed before a model sees it: part of the model's identity."""

    max_side: int | None
    """Larger images are scaled down (Lanczos) until their longer side has so many pixels; None sends all pixels."""
    format: Literal["png", "jpeg"]
    quality: int
    """JPEG quality, 1–100; PNG is lossless."""


class ImageEncoder:
    """Encodes by a policy and remembers; may be used by several threads at once."""

    def __init__(self, policy: ImagePolicy) -> None:
        self._policy = policy
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[bytes, ImagePolicy], Future[str]] = OrderedDict()

    def data_url(self, image: Image.Image, policy: ImagePolicy | None = None) -> str:
        """The image as a `data:` URL; images of equal pixels are encoded once, also when two threads ask at once.

        Args:
            image: In any mode; it is encoded as RGB.
            policy: How it is encoded, where that is not the encoder's own policy.
        """
        policy = policy or self._policy
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        key = (_digest(rgb), policy)
        with self._lock:
            known = self._kept.get(key)
            future = known or Future()
            self._kept[key] = future
            self._kept.move_to_end(key)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        if known is None:
            try:
                future.set_result(encode(rgb, policy))
            except BaseException as error:  # whoever waits for this image must hear of it too
                self._kept.pop(key, None)
                future.set_exception(error)
        return future.result()


def _digest(image: Image.Image) -> bytes:
    found = hashlib.sha256(f"{image.size}".encode())
    for top in range(0, image.height, STRIP_ROWS):  # a large picture is not copied as a whole
        found.update(image.crop((0, top, image.width, min(top + STRIP_ROWS, image.height))).tobytes())
    return found.digest()


def encode(image: Image.Image, policy: ImagePolicy) -> str:
    """Encodes an RGB image as a `data:` URL."""
    longest = max(image.size)
    if policy.max_side is not None and longest > policy.max_side:
        width, height = (max(1, round(side * policy.max_side / longest)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    if policy.format == "png":
        data = encode_png(image)
    else:
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=policy.quality)
        data = buffer.getvalue()
    return f"data:image/{policy.format};base64,{base64.b64encode(data).decode('ascii')}"
