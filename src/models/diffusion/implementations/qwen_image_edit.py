"""`QwenImageEditModel`: Qwen-Image-Edit, the 2509 and 2511 Plus checkpoints, and Qwen-Image-2.1."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from PIL import Image

from src.errors import ModelError
from src.models.diffusion.condition_size import condition_sizes, fit_area, rounding
from src.models.diffusion.conditioning import Conditioning, shown_to_encoder
from src.models.diffusion.pipeline_editor import PipelineEditor
from src.models.diffusion.pipeline_index import stored_index
from src.models.diffusion.pipeline_table import PIPELINES
from src.models.diffusion.prompt_template import template_prefix_length
from src.models.diffusion.qwen_kinds import KINDS, QwenKind, settings_without_effect
from src.models.diffusion.qwen_pipeline import QwenPipelineModel, QwenPipelineParams
from src.models.diffusion.scheduler_settings import stored_scheduler_with

logger = logging.getLogger(__name__)

Side = Annotated[int, pydantic.Field(ge=16, le=8192)]
"""Side in pixels of the square whose area is meant; pictures keep their aspect ratio."""


class QwenImageEditModel(QwenPipelineModel):
    """Edits with a Qwen checkpoint; its `model_index.json` says which of the three stock pipelines runs.

    Beyond the stock pipelines: the output, the condition picture and the picture that the vision-language encoder sees
    have sizes of their own, and the fixed start of the prompt template is measured with the checkpoint's tokenizer.
    All but the first Qwen-Image-Edit edit one picture per call, whatever `batch_size` says. Settings without effect on
    the checkpoint are logged before anything loads.
    """

    class Params(QwenPipelineParams):
        """The params of the Qwen editors; their defaults are those of the stock pipelines."""

        model_name: str = "Qwen/Qwen-Image-Edit"
        true_cfg_scale: float | None = None
        """Guidance; each step costs twice as much above 1, and 1 or less turns it off.

        None is stock: 4 for Qwen-Image-Edit and Plus, off for 2.1, which is made to be sampled without.
        """
        output_resolution: Side | Literal["source"] = 1024
        """`source` keeps the size of the source, rounded to what the autoencoder can make."""
        condition_resolution: Side = 1024
        """Size of the source as the autoencoder encodes it; besides the output's size it decides most of the cost."""
        vl_resolution: Side | None = None
        """Size of the source as the vision-language encoder sees it; None is stock: 384 for Plus, else as the
        condition. 2.1 knows no size but that of the condition.
        """
        use_kv_cache: bool = True
        """In 2.1, compute text and source once per edit, not in each step; changes the rounding, hence the edit."""
        compile: bool = False
        """Compile the transformer's blocks: faster steps after a slow first call per size."""
        enable_batch_sync: bool | None = None
        """A key of older configs, which has no effect."""

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = PipelineEditor.NOT_IN_IDENTITY | {"enable_batch_sync"}
    MEMORY_SETTINGS: ClassVar[str] = (
        "output_resolution, condition_resolution, batch_size (smaller), offload (model, sequential) or dtype (bfloat16)"
    )

    @classmethod
    def check_weights(cls, params: dict[str, Any]) -> None:
        """Finds out which pipeline the checkpoint is for, and logs the settings that have no effect on it.

        Raises:
            ConfigError: the checkpoint's scheduler has no such setting, or cannot work with its value.
            ModelError: a checkpoint of another pipeline.
        """
        super().check_weights(params)
        checked = cls.Params(**params)
        index = stored_index(checked.model_name, checked.revision)
        scheduler = stored_scheduler_with(checked, index) if checked.scheduler_config else {}
        for sentence in settings_without_effect(_kind(checked.model_name, index), checked, index, scheduler):
            logger.warning("diffusion_model.params has settings without effect on %s: %s", checked.model_name, sentence)

    @classmethod
    def _own_defaults(cls, params: Any) -> dict[str, Any]:
        left = [name for name in ("num_inference_steps", "true_cfg_scale") if getattr(params, name) is None]
        if not left:
            return {}
        kind = _kind(params.model_name, stored_index(params.model_name, params.revision))
        own = {"num_inference_steps": PIPELINES[kind.pipeline].steps, "true_cfg_scale": kind.guidance_of(params)}
        return {name: own[name] for name in left}

    @classmethod
    def _shares_calls(cls, params: Any) -> bool:
        return _kind(params.model_name, stored_index(params.model_name, params.revision)).shares_calls

    @classmethod
    def takes_further_images(cls, params: Mapping[str, Any]) -> bool:
        """Whether one edit can have several sources: not with the first pipeline."""
        return not cls._shares_calls(cls.Params(**params))

    def _class_name(self) -> str:
        index = stored_index(self.params.model_name, self.params.revision)
        return _kind(self.params.model_name, index).pipeline

    def _check(self, pipeline_class: Any) -> None:
        if self.params.scheduler_config:
            stored_scheduler_with(self.params, stored_index(self.params.model_name, self.params.revision))

    @property
    def _kind(self) -> QwenKind:
        return KINDS[type(self.pipe).__name__]

    def _prepare(self) -> None:
        if not self._kind.measures_prefix:
            self.pipe.prompt_template_encode_start_idx = template_prefix_length(
                self.pipe.tokenizer, self.pipe.prompt_template_encode
            )
        if not self._kind.shares_calls:
            self.batch_size = 1
        self._size_vision_input()
        super()._prepare()
        if self.params.compile:
            self.pipe.transformer.compile_repeated_blocks()

    def edit_image(
        self,
        original_image: Image.Image,
        edit_instruction: str,
        seed: int | None = None,
        *,
        conditioning: Conditioning | None = None,
        further_images: list[Image.Image] | None = None,
        **kwargs: Any,
    ) -> Image.Image:
        """Edits one RGB image, from a conditioning where one is given, or makes one picture of several.

        Of several, the first one decides the size; see `PipelineEditor.edit_image`.
        """
        given: dict[str, Any] = {} if conditioning is None else {"conditionings": [conditioning]}
        if further_images:
            given["further_images"] = further_images
        seeds = None if seed is None else [seed]
        return self.batch_edit([original_image], [edit_instruction], seeds, **given, **kwargs)[0]

    @property
    def guidance(self) -> float:
        """The scale of guidance; 1 or less is none."""
        return self._kind.guidance_of(self.params)

    def shown_to_encoder(self, image: Image.Image, further: Sequence[Image.Image] = ()) -> list[Image.Image]:
        """The pictures that the pipeline shows to its text encoder for an edit of this image, or of several."""
        arguments = self._call_arguments([image], [""]) | {"image": [image, *further]}
        with self._calling([image], [0]):
            return shown_to_encoder(self.pipe, arguments)

    def _size_vision_input(self) -> None:
        """Lets the processor of the vision-language encoder scale the picture it gets to the size that is wanted."""
        processor = self.pipe.processor.image_processor
        if self._kind.takes_condition_size:
            # Not at all: the transformer puts latents where the vision tokens were, so both must come from one size.
            processor.size = {"shortest_edge": 1, "longest_edge": 4 * self.params.condition_resolution**2}
        elif self._kind.shares_calls and self.params.vl_resolution is not None:
            # Edit shows one picture to both encoders; the processor of the second can still scale it.
            area = self.params.vl_resolution**2
            processor.size = {"shortest_edge": area, "longest_edge": area}

    def _calling(self, images: list[Image.Image], seeds: list[int]) -> AbstractContextManager[Any]:
        if self._kind.takes_condition_size:
            return nullcontext()
        return condition_sizes(self.pipe, self.params.condition_resolution, self.params.vl_resolution)

    def _call_arguments(self, images: list[Image.Image], prompts: list[Any]) -> dict[str, Any]:
        width, height = self._output_size(images[0].size)
        arguments: dict[str, Any] = {
            "image": images,
            **self._guided_arguments(prompts),
            "width": width,
            "height": height,
        }
        if self._kind.takes_condition_size:
            # The pipeline's name for it: width and height alone decide the size of the result.
            arguments["output_resolution"] = self.params.condition_resolution
            arguments["use_kv_cache"] = self.params.use_kv_cache
        return arguments

    def _output_size(self, source: tuple[int, int]) -> tuple[int, int]:
        finest = 2 * int(self.pipe.vae_scale_factor)
        if self.params.output_resolution == "source":
            width, height = (max(finest, round(side / finest) * finest) for side in source)
            return width, height
        multiple = finest if self._kind.takes_condition_size else rounding(self.pipe)
        return fit_area(self.params.output_resolution**2, source[0] / source[1], multiple)


def _kind(model_name: str, index: Mapping[str, Any]) -> QwenKind:
    """Raises `ModelError` for other pipelines."""
    name = str(index["_class_name"])
    if name not in KINDS:
        raise ModelError(
            f"{model_name} is a {name}, none of {', '.join(KINDS)}; "
            "use src.models.diffusion.implementations.diffusers_edit.DiffusersEditModel"
        )
    return KINDS[name]
