"""One call of an editor, with every way it can fail turned into data."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from src.data.sample import EditSample
from src.errors import ModelUnusable
from src.models.base import named_arguments
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.pipeline.record import SampleKeys, Sizes
from src.reasons import reason_of

logger = logging.getLogger(__name__)


@dataclass
class Job:
    """A sample on its way through the stages."""

    sample: EditSample
    keys: SampleKeys
    source: Image.Image | None = None
    """Decoded where it is first needed."""
    edited: Image.Image | None = None
    lost: str | None = None
    """SHA-256 of the picture that its edit once had."""
    judged: bool = False
    """Its verdict is known, and stands unless the edit, whose picture was lost, comes out differently."""
    edit_seconds: float = 0.0

    @property
    def sizes(self) -> Sizes | None:
        """Of source and edit, as soon as both are there."""
        return (self.source.size, self.edited.size) if self.source and self.edited else None


@dataclass(frozen=True)
class EditFailure:
    """Why there is no edit."""

    reason: str


def edit_jobs(editor: BaseDiffusionModel, jobs: Sequence[Job]) -> list[Image.Image | EditFailure]:
    """The edits in order; a batch that fails as a whole is tried one by one, so that only the culprit is lost.

    Raises:
        ModelUnusable: when the editor says that it can serve no sample.
    """
    if len(jobs) > 1:
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
    assert job.source is not None, f"{job.sample.sample_id} reached the editor undecoded"
    return job.source.copy()


def _checked(image: object) -> Image.Image | EditFailure:
    if not isinstance(image, Image.Image):
        return EditFailure(f"the editor returned {type(image).__name__} instead of an image")
    if min(image.size) < 1:
        return EditFailure(f"the editor returned an empty image of {image.width}×{image.height} pixels")
    return image if image.mode == "RGB" else image.convert("RGB")
