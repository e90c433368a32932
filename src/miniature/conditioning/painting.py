"""Editing miniature pictures from what a text encoder wrote, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from src.miniature.editor.architecture import IMAGE_SIDE
from src.miniature.editor.sampling import BATCH, SAMPLING_STEPS
from src.models.diffusion.condition_size import condition_sizes
from src.models.diffusion.conditioning import Conditioner, Conditioning, ConditioningRequest, stacked

if TYPE_CHECKING:
    from diffusers import QwenImageEditPipeline
    from transformers import Qwen2_5_VLForConditionalGeneration


def paint_completions(
    pipeline: QwenImageEditPipeline,
    encoder: Qwen2_5_VLForConditionalGeneration,
    pictures: Sequence[np.ndarray],
    instructions: Sequence[str],
    completions: Sequence[Sequence[int]],
    steps: int = SAMPLING_STEPS,
    seed: int = 0,
) -> np.ndarray:
    """Edits each picture by its instruction and a completion, without guidance.

    An empty completion is the stock prompt. Noise is that of `edit_pictures` with the same seed and place.

    Args:
        pipeline: The editor; its own text encoder is not used.
        encoder: Reads instructions and completions.
        pictures: uint8 arrays (64, 64, 3).
        instructions: One for each picture.
        completions: Token ids for each picture, without those that end them.
        steps: Denoising steps.
        seed: The seed of the initial noise.

    Returns:
        The edited pictures: uint8 (n, 64, 64, 3).
    """
    import torch

    pipeline.set_progress_bar_config(disable=True)
    conditioner = Conditioner(pipeline)
    generator = torch.Generator().manual_seed(seed)
    shown = [Image.fromarray(picture) for picture in pictures]
    read: list[Conditioning] = []
    for image, instruction, completion in zip(shown, instructions, completions, strict=True):
        request = ConditioningRequest(instruction, (image,), tuple(completion))
        read.append(conditioner.encode(request, encoder, torch.float32))
    edited = []
    with condition_sizes(pipeline, IMAGE_SIDE, None):
        for start in range(0, len(shown), BATCH):
            embeds, mask = stacked(read[start : start + BATCH])
            result = pipeline(
                image=shown[start : start + BATCH],
                prompt_embeds=embeds,
                prompt_embeds_mask=mask,
                height=IMAGE_SIDE,
                width=IMAGE_SIDE,
                num_inference_steps=steps,
                true_cfg_scale=1.0,
                generator=generator,
                output_type="np",
            )
            edited.append(np.rint(result.images * 255.0).astype(np.uint8))
    return np.concatenate(edited)
