"""`QwenPipelineModel`: what Qwen-Image and the Qwen editors share — a text encoder that can think first, and LoRAs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pydantic
from PIL import Image

from src.errors import ConfigError
from src.models.diffusion.conditioning import Conditioning, require_conditionable, stacked
from src.models.diffusion.pipeline_editor import PipelineEditor, PipelineParams
from src.models.diffusion.pipeline_index import stored_index
from src.models.diffusion.scheduler_settings import overridden
from src.models.diffusion.thinking import ThinkingEncoder, ThinkSettings, needs_own_encoder
from src.models.diffusion.transformer_lora import load_transformer_lora, with_lora


class QwenPipelineParams(PipelineParams):
    """The params of every Qwen pipeline; their defaults are those of the stock pipelines."""

    negative_prompt: str = " "
    lora: str | None = None
    """Local file or folder, or hub id, of a LoRA for the transformer (safetensors), such as one of few steps."""
    lora_weight_name: str | None = None
    """The file within `lora`."""
    lora_scale: float = 1.0
    scheduler_config: dict[str, Any] = pydantic.Field(default_factory=dict)
    """Settings of the scheduler to override, such as the fixed shift of distilled LoRAs."""
    think: bool | ThinkSettings = False
    """Let the text encoder write a completion first and paint from it: `true`, or settings of its own."""

    @property
    def thinking(self) -> ThinkSettings | None:
        """How the text encoder thinks; None where it does not."""
        return ThinkSettings() if self.think is True else self.think or None


class QwenPipelineModel(PipelineEditor):
    """A diffusers pipeline whose text encoder is a vision-language model: it paints from words, or from thoughts."""

    @classmethod
    def check_weights(cls, params: dict[str, Any]) -> None:
        """Raises `ModelError` for a text encoder that shall think and whose pipeline takes no embeddings."""
        checked: Any = cls.Params(**params)  # type: ignore[misc]
        if checked.thinking is not None:
            index = stored_index(checked.model_name, checked.revision)
            require_conditionable(index["_class_name"], checked.model_name)

    @classmethod
    def check_ready(cls, params: dict[str, Any]) -> None:
        """Raises `ConfigError` for a text encoder that thinks and is kept in main memory, and what the base raises."""
        super().check_ready(params)
        checked: Any = cls.Params(**params)  # type: ignore[misc]
        if checked.thinking is not None and checked.offload != "none":
            raise ConfigError(
                "diffusion_model.params.think: a text encoder that writes cannot be offloaded; set offload: none"
            )

    @classmethod
    def identity(cls, params: dict[str, Any]) -> dict[str, Any]:
        """The identity of any pipeline, with how the text encoder thinks where it does.

        Where the number of edits that share a call is part of it, so is that of thoughts, which are never more.
        """
        identity = super().identity(params)
        checked: Any = cls.Params(**params)  # type: ignore[misc]
        own = {name: value for name, value in identity["params"].items() if name != "think"}
        if checked.thinking is None:
            return identity | {"params": own}
        think = checked.thinking.identity()
        if "batch_size" in own:
            think["batch_size"] = min(checked.thinking.batch_size, own["batch_size"])
        return identity | {"params": own | {"think": think}}

    @classmethod
    def weights_revision(cls, params: dict[str, Any]) -> str | None:
        """The revision of the checkpoint and, joined by `+`, the revision of the LoRA."""
        return with_lora(super().weights_revision(params), cls.Params(**params))  # type: ignore[misc]

    @property
    @abstractmethod
    def guidance(self) -> float:
        """The scale of guidance; 1 or less is none."""

    @abstractmethod
    def shown_to_encoder(self, image: Image.Image, further: Sequence[Image.Image] = ()) -> list[Image.Image]:
        """The pictures that the pipeline shows to its text encoder for an edit of this image, or of several."""

    def _prepare(self) -> None:
        if self.params.scheduler_config:
            self.pipe.scheduler = overridden(self.pipe.scheduler, self.params.scheduler_config)
        if self.params.lora is not None:
            load_transformer_lora(self.pipe, self.params)
        self._thinker = self._load_thinker()

    def _load_thinker(self) -> ThinkingEncoder | None:
        """Loads the encoder that thinks, and frees the checkpoint's own where nothing is left to it."""
        thinking = self.params.thinking
        if thinking is None:
            return None
        require_conditionable(type(self.pipe).__name__, self.params.model_name)
        thinker = ThinkingEncoder(thinking, self.pipe, self.device, self.params.dtype)
        if not needs_own_encoder(thinking.negative_prompt_from, self.guidance):
            self.pipe.text_encoder = thinker.model
        return thinker

    def batch_edit(
        self,
        images: list[Image.Image],
        instructions: list[str],
        seeds: list[int] | None = None,
        *,
        conditionings: list[Conditioning] | None = None,
        further_images: Sequence[Image.Image] = (),
        **kwargs: Any,
    ) -> list[Image.Image]:
        """Edits several images; see `PipelineEditor.batch_edit`.

        Args:
            images: The sources.
            instructions: What to do with each; nothing where it has a conditioning.
            seeds: One for each.
            conditionings: What the transformer is given in the place of each encoded instruction.
            further_images: The sources after the first one, of a single edit.
            kwargs: They override the arguments of the pipeline.
        """
        if conditionings is None and self._thinker is not None:
            shown = [self.shown_to_encoder(image, further_images) for image in images]
            conditionings = self._thought(self._thinker, shown, instructions, seeds or [0] * len(images))
        if further_images:
            kwargs["image"] = [*images, *further_images]
        if conditionings is None:
            return super().batch_edit(images, instructions, seeds, **kwargs)
        return self._edit_all(images, conditionings, seeds, kwargs)

    def _thought(
        self, thinker: ThinkingEncoder, shown: list[list[Image.Image]], instructions: list[str], seeds: list[int]
    ) -> list[Conditioning]:
        with self._explained_memory_errors():
            own_seeds = [self.params.seed + seed for seed in seeds]
            found = thinker.conditionings(shown, [self.plain(instruction) for instruction in instructions], own_seeds)
            if self.guidance <= 1 or thinker.settings.negative_prompt_from == "initial":
                return found
            negative = [thinker.negative(pictures, self.params.negative_prompt) for pictures in shown]
        return [replace(one, negative=other) for one, other in zip(found, negative, strict=True)]

    def load_to_gpu(self) -> None:
        """Moves the pipeline to its device, and an encoder that thinks in the place of its own."""
        super().load_to_gpu()
        if self._thinker is not None:
            self._thinker.load_to_gpu()

    def unload_from_gpu(self) -> None:
        """Moves the pipeline to main memory, and an encoder that thinks in the place of its own."""
        super().unload_from_gpu()
        if self._thinker is not None:
            self._thinker.unload_from_gpu()

    def _guided_arguments(self, prompts: list[Any]) -> dict[str, Any]:
        """The arguments for prompts, texts or conditionings, and for what guidance points away from."""
        arguments = {**self._prompt_arguments("prompt", prompts), "true_cfg_scale": self.guidance}
        if self.guidance > 1:
            own = [self.params.negative_prompt] * len(prompts)
            given = [getattr(prompt, "negative", None) for prompt in prompts]
            arguments |= self._prompt_arguments("negative_prompt", own if None in given else given)
        return arguments

    def _prompt_arguments(self, name: str, prompts: list[Any]) -> dict[str, Any]:
        if not isinstance(prompts[0], Conditioning):
            return {name: prompts}
        embeds, mask = (tensor.to(self.device) for tensor in stacked(prompts))
        return {f"{name}_embeds": embeds, f"{name}_embeds_mask": mask}
