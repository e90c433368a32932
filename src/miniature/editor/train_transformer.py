"""Joint training of the miniature editor's transformer and text encoder by flow matching."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.architecture import PATCHES_PER_SIDE
from src.miniature.editor.batches import Batch, BatchMaker
from src.miniature.editor.lessons import Batches
from src.miniature.fast_cpu_training import PlainJointAttention
from src.miniature.trainer import TrainingPlan, adamw, decay_groups, run_training, training_device

if TYPE_CHECKING:
    import torch
    from diffusers import QwenImageTransformer2DModel
    from transformers import Qwen2_5_VLForConditionalGeneration

CHECKPOINT_EVERY = 250
HELD_OUT_BATCHES = 4
TOKENS_PER_SIDE = 8

logger = logging.getLogger(__name__)


def train_transformer(
    transformer: QwenImageTransformer2DModel,
    text_encoder: Qwen2_5_VLForConditionalGeneration,
    batches: Batches,
    held_out: BatchMaker,
    steps: int,
    peak_rate: float,
    checkpoint: Path,
    export: Callable[[int], None],
    export_every: int,
) -> list[float]:
    """Trains both models in place and leaves the averaged weights in them; resumes from `checkpoint` when it exists.

    Args:
        transformer: Predicts the velocity `noise − latents` of the target.
        text_encoder: Reads source image and instruction; trained from scratch with it.
        batches: Makes every step's batch.
        held_out: Makes batches of edits that no step sees; their loss is logged at every export.
        steps: Optimizer steps in all.
        peak_rate: The highest learning rate.
        checkpoint: File for weights, averages and optimizer.
        export: Called with the number of steps done, while the models hold the averaged weights.
        export_every: Steps between two exports; the end is always exported.

    Returns:
        The loss of every step made by this call.
    """
    import torch

    device = training_device()
    models = torch.nn.ModuleDict({"transformer": transformer, "text_encoder": text_encoder}).to(device)
    stock_attention = transformer.attn_processors
    transformer.set_attn_processor(PlainJointAttention())

    def loss_of(step: int) -> torch.Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            return flow_matching_loss(transformer, text_encoder, batches.batch(step, device), batches.prefix_length)

    def export_measured(done: int) -> None:
        logger.info("transformer: held-out loss %.4f", held_out_loss(transformer, text_encoder, held_out))
        export(done)

    plan = TrainingPlan(
        "transformer",
        steps,
        peak_rate,
        log_every=50,
        average_decay=0.999,
        checkpoint=checkpoint,
        checkpoint_every=CHECKPOINT_EVERY,
        export_every=export_every,
    )
    optimizer = adamw(decay_groups(models.parameters()), peak_rate, fused=True)
    losses = run_training(plan, models, optimizer, loss_of, export_measured)
    transformer.set_attn_processor(stock_attention)
    return losses


def held_out_loss(
    transformer: QwenImageTransformer2DModel, text_encoder: Qwen2_5_VLForConditionalGeneration, held_out: BatchMaker
) -> float:
    """The mean loss of the first `HELD_OUT_BATCHES` batches, whose noise is always the same."""
    import torch

    device = next(transformer.parameters()).device
    with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16):
        losses = [
            flow_matching_loss(transformer, text_encoder, held_out.batch(step, device), held_out.prefix_length).item()
            for step in range(HELD_OUT_BATCHES)
        ]
    return float(np.mean(losses))


def prompt_embeddings(
    text_encoder: Qwen2_5_VLForConditionalGeneration, batch: Batch, prefix_length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the pipeline's `encode_prompt` returns: hidden states after the fixed prefix, and their boolean mask."""
    import torch

    grid = torch.tensor([[1, PATCHES_PER_SIDE, PATCHES_PER_SIDE]], device=batch.input_ids.device)
    hidden = text_encoder.model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        pixel_values=batch.pixel_values,
        image_grid_thw=grid.expand(len(batch.input_ids), -1),
        use_cache=False,
    ).last_hidden_state
    return hidden[:, prefix_length:], batch.attention_mask[:, prefix_length:].bool()


def flow_matching_loss(
    transformer: QwenImageTransformer2DModel,
    text_encoder: Qwen2_5_VLForConditionalGeneration,
    batch: Batch,
    prefix_length: int,
) -> torch.Tensor:
    """The weighted squared error of the predicted velocity on the target's tokens, and of the change on the source's.

    Flow matching after Lipman et al. 2023, straight paths: x = (1 − σ) · target + σ · noise, velocity = noise − target.

    The pipeline discards what the transformer says at the source's tokens. Here it learns to say target − source there,
    at every noise level: without noise between words and result, it finds much sooner which of the things is meant.
    """
    embeddings, mask = prompt_embeddings(text_encoder, batch, prefix_length)
    return painting_loss(transformer, embeddings, mask, batch)


def painting_loss(
    transformer: QwenImageTransformer2DModel, embeddings: torch.Tensor, mask: torch.Tensor, batch: Batch
) -> torch.Tensor:
    """`flow_matching_loss` from embeddings (batch, tokens, width) and the boolean mask of those that count."""
    import torch

    level = batch.noise_level[:, None, None]
    noisy = (1.0 - level) * batch.target + level * batch.noise
    shape = (1, TOKENS_PER_SIDE, TOKENS_PER_SIDE)
    said = transformer(
        hidden_states=torch.cat([noisy, batch.source], dim=1),
        encoder_hidden_states=embeddings,
        encoder_hidden_states_mask=mask,
        timestep=batch.noise_level,
        img_shapes=[[shape, shape]] * len(noisy),
        return_dict=False,
    )[0].float()
    velocity, change = said[:, : noisy.shape[1]], said[:, noisy.shape[1] :]
    error = (velocity - (batch.noise - batch.target)).square() + (change - (batch.target - batch.source)).square()
    return (error * batch.weight).mean()
