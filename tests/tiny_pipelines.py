"""Real diffusers pipelines of a few hundred kilobytes with random weights, saved once per test session.

A test module makes them available to its tests by importing the fixtures it names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from src.miniature.editor.editor_architecture import (
    EditorSize,
    build_pipeline,
    build_text_encoder,
    build_tokenizer,
    build_transformer,
    build_vae,
)

TEXTS = ["make the sky red", "remove the tree", "把天空变成红色"]
SIZE = EditorSize(
    vocabulary=300,
    text_width=64,
    text_layers=2,
    vision_width=64,
    vision_layers=1,
    heads=1,
    layers=2,
    vae_width=8,
    latent_channels=4,
)


def gradient(size: tuple[int, int] = (64, 64), turn: int = 0) -> Image.Image:
    """A smooth colourful picture, another one for each `turn`."""
    ramp = Image.linear_gradient("L").resize(size)
    bands = [ramp, ramp.transpose(Image.Transpose.ROTATE_180), Image.new("L", size, (40 * turn) % 256)]
    return Image.merge("RGB", bands)


def fill(model: Any, spread: float) -> None:
    """Random weights wide enough that the instruction changes the pixels."""
    import torch

    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=spread)


def _qwen_pipeline() -> Any:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = build_tokenizer(TEXTS, SIZE.vocabulary)
        transformer = build_transformer(SIZE)
        fill(transformer, 0.15)
        return build_pipeline(tokenizer, build_vae(SIZE), build_text_encoder(SIZE, tokenizer), transformer)


@pytest.fixture(scope="session")
def qwen_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `QwenImageEditPipeline`: 4× autoencoder, 64×64 pictures for the vision-language encoder."""
    folder = tmp_path_factory.mktemp("qwen")
    _qwen_pipeline().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def plus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same parts as a `QwenImageEditPlusPipeline`."""
    from diffusers import QwenImageEditPlusPipeline

    folder = tmp_path_factory.mktemp("plus")
    QwenImageEditPlusPipeline(**_qwen_pipeline().components).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def pix2pix_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `StableDiffusionInstructPix2PixPipeline`."""
    folder = tmp_path_factory.mktemp("pix2pix")
    _pix2pix_pipeline().save_pretrained(folder)
    return folder


def _pix2pix_pipeline() -> Any:
    import torch
    from diffusers import (
        AutoencoderKL,
        EulerDiscreteScheduler,
        StableDiffusionInstructPix2PixPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = _clip_tokenizer()
        unet = UNet2DConditionModel(
            sample_size=8,
            in_channels=8,
            out_channels=4,
            layers_per_block=1,
            block_out_channels=(16, 32),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=16,
            attention_head_dim=8,
            norm_num_groups=8,
        )
        vae = AutoencoderKL(
            block_out_channels=(8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            norm_num_groups=4,
        )
        text_config = CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=77,
        )
        return StableDiffusionInstructPix2PixPipeline(
            vae=vae,
            text_encoder=CLIPTextModel(text_config),
            tokenizer=tokenizer,
            unet=unet,
            scheduler=EulerDiscreteScheduler(steps_offset=1),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )


def _clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    letters = [*"abcdefghijklmnopqrstuvwxyz", "<|startoftext|>", "<|endoftext|>"]
    words = [f"{letter}</w>" for letter in letters[:26]]
    vocab = {token: index for index, token in enumerate([*letters[:26], *words, *letters[26:]])}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)


def seen_by(pipe: Any, part: str) -> list[dict[str, Any]]:
    """Collects the keyword arguments of every later call of a pipeline's part."""
    calls: list[dict[str, Any]] = []
    getattr(pipe, part).register_forward_pre_hook(lambda module, args, kwargs: calls.append(kwargs), with_kwargs=True)
    return calls
