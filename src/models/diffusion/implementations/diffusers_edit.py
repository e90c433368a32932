"""`DiffusersEditModel`: any image-editing pipeline of diffusers, by the name of its class."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import pydantic
from PIL import Image

from src.errors import ConfigError, did_you_mean
from src.models.diffusion.condition_size import fit_area
from src.models.diffusion.global_noise import own_noise
from src.models.diffusion.pipeline_choice import editing_pipeline, is_unlisted, require_same_parts
from src.models.diffusion.pipeline_editor import PipelineEditor, PipelineParams
from src.models.diffusion.pipeline_index import stored_index
from src.models.diffusion.pipeline_table import EditingPipeline
from src.models.diffusion.steps_without_effect import fixed_steps

logger = logging.getLogger(__name__)

_OURS = {"self", "prompt", "generator", "num_inference_steps", "output_type", "return_dict"}
_DISTILLED = {"guidance_scale": "the checkpoint is distilled and samples without guidance"}
_TRUE_GUIDANCE = {
    "FluxKontextPipeline": 1.0,
    "QwenImageEditPipeline": 4.0,
    "QwenImageEditPlusPipeline": 4.0,
    "QwenImage21Pipeline": 1.0,
}
"""The pipelines' own `true_cfg_scale`, which alone decides whether a negative prompt is read."""
_ALWAYS_GUIDED = ("ZImageOmniPipeline", "DreamLitePipeline")
"""These read a negative prompt at a scale of 1 and below, too."""


class DiffusersEditModel(PipelineEditor):
    """Edits with a pipeline that takes a picture and an instruction: FLUX.1 Kontext, FLUX.2, InstructPix2Pix, …

    How each is called is in `PIPELINES`. Pictures share a call only where a test proves that each is edited as if
    alone; elsewhere `batch_size` is 1, whatever the params say.

    Raises:
        ConfigError: on construction, for a pipeline that edits no images, or `call_params` that it does not know.
    """

    VERSION: ClassVar[str] = "2"

    class Params(PipelineParams):
        """What the pipeline's own defaults do not decide."""

        pipeline_class: str = "auto"
        """Name of a diffusers class; `auto` is the one that the checkpoint names."""
        call_params: dict[str, Any] = pydantic.Field(default_factory=dict)
        """Further arguments of each call, such as `guidance_scale`; what is left out is the pipeline's own default."""
        resolution: Annotated[int, pydantic.Field(ge=16, le=8192)] | None = None
        """Side in pixels of the square whose area source and edit get; both keep the source's aspect ratio.

        None is the pipeline's own: the size of the source, about a megapixel, or one of a few fixed sizes. Sides are
        rounded to what the pipeline can make.
        """

    MEMORY_SETTINGS: ClassVar[str] = (
        "resolution or batch_size (smaller), offload (model, sequential) or dtype (bfloat16)"
    )

    @classmethod
    def check_weights(cls, params: dict[str, Any]) -> None:
        """Refuses what the pipeline cannot do, and logs the settings that have no effect on it."""
        checked = cls.Params(**params)
        row = _row(checked)
        if not checked.call_params.keys() <= row.guidance.keys():
            import diffusers  # which takes seconds: only where the table does not know the argument

            _check_call_params(row, checked.call_params, getattr(diffusers, row.name))
        for sentence in _settings_without_effect(row, checked, stored_index(checked.model_name, checked.revision)):
            logger.warning("diffusion_model.params for %s: %s", row.name, sentence)

    @classmethod
    def _own_defaults(cls, params: Any) -> dict[str, Any]:
        row = _row(params)
        steps = row.steps if params.num_inference_steps is None else params.num_inference_steps
        return {
            "pipeline_class": row.name,
            "num_inference_steps": steps,
            "call_params": {**row.guidance, **params.call_params},
        }

    @classmethod
    def _shares_calls(cls, params: Any) -> bool:
        return _row(params).shares_calls

    def _initialize(self) -> None:
        self.row = _row(self.params)
        super()._initialize()

    def _class_name(self) -> str:
        return self.row.name

    def _check(self, pipeline_class: Any) -> None:
        _check_call_params(self.row, self.params.call_params, pipeline_class)

    def _prepare(self) -> None:
        if not self.row.shares_calls:
            self.batch_size = 1

    @classmethod
    def takes_further_images(cls, params: Mapping[str, Any]) -> bool:
        """Whether the pipeline makes one picture of several, as its table says."""
        return _row(cls.Params(**params)).several

    def edit_image(
        self,
        original_image: Image.Image,
        edit_instruction: str,
        seed: int | None = None,
        *,
        further_images: list[Image.Image] | None = None,
        **kwargs: Any,
    ) -> Image.Image:
        """Edits one RGB image, or makes one of several, in the size of the first; see `PipelineEditor.edit_image`."""
        if not further_images:
            return super().edit_image(original_image, edit_instruction, seed, **kwargs)
        pictures = [self._scaled(picture) for picture in (original_image, *further_images)]
        given = self._sources_and_prompt(pictures, self.plain(edit_instruction))
        return super().edit_image(original_image, edit_instruction, seed, **given, **kwargs)

    def _call_arguments(self, images: list[Image.Image], instructions: list[str]) -> dict[str, Any]:
        arguments = {**self.row.guidance, **self.params.call_params}
        if (size := self._size(images[0])) is not None:
            arguments |= self.row.size(*size)
            if self.params.resolution is not None:
                arguments |= self.row.when_scaled
        images = [self._scaled(image) for image in images]
        if not self.row.shares_calls:
            (image,), (instruction,) = images, instructions
            return arguments | self._sources_and_prompt([image], instruction)
        prompts = [self.row.prompt(instruction, 1) for instruction in instructions]
        texts = {name: [value] * len(images) for name, value in arguments.items() if isinstance(value, str)}
        return {**arguments, **texts, self.row.image: images, "prompt": prompts}

    def _sources_and_prompt(self, pictures: list[Image.Image], instruction: str) -> dict[str, Any]:
        """The arguments of a call for one edit of these pictures."""
        alone = pictures[0] if len(pictures) == 1 else pictures
        nested = {"one": alone, "list": pictures, "list of lists": [pictures]}
        return {self.row.image: nested[self.row.pictures], "prompt": self.row.prompt(instruction, len(pictures))}

    def _scaled(self, picture: Image.Image) -> Image.Image:
        """A source as large as the pipeline is to see it, where it does not scale sources itself."""
        size = self._size(picture)
        if size is None or size == picture.size or (self.params.resolution is None and self.row.area is not None):
            return picture
        return picture.resize(size, Image.Resampling.LANCZOS)

    def _size(self, source: Image.Image) -> tuple[int, int] | None:
        """Width and height of the edit; None lets the pipeline pick one of its own sizes."""
        own = source.width * source.height
        if self.params.resolution is not None:
            area = self.params.resolution**2
        elif self.row.own_sizes:
            return None
        else:
            area = self.row.area or min(max(own, self.row.smallest or own), self.row.largest or own)
        names = ("vae_scale_factor", "vae_scale_factor_spatial")
        factor = next((int(getattr(self.pipe, name)) for name in names if hasattr(self.pipe, name)), 8)
        return fit_area(area, source.width / source.height, self.row.multiple * factor)

    def _calling(self, images: list[Image.Image], seeds: list[int]) -> AbstractContextManager[Any]:
        stack = ExitStack()
        size = self._size(images[0])
        if self.params.resolution is not None and self.row.resizing is not None and size is not None:
            stack.enter_context(self.row.resizing(self.pipe, *size))
        if self.row.mending is not None and size is not None:
            stack.enter_context(self.row.mending(self.pipe, *size))
        if self.row.draws_globally:
            stack.enter_context(own_noise(seeds[0]))
        return stack

    def _pixels(self, result: Any) -> Any:
        found = result[self.row.output]
        return found[:, -1] if self.row.output == "frames" else found


