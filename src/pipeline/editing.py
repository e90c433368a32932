"""One call of an editor, with every way it can fail turned into data."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from src.data.image import ImageError, LazyImage, encode_png
from src.data.sample import MAX_INSTRUCTION, EditSample
from src.errors import ModelUnusable
from src.models.base import named_arguments
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.pipeline.pixels import PixelBudget, decoded_bytes
from src.pipeline.record import SampleKeys, Sizes
from src.reasons import reason_of

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Job:
    """A sample on its way through the stages, with its pixels where the budget allows."""

    sample: EditSample
    keys: SampleKeys
    canvas: LazyImage | None = None
    """What is edited; None is the sample's source."""
    source: Image.Image | None = None
    """The canvas decoded."""
    source_size: tuple[int, int] = (0, 0)
    edited: Image.Image | None = None
    png: bytes | None = None
    """The edit, from its making until it is stored, when its pixels found no room."""
    edited_size: tuple[int, int] | None = None
    lost: str | None = None
    """SHA-256 of the picture that its edit once had."""
    judged: bool = False
    """Its verdict is known, and stands unless the edit, whose picture was lost, comes out differently."""
    edit_seconds: float = 0.0

    @property
    def sizes(self) -> Sizes | None:
        """Of source and edit, as soon as both are known."""
        return (self.source_size, self.edited_size) if self.edited_size else None

    @property
    def editing_bytes(self) -> int:
        """Of the source, the editor's own copy of it, and an edit of the same size."""
        return 3 * decoded_bytes(self.source_size)

    @property
    def judging_bytes(self) -> int:
        """Of the source and the edit."""
        return decoded_bytes(self.source_size) + decoded_bytes(self.edited_size or self.source_size)

    def decode(self) -> Image.Image:
        """The source. Raises `ImageError`."""
        if self.source is None:
            self.source = (self.canvas or self.sample.source).decode()
            self.source_size = self.source.size
        return self.source

    def rest(self, pixels: PixelBudget) -> None:
        """To be called before the job waits: its pictures stay decoded if there is room for them."""
        held = [picture for picture in (self.source, self.edited) if picture is not None]
        if not pixels.keep(self, sum(decoded_bytes(picture.size) for picture in held)):
            if self.edited is not None:
                self.png = encode_png(self.edited)
            self.source = self.edited = None

    def take_png(self) -> bytes:
        """The edit to be stored, from where it is read from then on if its pixels had no room."""
        if self.png is not None:
            png, self.png = self.png, None
            return png
        assert self.edited is not None, f"{self.sample.sample_id} reached the store without an edit"
        return encode_png(self.edited)

    def leave(self, pixels: PixelBudget) -> None:
        """Its pictures are not needed any more."""
        self.source = self.edited = self.png = None
        pixels.drop(self)


@dataclass(frozen=True)
class EditFailure:
    """Why there is no edit."""

    reason: str
    of_source: bool = False
    """Whether the source could not be decoded: no editor can do anything about it."""


def edit_jobs(editor: BaseDiffusionModel, jobs: Sequence[Job], pixels: PixelBudget) -> list[EditFailure | None]:
    """Edits in order; each job then holds its edit and rests, or has left with its failure.

    The jobs are edited together as far as the budget allows. A batch that fails as a whole is tried one by one, so that
    only the culprit is lost.

    Raises:
        ModelUnusable: when the editor says that it can serve no sample.
    """
    failures: list[EditFailure | None] = []
    for portion, amount in pixels.portions(jobs, lambda job: job.editing_bytes):
        with pixels.use(amount, portion):
            started = time.perf_counter()
            outcomes = _outcomes(editor, portion)
            seconds = (time.perf_counter() - started) / len(portion)
            for job, outcome in zip(portion, outcomes, strict=True):
                failures.append(_settle(job, outcome, seconds, pixels))
    return failures


def _settle(job: Job, outcome: Image.Image | EditFailure, seconds: float, pixels: PixelBudget) -> EditFailure | None:
    job.edit_seconds = seconds
    if isinstance(outcome, EditFailure):
        job.leave(pixels)
        return outcome
    job.edited, job.edited_size = outcome, outcome.size
    job.rest(pixels)
    return None


def _outcomes(editor: BaseDiffusionModel, jobs: Sequence[Job]) -> list[Image.Image | EditFailure]:
    if len(jobs) > 1 and all(len(job.sample.instruction) <= MAX_INSTRUCTION for job in jobs):
        try:
            return _edit_batch(editor, jobs)
        except ModelUnusable:
            raise
        except Exception as error:  # an editor may fail in any way
            logger.warning("a batch of %d edits failed (%r); editing one by one", len(jobs), error)
    return [_edit_one(editor, job) for job in jobs]


def _edit_batch(editor: BaseDiffusionModel, jobs: Sequence[Job]) -> list[Image.Image | EditFailure]:
    edited = editor.batch_edit(
        [_private_copy(job) for job in jobs],
        [job.sample.instruction for job in jobs],
        **named_arguments(
            editor.batch_edit,
            seeds=[job.keys.seed for job in jobs],
            sample_ids=[job.sample.sample_id for job in jobs],
        ),
    )
    if not isinstance(edited, list) or len(edited) != len(jobs):
        raise TypeError(f"batch_edit must return a list of {len(jobs)} images")
    return [_checked(image) for image in edited]


def _edit_one(editor: BaseDiffusionModel, job: Job) -> Image.Image | EditFailure:
    if (length := len(job.sample.instruction)) > MAX_INSTRUCTION:
        return EditFailure(f"the instruction has {length:,} characters, above the limit of {MAX_INSTRUCTION:,}")
    try:
        job.decode()
    except ImageError as error:
        logger.warning("the source of %s cannot be decoded: %s", job.sample.sample_id, error)
        return EditFailure(f"source image: {error}", of_source=True)
    arguments = named_arguments(editor.edit_image, seed=job.keys.seed, sample_id=job.sample.sample_id)
    try:
        return _checked(editor.edit_image(_private_copy(job), job.sample.instruction, **arguments))
    except ModelUnusable:
        raise
    except Exception as error:  # an editor may fail in any way; the sample is counted, the run goes on
        logger.warning("editing %s failed: %r", job.sample.sample_id, error)
        return EditFailure(reason_of(error))


def _private_copy(job: Job) -> Image.Image:
    """The judge must see the source as it was, even if the editor works in place."""
    return job.decode().copy()


def _checked(image: object) -> Image.Image | EditFailure:
    if not isinstance(image, Image.Image):
        return EditFailure(f"the editor returned {type(image).__name__} instead of an image")
    if min(image.size) < 1:
        return EditFailure(f"the editor returned an empty image of {image.width}×{image.height} pixels")
    return image if image.mode == "RGB" else image.convert("RGB")
