"""`QwenImageModel`: Qwen-Image, text to image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import pydantic
from PIL import Image

from src.errors import ModelError
from src.models.diffusion.conditioning import MOST_TOKENS, Conditioning
from src.models.diffusion.generation_model import GenerationModel
from src.models.diffusion.pipeline_index import stored_index
from src.models.diffusion.prompt_template import template_prefix_length
from src.models.diffusion.qwen_pipeline import QwenPipelineModel, QwenPipelineParams
from src.models.diffusion.scheduler_settings import stored_scheduler_with

PIPELINE = "QwenImagePipeline"
STEPS, GUIDANCE = 50, 4.0
"""The defaults of the stock pipeline."""

Side = Annotated[int, pydantic.Field(ge=16, le=8192)]


class QwenImageModel(QwenPipelineModel, GenerationModel):
    """Makes pictures with a Qwen-Image checkpoint and the stock pipeline of diffusers.

    The fixed start of the prompt template is measured with the checkpoint's tokenizer. The noise of each sample comes
    from its own generator, and prompts share calls up to `batch_size`.
    """

    class Params(QwenPipelineParams):
        """The params of Qwen-Image; their defaults are those of the stock pipeline."""

        model_name: str = "Qwen/Qwen-Image"
        true_cfg_scale: float = GUIDANCE
        """Guidance; each step costs twice as much above 1, and 1 or less turns it off."""
        width: Side = 1024
        """Pixels of the picture, rounded to what the autoencoder can make, as is `height`."""
        height: Side = 1024

    MEMORY_SETTINGS: ClassVar[str] = (
        "width, height, batch_size (smaller), offload (model, sequential) or dtype (bfloat16)"
    )

    @classmethod
    def check_weights(cls, params: dict[str, Any]) -> None:
        """Looks at the checkpoint's own files.

        Raises:
            ConfigError: its scheduler has no such setting, or cannot work with its value.
            ModelError: it is one of another pipeline.
        """
        checked = cls.Params(**params)
        index = stored_index(checked.model_name, checked.revision)
        name = index["_class_name"]
        if name != PIPELINE:
            raise ModelError(
                f"{checked.model_name} is a {name}, not a {PIPELINE}; editors are "
                "src.models.diffusion.implementations.qwen_image_edit.QwenImageEditModel and .diffusers_edit."
                "DiffusersEditModel"
            )
        super().check_weights(params)
        if checked.scheduler_config:
            stored_scheduler_with(checked, index)

    @classmethod
    def _own_defaults(cls, params: Any) -> dict[str, Any]:
        return {"num_inference_steps": STEPS} if params.num_inference_steps is None else {}

    @classmethod
    def _shares_calls(cls, params: Any) -> bool:
        return True

    def _class_name(self) -> str:
        return PIPELINE

    def _prepare(self) -> None:
        self.pipe.prompt_template_encode_start_idx = template_prefix_length(
            self.pipe.tokenizer, self.pipe.prompt_template_encode
        )
        super()._prepare()

    def generate_image(
        self, prompt: str, seed: int | None = None, *, conditioning: Conditioning | None = None, **kwargs: Any
    ) -> Image.Image:
        """Makes one RGB picture, from a conditioning where one is given; `kwargs` override the pipeline's arguments.

        Raises:
            ModelError: out of memory, or the result holds no picture (NaN); the text says what to change.
        """
        given = None if conditioning is None else [conditioning]
        seeds = None if seed is None else [seed]
        return self.batch_generate([prompt], seeds, conditionings=given, **kwargs)[0]

    def batch_generate(self, prompts: list[str], seeds: list[int] | None = None, **kwargs: Any) -> list[Image.Image]:
        """Makes several pictures, at most `batch_size` at once; raises as `generate_image`.

        Args:
            prompts: What to paint; nothing where each has one of the `conditionings`.
            seeds: One for each.
            kwargs: `conditionings`, as in `batch_edit`, and arguments of the pipeline.
        """
        canvas = Image.new("RGB", self._size())
        return self.batch_edit([canvas] * len(prompts), prompts, seeds, **kwargs)

    def edit_image(
        self, original_image: Image.Image, edit_instruction: str, seed: int | None = None, **kwargs: Any
    ) -> Image.Image:
        """Refuses, as every `GenerationModel` that edits none; raises `TypeError`."""
        return GenerationModel.edit_image(self, original_image, edit_instruction)

    def _size(self) -> tuple[int, int]:
        """Width and height of the pictures: multiples of two transformer patches."""
        finest = 2 * int(self.pipe.vae_scale_factor)
        width, height = (max(finest, round(side / finest) * finest) for side in (self.params.width, self.params.height))
        return width, height

    @property
    def guidance(self) -> float:
        """The scale of guidance; 1 or less is none."""
        return float(self.params.true_cfg_scale)

    def shown_to_encoder(self, image: Image.Image, further: Sequence[Image.Image] = ()) -> list[Image.Image]:
        """No pictures: the encoder reads the prompt alone."""
        return []

    def _call_arguments(self, images: list[Image.Image], prompts: list[Any]) -> dict[str, Any]:
        """Arguments for pictures of the size of the canvases that stand for them."""
        width, height = images[0].size
        arguments = {**self._guided_arguments(prompts), "width": width, "height": height}
        if isinstance(prompts[0], Conditioning):
            arguments["max_sequence_length"] = MOST_TOKENS[PIPELINE]  # else it cuts embeddings off after 512 tokens
        return arguments
