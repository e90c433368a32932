"""A real `QwenImage21Pipeline` of a few hundred kilobytes with random weights.

Its constants are those of the real one: 16× autoencoder of four channels, and one vision token for 32×32 pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.miniature.editor.architecture import build_tokenizer
from tests.tiny_parts import TEXTS, VOCABULARY, fill, once, qwen3_processor, qwen3_vl

PATCH_SIDE = 16
REAL_PIXELS = {"shortest_edge": 256 * 256, "longest_edge": 4096 * 4096}
"""What the processor of Qwen3-VL scales pictures to by itself."""
CHANNELS = 8


def _vae() -> Any:
    import torch
    from diffusers import AutoencoderKLQwenImage21

    vae = AutoencoderKLQwenImage21(
        base_dim=4,
        decoder_base_dim=4,
        z_dim=CHANNELS,
        dim_mult=[1, 1, 1, 1, 1],
        num_res_blocks=1,
        latents_mean=[0.0] * CHANNELS,
        latents_std=[1.0] * CHANNELS,
    )
    with torch.no_grad():
        vae.decoder.conv_out.bias[3] = 9.0  # opaque, as edits of opaque pictures are
    return vae


def _transformer() -> Any:
    from diffusers import QwenImage21Transformer2DModel

    transformer = QwenImage21Transformer2DModel(
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        context_in_dim=64,
        axes_dims_rope=(4, 6, 6),
    )
    fill(transformer, 0.15)
    return transformer


def qwen21_pipeline(sample_sigmas: list[float] | None = None) -> Any:
    """The pipeline; with `sample_sigmas` like the distilled checkpoints."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, QwenImage21Pipeline

    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = build_tokenizer(TEXTS, VOCABULARY)
        text_encoder = qwen3_vl(tokenizer, patch=PATCH_SIDE)
        fill(text_encoder, 0.15)
        processor = qwen3_processor(tokenizer, REAL_PIXELS, PATCH_SIDE)
        return QwenImage21Pipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(),
            vae=_vae(),
            text_encoder=text_encoder,
            processor=processor,
            transformer=_transformer(),
            sample_sigmas=sample_sigmas,
        )


@pytest.fixture(scope="session")
@once
def qwen21_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `QwenImage21Pipeline`."""
    folder = tmp_path_factory.mktemp("qwen21")
    qwen21_pipeline().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
@once
def distilled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with sampling sigmas of its own, for two steps."""
    folder = tmp_path_factory.mktemp("qwen21-distilled")
    qwen21_pipeline([1.0, 0.5]).save_pretrained(folder)
    return folder
