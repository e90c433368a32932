"""Real diffusers pipelines of a few hundred kilobytes with random weights, saved once per test session.

A test module makes them available to its tests by importing the fixtures it names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.miniature.editor.architecture import (
    EditorSize,
    build_pipeline,
    build_text_encoder,
    build_tokenizer,
    build_transformer,
    build_vae,
)
from tests.tiny_parts import TEXTS, VOCABULARY, autoencoder, clip_text_encoder, clip_tokenizer, fill, once, pix2pix_unet

SIZE = EditorSize(
    vocabulary=VOCABULARY,
    text_width=64,
    text_layers=2,
    vision_width=64,
    vision_layers=1,
    heads=1,
    layers=2,
    vae_width=8,
    latent_channels=4,
)


def qwen_pipeline() -> Any:
    """The pipeline of `qwen_folder`."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = build_tokenizer(TEXTS, SIZE.vocabulary)
        transformer = build_transformer(SIZE)
        fill(transformer, 0.15)
        return build_pipeline(tokenizer, build_vae(SIZE), build_text_encoder(SIZE, tokenizer), transformer)


@pytest.fixture(scope="session")
@once
def qwen_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `QwenImageEditPipeline`: 4× autoencoder, 64×64 pictures for the vision-language encoder."""
    folder = tmp_path_factory.mktemp("qwen")
    qwen_pipeline().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
@once
def plus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same parts as a `QwenImageEditPlusPipeline`."""
    from diffusers import QwenImageEditPlusPipeline

    folder = tmp_path_factory.mktemp("plus")
    QwenImageEditPlusPipeline(**qwen_pipeline().components).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
@once
def qwen_image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same parts as a `QwenImagePipeline`, text to image, which has no processor."""
    from diffusers import QwenImagePipeline

    folder = tmp_path_factory.mktemp("qwen_image")
    parts = {name: part for name, part in qwen_pipeline().components.items() if name != "processor"}
    QwenImagePipeline(**parts).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
@once
def pix2pix_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `StableDiffusionInstructPix2PixPipeline`."""
    folder = tmp_path_factory.mktemp("pix2pix")
    pix2pix_pipeline().save_pretrained(folder)
    return folder


def pix2pix_pipeline() -> Any:
    """The pipeline of `pix2pix_folder`."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionInstructPix2PixPipeline

    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet, vae = pix2pix_unet(), autoencoder()
        return StableDiffusionInstructPix2PixPipeline(
            vae=vae,
            text_encoder=clip_text_encoder(),
            tokenizer=clip_tokenizer(),
            unet=unet,
            scheduler=EulerDiscreteScheduler(steps_offset=1),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )


def seen_by(pipe: Any, part: str) -> list[dict[str, Any]]:
    """Collects the keyword arguments of every later call of a pipeline's part."""
    calls: list[dict[str, Any]] = []
    getattr(pipe, part).register_forward_pre_hook(lambda module, args, kwargs: calls.append(kwargs), with_kwargs=True)
    return calls
