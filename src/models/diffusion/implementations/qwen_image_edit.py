"""`QwenImageEditModel`: Qwen-Image-Edit, the 2509 and 2511 Plus checkpoints, and Qwen-Image-2.1."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from PIL import Image

from src.errors import ModelError
from src.models.diffusion.condition_size import condition_sizes, fit_area, rounding
from src.models.diffusion.pipeline_editor import PipelineEditor, PipelineParams
from src.models.diffusion.pipeline_index import stored_index
from src.models.diffusion.pipeline_table import PIPELINES
from src.models.diffusion.prompt_template import template_prefix_length
from src.models.diffusion.qwen_kinds import KINDS, QwenKind, settings_without_effect
from src.models.diffusion.scheduler_settings import changed_scheduler
from src.models.vlm.adapter import require_no_strays
from src.models.weights import is_local, pinned, resolve_revision

logger = logging.getLogger(__name__)

_ADAPTER = "editor"

Side = Annotated[int, pydantic.Field(ge=16, le=8192)]
"""Side in pixels of the square whose area is meant; pictures keep their aspect ratio."""


class QwenImageEditModel(PipelineEditor):
    """Edits with a Qwen checkpoint; its `model_index.json` says which of the three stock pipelines runs.

    Beyond the stock pipelines: the output, the condition picture and the picture that the vision-language encoder sees
    have sizes of their own, and the fixed start of the prompt template is measured with the checkpoint's tokenizer.
    All but the first Qwen-Image-Edit edit one picture per call, whatever `batch_size` says. Settings without effect on
    the checkpoint are logged before anything loads.
    """

    class Params(PipelineParams):
        """The params of the Qwen editors; their defaults are those of the stock pipelines."""

        model_name: str = "Qwen/Qwen-Image-Edit"
        true_cfg_scale: float | None = None
        """Guidance; each step costs twice as much above 1, and 1 or less turns it off.

        None is stock: 4 for Qwen-Image-Edit and Plus, off for 2.1, which is made to be sampled without.
        """
        negative_prompt: str = " "
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
        checked = cls.Params(**params)
        index = stored_index(checked.model_name, checked.revision)
        scheduler = _scheduler_config(checked, index) if checked.scheduler_config else {}
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

    def _class_name(self) -> str:
        index = stored_index(self.params.model_name, self.params.revision)
        return _kind(self.params.model_name, index).pipeline

    def _check(self, pipeline_class: Any) -> None:
        if self.params.scheduler_config:
            _scheduler_config(self.params, stored_index(self.params.model_name, self.params.revision))

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
        if self.params.scheduler_config:
            scheduler = self.pipe.scheduler
            self.pipe.scheduler = type(scheduler).from_config({**scheduler.config, **self.params.scheduler_config})
        if self.params.lora is not None:
            self._load_lora(self.params.lora)
        if self.params.compile:
            self.pipe.transformer.compile_repeated_blocks()

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

    def _load_lora(self, lora: str) -> None:
        from peft import get_peft_model_state_dict

        file = {"weight_name": self.params.lora_weight_name, "use_safetensors": True, **pinned(lora)}
        try:
            given = self.pipe.lora_state_dict(_without_magnitudes(lora, file))
            self.pipe.load_lora_weights(lora, adapter_name=_ADAPTER, **file)
        except (OSError, ValueError, RuntimeError) as error:  # the last: shapes that do not fit
            raise ModelError(
                f"the LoRA {lora} could not be loaded; check lora and lora_weight_name ({error})"
            ) from error
        if _ADAPTER not in self.pipe.get_list_adapters().get("transformer", []):
            raise ModelError(f"the LoRA {lora} has no weights for the transformer of {self.params.model_name}")
        loaded = get_peft_model_state_dict(self.pipe.transformer, adapter_name=_ADAPTER)
        require_no_strays(lora, {name.removeprefix("transformer.") for name in given} ^ set(loaded))
        self.pipe.set_adapters(_ADAPTER, self.params.lora_scale)

    def _calling(self, images: list[Image.Image], seeds: list[int]) -> AbstractContextManager[Any]:
        if self._kind.takes_condition_size:
            return nullcontext()
        return condition_sizes(self.pipe, self.params.condition_resolution, self.params.vl_resolution)

    def _call_arguments(self, images: list[Image.Image], instructions: list[str]) -> dict[str, Any]:
        width, height = self._output_size(images[0].size)
        guidance = self._kind.guidance_of(self.params)
        arguments: dict[str, Any] = {
            "image": images,
            "prompt": instructions,
            "width": width,
            "height": height,
            "true_cfg_scale": guidance,
        }
        if guidance > 1:
            arguments["negative_prompt"] = [self.params.negative_prompt] * len(images)
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

    @classmethod
    def weights_revision(cls, params: dict[str, Any]) -> str | None:
        """The revision of the checkpoint and, joined by `+`, the revision of the LoRA."""
        revision = super().weights_revision(params)
        checked = cls.Params(**params)
        if checked.lora is None:
            return revision
        lora = checked.lora
        if checked.lora_weight_name and is_local(lora):
            lora = str(Path(lora) / checked.lora_weight_name)
        return f"{revision}+{resolve_revision(lora)}"


def _without_magnitudes(lora: str, file: Mapping[str, Any]) -> dict[str, Any]:
    """The weights in the file of a LoRA, before diffusers leaves out or renames any.

    Raises:
        ModelError: a DoRA, which diffusers loads without its magnitudes: what is left was never trained to edit.
    """
    from diffusers.loaders import lora_base

    unset = ("weight_name", "local_files_only", "cache_dir", "force_download", "proxies", "token", "revision")
    asked = dict.fromkeys((*unset, "subfolder", "user_agent"), None) | dict(file)
    weights: dict[str, Any] = lora_base._fetch_state_dict(lora, **asked, allow_pickle=False)[0]
    if magnitudes := sorted(name for name in weights if "dora_scale" in name):
        raise ModelError(
            f"the LoRA {lora} is a DoRA: diffusers would leave out {len(magnitudes)} of its {len(weights)} weights "
            f"({magnitudes[0]} …) and edit with the rest; name a LoRA without dora_scale, or merge the adapter into "
            "the checkpoint"
        )
    return weights


def _kind(model_name: str, index: Mapping[str, Any]) -> QwenKind:
    """Raises `ModelError` for other pipelines."""
    name = str(index["_class_name"])
    if name not in KINDS:
        raise ModelError(
            f"{model_name} is a {name}, none of {', '.join(KINDS)}; "
            "use src.models.diffusion.implementations.diffusers_edit.DiffusersEditModel"
        )
    return KINDS[name]


def _scheduler_config(params: QwenImageEditModel.Params, index: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the checkpoint's scheduler, which has no weights, with the overrides.

    Raises:
        ConfigError: for an override that it does not know, or cannot work with.
        ModelError: it cannot be made.
    """
    import diffusers

    where = {"subfolder": "scheduler", **pinned(params.model_name, params.revision)}
    try:
        scheduler = getattr(diffusers, index["scheduler"][1]).from_pretrained(params.model_name, **where)
    except (OSError, KeyError, AttributeError) as error:
        raise ModelError(f"the scheduler of {params.model_name} cannot be loaded ({error})") from error
    return changed_scheduler(scheduler, params.scheduler_config)