def _row(params: Any) -> EditingPipeline:
    """Raises `ConfigError` for what cannot edit, and for a number type in which it cannot."""
    index = stored_index(params.model_name, params.revision)
    name = index["_class_name"] if params.pipeline_class == "auto" else params.pipeline_class
    row = editing_pipeline(name)
    require_same_parts(name, index["_class_name"], params.model_name)
    if index.get("is_distilled") and "guidance_scale" in row.guidance:
        row = replace(row, guidance={**row.guidance, "guidance_scale": 1.0}, ignored={**row.ignored, **_DISTILLED})
    if row.dtype is not None and params.dtype != row.dtype:
        raise ConfigError(f"diffusion_model.params.dtype {params.dtype}: {name} runs in {row.dtype} only; set it")
    return row


def _check_call_params(row: EditingPipeline, call_params: dict[str, Any], pipeline_class: Any) -> None:
    """Raises `ConfigError` for an argument that the pipeline lacks, or that is not free to set."""
    sizes = {*row.size(16, 16), *row.when_scaled}
    arguments = inspect.signature(pipeline_class.__call__).parameters.items()
    settable = {name for name, argument in arguments if not _holds_no_setting(name, argument)}
    free = sorted(settable - _OURS - sizes - {row.image})
    for key in call_params:
        if key not in free:
            instead = "set resolution instead" if key in sizes else f"it takes: {', '.join(free)}"
            raise ConfigError(
                f"diffusion_model.params.call_params.{key}: {row.name} has no such argument that is free to set."
                f"{did_you_mean(key, free)} Remove it; {instead}."
            )


def _holds_no_setting(name: str, argument: inspect.Parameter) -> bool:
    """Whether no value in a config can be right: tensors, pictures, functions, and more edits than one per sample."""
    made_by_code = ("Tensor", "Callable", "PIL.Image")
    return (
        argument.kind is argument.VAR_KEYWORD
        or name.startswith(("callback", "num_images_per", "num_videos_per"))
        or any(kind in str(argument.annotation) for kind in made_by_code)
    )


def _settings_without_effect(row: EditingPipeline, params: Any, index: dict[str, Any]) -> Iterator[str]:
    """A sentence for each setting that was made and changes nothing, and for what nothing is known of."""
    if is_unlisted(row):
        yield "nothing is proven of it: the table of docs/editors.md lacks it, and it is called as its signature says"
    if params.batch_size > 1 and not row.shares_calls:
        yield (
            f"batch_size {params.batch_size} is lowered to 1: in one call it does not edit several pictures as if each "
            "were alone (a list of them is one set of references for every prompt, or padding changes the pixels)"
        )
    calls = params.call_params
    for name in calls:
        if name in row.ignored:
            yield f"call_params.{name} has no effect: {row.ignored[name]}"
    if calls.get("true_cfg_scale", 1) > 1 and "negative_prompt" not in calls:
        yield "call_params.true_cfg_scale has no effect without a negative_prompt"
    scale = "guidance_scale" if "true_cfg_scale" not in calls and row.name not in _TRUE_GUIDANCE else "true_cfg_scale"
    strength = calls.get(scale, _TRUE_GUIDANCE.get(row.name, row.guidance.get(scale, 2)))
    if strength <= 1 and "negative_prompt" in calls and row.name not in _ALWAYS_GUIDED:
        yield f"call_params.negative_prompt has no effect: {scale} {strength:g} is no guidance; above 1 turns it on"
    yield from fixed_steps(params, index)
