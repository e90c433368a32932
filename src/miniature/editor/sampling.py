"""Editing miniature pictures with a miniature pipeline, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from src.miniature.editor.architecture import IMAGE_SIDE
from src.miniature.editor.train_vae import round_trips
from src.models.diffusion.condition_size import condition_sizes
from src.models.diffusion.prompt_template import template_prefix_length

if TYPE_CHECKING:
    from diffusers import QwenImageEditPipeline

SAMPLING_STEPS = 6
BATCH = 30


class MiniatureEditor(Protocol):
    """An editor of miniature pictures, uint8 (64, 64, 3), as `evaluate_editor` measures it."""

    def edit(self, pictures: Sequence[np.ndarray], instructions: Sequence[str]) -> Sequence[np.ndarray]:
        """Edits each picture by its instruction."""
        ...

    def round_trips(self, pictures: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Encodes and decodes pictures: no edit can be better than what comes back."""
        ...


@dataclass(frozen=True)
class PipelineEditor:
    """A pipeline as `train_editor` writes it."""

    pipeline: QwenImageEditPipeline
    steps: int = SAMPLING_STEPS

    def edit(self, pictures: Sequence[np.ndarray], instructions: Sequence[str]) -> Sequence[np.ndarray]:
        """Edits each picture by its instruction."""
        return list(edit_pictures(self.pipeline, pictures, instructions, self.steps))

    def round_trips(self, pictures: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Sends pictures through the autoencoder."""
        return round_trips(self.pipeline.vae, pictures)


def edit_pictures(
    pipeline: QwenImageEditPipeline,
    pictures: Sequence[np.ndarray],
    instructions: Sequence[str],
    steps: int = SAMPLING_STEPS,
    seed: int = 0,
) -> np.ndarray:
    """Edits each picture by its instruction, without guidance.

    The stock pipeline enlarges its condition image to a megapixel; here it keeps the size of the picture.

    Args:
        pipeline: A pipeline as `train_editor` writes it.
        pictures: uint8 arrays (64, 64, 3).
        instructions: One for each picture.
        steps: Denoising steps.
        seed: The seed of the initial noise.

    Returns:
        The edited pictures: uint8 (n, 64, 64, 3).
    """
    import torch
    from PIL import Image

    pipeline.prompt_template_encode_start_idx = template_prefix_length(
        pipeline.tokenizer, pipeline.prompt_template_encode
    )
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(seed)
    edited = []
    with condition_sizes(pipeline, IMAGE_SIDE, None):
        for start in range(0, len(pictures), BATCH):
            result = pipeline(
                image=[Image.fromarray(picture) for picture in pictures[start : start + BATCH]],
                prompt=list(instructions[start : start + BATCH]),
                height=IMAGE_SIDE,
                width=IMAGE_SIDE,
                num_inference_steps=steps,
                true_cfg_scale=1.0,
                generator=generator,
                output_type="np",
            )
            edited.append(np.rint(result.images * 255.0).astype(np.uint8))
    return np.concatenate(edited)
