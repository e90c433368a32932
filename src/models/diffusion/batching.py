"""`edit_each`: a list of requests through one editor, with every way in which an editor can fail turned into data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from src.data.image import ImageError, LazyImage
from src.data.sample import MAX_INSTRUCTION
from src.errors import ModelUnusable
from src.models.base import named_arguments
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.edit_input import EditInput
from src.models.diffusion.generation_model import GenerationModel
from src.reasons import is_failure, reason_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EditRequest:
    """What an editor is asked to do."""

    source: Image.Image | None
    """RGB pixels. They stay as they are: the editor gets a copy. None asks for a picture of text alone."""
    instruction: str
    seed: int = 0
    sample_id: str = ""
    further: tuple[Image.Image, ...] = ()
    """The source pictures after the first one, where there are several; they stay as they are, like `source`."""
    conditioning: EditInput | None = None
    """What is given in the place of the instruction to an editor that can take it."""


@dataclass(frozen=True)
class EditFailure:
    """Why there is no edit."""

    reason: str
    of_source: bool = False
    """Whether the source could not be decoded: no editor can do anything about it."""


def decoded_request(
    decode: Callable[[], Image.Image | None],
    instruction: str,
    seed: int,
    sample_id: str,
    further: Sequence[LazyImage] = (),
    conditioning: EditInput | None = None,
) -> EditRequest | EditFailure:
    """The request for an edit of sources that are decoded now, or why that is impossible."""
    try:
        others = tuple(picture.decode() for picture in further)
        return EditRequest(decode(), instruction, seed, sample_id, others, conditioning)
    except ImageError as error:
        logger.warning("the source of %s cannot be decoded: %s", sample_id, error)
        return EditFailure(f"source image: {error}", of_source=True)


def edit_each(editor: BaseDiffusionModel, requests: Sequence[EditRequest]) -> list[Image.Image | EditFailure]:
    """One RGB picture or failure for each request, in order.

    Several requests are edited in one batch. A batch that fails as a whole is tried one by one, so that only the
    culprit is lost; so is one with an instruction above the limit, which no editor gets to see, one with a request
    of several source pictures, which batches do not have, and one of edits and pictures of text alone together.

    Raises:
        ModelUnusable: when the editor says that it can serve no request at all.
    """
    of_one_kind = len({request.source is None for request in requests}) == 1
    if len(requests) > 1 and of_one_kind and all(map(_fits_into_a_batch, requests)):
        try:
            return [_checked(image) for image in edit_together(editor, requests)]
        except ModelUnusable:
            raise
        except BaseException as error:  # an editor may fail in any way, also by sys.exit
            if not is_failure(error):
                raise
            logger.warning("a batch of %d edits failed (%r); editing one by one", len(requests), error)
    return [_edit_alone(editor, request) for request in requests]


def _fits_into_a_batch(request: EditRequest) -> bool:
    return len(request.instruction) <= MAX_INSTRUCTION and not request.further


def edit_together(editor: BaseDiffusionModel, requests: Sequence[EditRequest]) -> list[Image.Image]:
    """What the editor returns for one call with all requests; its method for batches is called for more than one.

    Raises:
        TypeError: the editor did not return one image for each request.
        Exception: whatever the editor raises.
    """
    if len(requests) == 1:
        return [_made_alone(editor, requests[0])]
    sources = [request.source.copy() for request in requests if request.source is not None]
    texts = [request.instruction for request in requests]
    seeds = {"seeds": [one.seed for one in requests], "sample_ids": [one.sample_id for one in requests]}
    given: dict[str, Any] = {}
    if any(one.conditioning is not None for one in requests):
        given["conditionings"] = [one.conditioning for one in requests]
    edited: Any
    if sources:
        edited = editor.batch_edit(sources, texts, **named_arguments(editor.batch_edit, **seeds), **given)
    else:
        generator = _generator(editor)
        edited = generator.batch_generate(texts, **named_arguments(generator.batch_generate, **seeds), **given)
    if not isinstance(edited, list) or len(edited) != len(requests):
        raise TypeError(f"{'batch_edit' if sources else 'batch_generate'} must return a list of {len(requests)} images")
    return edited


def _made_alone(editor: BaseDiffusionModel, one: EditRequest) -> Image.Image:
    offered: dict[str, Any] = {"seed": one.seed, "sample_id": one.sample_id}
    given = {} if one.conditioning is None else {"conditioning": one.conditioning}
    if one.source is None:
        generator = _generator(editor)
        named = named_arguments(generator.generate_image, **offered)
        return generator.generate_image(one.instruction, **named, **given)
    if one.further:
        offered["further_images"] = [picture.copy() for picture in one.further]
    named = named_arguments(editor.edit_image, **offered)
    return editor.edit_image(one.source.copy(), one.instruction, **named, **given)


def _generator(editor: BaseDiffusionModel) -> GenerationModel:
    if not isinstance(editor, GenerationModel):
        raise TypeError(f"{type(editor).__name__} edits pictures, and there is none to edit")
    return editor


def _edit_alone(editor: BaseDiffusionModel, request: EditRequest) -> Image.Image | EditFailure:
    if (length := len(request.instruction)) > MAX_INSTRUCTION:
        return EditFailure(f"the instruction has {length:,} characters, above the limit of {MAX_INSTRUCTION:,}")
    try:
        return _checked(*edit_together(editor, [request]))
    except ModelUnusable:
        raise
    except BaseException as error:  # an editor may fail in any way; the sample is counted, the run goes on
        if not is_failure(error):
            raise
        logger.warning("editing %s failed: %r", request.sample_id, error)
        return EditFailure(reason_of(error))


def _checked(image: object) -> Image.Image | EditFailure:
    if not isinstance(image, Image.Image):
        return EditFailure(f"the editor returned {type(image).__name__} instead of an image")
    if min(image.size) < 1:
        return EditFailure(f"the editor returned an empty image of {image.width}×{image.height} pixels")
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    rgb.getpixel((0, 0))  # raises for a closed picture, and for a file that breaks off
    return rgb
