"""`PendingEdit`: an edit from its request until its picture is stored, within the budget of decoded pixels."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image

from src.data.image import LazyImage, OpenedImage, encode_png
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.batching import EditFailure, EditRequest, decoded_request, edit_each
from src.models.diffusion.edit_input import EditInput
from src.pipeline.pixels import PixelBudget, decoded_bytes
from src.record.record import Sizes

MADE_SIZE = (1536, 1536)
"""Width and height for which a picture of text alone is taken before it is made."""


@dataclass(eq=False)
class PendingEdit:
    """An edit that waits, is made, or is made and not stored yet. It holds pixels only where the budget has room."""

    source: LazyImage | None
    """What is edited; None where a picture is made of text alone."""
    instruction: str
    """What the editor is told."""
    sample_id: str
    seed: int = 0
    further_sources: tuple[LazyImage, ...] = ()
    """The source pictures after the first one; see `EditSample.further_sources`."""
    conditioning: EditInput | None = None
    """What the editor is given in the place of the instruction; None for the instruction."""
    source_size: tuple[int, int] = (0, 0)
    further_bytes: int = 0
    """Bytes of the further sources when they are decoded."""
    edited_size: tuple[int, int] | None = None
    source_pixels: Image.Image | None = None
    edited_pixels: Image.Image | None = None
    edit_seconds: float = 0.0
    """The share of this edit in the wall time of its batch."""
    _png: bytes | None = field(default=None, init=False)
    """The edit, when its pixels found no room."""

    @property
    def sizes(self) -> Sizes | None:
        """Widths and heights of source and edit, as soon as both are known."""
        if self.edited_size is None:
            return None
        return self.source_size if self.source else None, self.edited_size

    @property
    def editing_bytes(self) -> int:
        """Bytes of the sources, of the editor's own copies of them, and of an edit of the size of the first one.

        A picture that is made of text alone is taken to be of a usual size, as its own is not known before.
        """
        if self.source is None:
            return decoded_bytes(MADE_SIZE)
        return 3 * decoded_bytes(self.source_size) + 2 * self.further_bytes

    def decode(self, opened: OpenedImage | None = None) -> Image.Image | None:
        """The pixels of the source, if there is one, from `opened` where its header has been read already.

        Raises:
            ImageError: the source is no usable picture.
        """
        if self.source_pixels is None and self.source is not None:
            self.source_pixels = opened.decode() if opened else self.source.decode()
            self.source_size = self.source_pixels.size
        return self.source_pixels

    def decode_within(self, pixels: PixelBudget, opened: OpenedImage | None = None) -> None:
        """Decodes the source as soon as there is room for it, and keeps its pixels if they may wait.

        Raises:
            ImageError: the source is no usable picture.
        """
        with pixels.use(decoded_bytes(self.source_size)):
            self.decode(opened)
            self.spill_if_full(pixels)

    def spill_if_full(self, pixels: PixelBudget) -> None:
        """Keeps the pictures decoded while the edit waits; without room in the budget, only the edit, as PNG."""
        held = [picture for picture in (self.source_pixels, self.edited_pixels) if picture is not None]
        if not pixels.keep(self, sum(decoded_bytes(picture.size) for picture in held)):
            if self.edited_pixels is not None:
                self._png = encode_png(self.edited_pixels)
            self.source_pixels = self.edited_pixels = None

    def take_png(self) -> bytes:
        """The picture of the edit as PNG, to be called once, after the edit was made."""
        if self._png is not None:
            png, self._png = self._png, None
            return png
        assert self.edited_pixels is not None, f"{self.sample_id} reached the store without an edit"
        return encode_png(self.edited_pixels)

    def take_encoded(self, png: bytes, size: tuple[int, int]) -> None:
        """Takes the picture of the edit as PNG, from where it was made."""
        self._png, self.edited_size = png, size

    def release_pixels(self, pixels: PixelBudget) -> None:
        """Drops the pictures and gives their share of the budget back."""
        self.source_pixels = self.edited_pixels = self._png = None
        pixels.drop(self)


def edit_within(
    pixels: PixelBudget, editor: BaseDiffusionModel, edits: Sequence[PendingEdit]
) -> list[EditFailure | None]:
    """Makes edits in order, as many at a time as the budget allows.

    Returns:
        None for each edit that now holds its picture, or why there is none.

    Raises:
        ModelUnusable: when the editor says that it can serve no request at all.
    """
    failures: list[EditFailure | None] = []
    for portion, amount in pixels.portions(edits, lambda edit: edit.editing_bytes):
        with pixels.use(amount, portion):
            started = time.perf_counter()
            outcomes = _outcomes(editor, portion)
            seconds = (time.perf_counter() - started) / len(portion)
            for edit, outcome in zip(portion, outcomes, strict=True):
                edit.edit_seconds = seconds
                failures.append(_failure(edit, outcome, pixels))
    return failures


def _failure(edit: PendingEdit, outcome: Image.Image | EditFailure, pixels: PixelBudget) -> EditFailure | None:
    """Gives the edit what the editor made of it, or returns why that is nothing."""
    if isinstance(outcome, EditFailure):
        edit.release_pixels(pixels)
        return outcome
    edit.edited_pixels, edit.edited_size = outcome, outcome.size
    edit.spill_if_full(pixels)
    return None


def _outcomes(editor: BaseDiffusionModel, edits: Sequence[PendingEdit]) -> list[Image.Image | EditFailure]:
    asked = [
        decoded_request(
            edit.decode, edit.instruction, edit.seed, edit.sample_id, edit.further_sources, edit.conditioning
        )
        for edit in edits
    ]
    edited = iter(edit_each(editor, [one for one in asked if isinstance(one, EditRequest)]))
    return [one if isinstance(one, EditFailure) else next(edited) for one in asked]
