"""`QwenImageEditModel`: Qwen-Image-Edit, and the 2509 and 2511 Plus checkpoints."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from PIL import Image

from src.errors import ModelError, did_you_mean
from src.models.diffusion.condition_size import condition_sizes, fit_area, rounding
from src.models.diffusion.pipeline_editor import PipelineEditor, PipelineParams, stored_class_name
from src.models.diffusion.prompt_template import template_prefix_length
from src.models.weights import is_local, pinned, resolve_revision

logger = logging.getLogger(__name__)

EDIT, PLUS = "QwenImageEditPipeline", "QwenImageEditPlusPipeline"
_ADAPTER = "editor"

Side = Annotated[int, pydantic.Field(ge=16)]
"""Side in pixels of the square whose area is meant; pictures keep their aspect ratio."""


class QwenImageEditModel(PipelineEditor):
    """Edits with a Qwen-Image-Edit checkpoint; its `model_index.json` says which of the two stock pipelines runs.

    Beyond the stock pipelines: the output, the condition picture and the picture that the vision-language encoder sees
    have sizes of their own, and the fixed start of the prompt template is measured with the checkpoint's tokenizer.
    The Plus pipelines edit one picture per call, whatever `batch_size` says.
    """

    class Params(PipelineParams):
        """Defaults are those of the stock pipelines."""

        model_name: str = "Qwen/Qwen-Image-Edit"
        true_cfg_scale: float = 4.0
        """Guidance; each step costs twice as much above 1, and 1 or less turns it off."""
        negative_prompt: str = " "
        output_resolution: Side | Literal["source"] = 1024
        """`source` keeps the size of the source, rounded to what the autoencoder can make."""
        condition_resolution: Side = 1024
        """Of the source as the autoencoder encodes it: decides most of the cost beside the output's own size."""
        vl_resolution: Side | None = None
        """Of the source as the vision-language encoder sees it. None is stock: 384 for Plus, else as the condition."""
        lora: str | None = None
        """Local file or folder, or hub id, of a LoRA for the transformer (safetensors)."""
        lora_weight_name: str | None = None
        """The file within `lora`."""
        lora_scale: float = 1.0
        scheduler_config: dict[str, Any] = pydantic.Field(default_factory=dict)
        """Settings of the scheduler to override, such as the fixed shift of distilled LoRAs."""
        compile: bool = False
        """Compile the transformer's blocks: faster steps after a slow first call per size."""
        enable_batch_sync: bool | None = None
        """Of older configs; ignored."""

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = PipelineEditor.NOT_IN_IDENTITY | {"enable_batch_sync"}
    MEMORY_SETTINGS: ClassVar[str] = (
        "output_resolution, condition_resolution, batch_size (smaller), offload (model, sequential) or dtype (bfloat16)"
    )

    def _initialize(self) -> None:
        if self.params.enable_batch_sync is not None:
            logger.info("enable_batch_sync has no effect any more: replicas work independently of each other")
        super()._initialize()

    def _class_name(self) -> str:
        name = stored_class_name(self.params.model_name, self.params.revision)
        if name not in (EDIT, PLUS):
            raise ModelError(
                f"{self.params.model_name} is a {name}, not a Qwen-Image-Edit checkpoint; "
                "use src.models.diffusion.implementations.diffusers_edit.DiffusersEditModel"
            )
        return name

    @property
    def _is_plus(self) -> bool:
        return type(self.pipe).__name__ == PLUS

    def _prepare(self) -> None:
        self.pipe.prompt_template_encode_start_idx = template_prefix_length(
            self.pipe.tokenizer, self.pipe.prompt_template_encode
        )
        if self._is_plus:
            self.batch_size = 1
        elif self.params.vl_resolution is not None:
            # Edit shows one picture to both encoders; the processor of the second can still scale it.
            area = self.params.vl_resolution**2
            self.pipe.processor.image_processor.size = {"shortest_edge": area, "longest_edge": area}
        if self.params.scheduler_config:
            self._override_scheduler()
        if self.params.lora is not None:
            self._load_lora(self.params.lora)
        if self.params.compile:
            self.pipe.transformer.compile_repeated_blocks()

    def _override_scheduler(self) -> None:
        scheduler, overrides = self.pipe.scheduler, self.params.scheduler_config
        for name in overrides:
            if name not in scheduler.config:
                raise ModelError(
                    f"scheduler_config.{name}: {type(scheduler).__name__} has no such setting."
                    f"{did_you_mean(name, scheduler.config)}"
                )
        self.pipe.scheduler = type(scheduler).from_config({**scheduler.config, **overrides})

    def _load_lora(self, lora: str) -> None:
        try:
            self.pipe.load_lora_weights(
                lora,
                weight_name=self.params.lora_weight_name,
                adapter_name=_ADAPTER,
                use_safetensors=True,
                **pinned(lora),
            )
        except (OSError, ValueError, RuntimeError) as error:  # the last: shapes that do not fit
            raise ModelError(
                f"the LoRA {lora} could not be loaded; check lora and lora_weight_name ({error})"
            ) from error
        if _ADAPTER not in self.pipe.get_list_adapters().get("transformer", []):
            raise ModelError(f"the LoRA {lora} has no weights for the transformer of {self.params.model_name}")
        self.pipe.set_adapters(_ADAPTER, self.params.lora_scale)

    def _calling(self) -> AbstractContextManager[None]:
        return condition_sizes(self.pipe, self.params.condition_resolution, self.params.vl_resolution)

    def _call_arguments(self, images: list[Image.Image], instructions: list[str]) -> dict[str, Any]:
        width, height = self._output_size(images[0].size)
        arguments: dict[str, Any] = {
            "image": images,
            "prompt": instructions,
            "width": width,
            "height": height,
            "true_cfg_scale": self.params.true_cfg_scale,
        }
        if self.params.true_cfg_scale > 1:
            arguments["negative_prompt"] = [self.params.negative_prompt] * len(images)
        return arguments

    def _output_size(self, source: tuple[int, int]) -> tuple[int, int]:
        if self.params.output_resolution == "source":
            multiple = 2 * int(self.pipe.vae_scale_factor)
            width, height = (max(multiple, round(side / multiple) * multiple) for side in source)
            return width, height
        return fit_area(self.params.output_resolution**2, source[0] / source[1], rounding(self.pipe))

    @classmethod
    def weights_revision(cls, params: dict[str, Any]) -> str | None:
        """That of the checkpoint and, joined by `+`, that of the LoRA."""
        revision = super().weights_revision(params)
        checked = cls.Params(**params)
        if checked.lora is None:
            return revision
        lora = checked.lora
        if checked.lora_weight_name and is_local(lora):
            lora = str(Path(lora) / checked.lora_weight_name)
        return f"{revision}+{resolve_revision(lora)}"
