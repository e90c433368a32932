"""A tiny random checkpoint of every editing pipeline of diffusers, each saved at most once per test session.

`BUILDERS` has one function per pipeline class; the fixture `editing_checkpoint` saves what a test asks for. Sizes are
about the smallest that each class accepts; what a pipeline fixes (layers it reads, channels it expects) is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import tiny_text_pipelines, tiny_vlm_pipelines
from tests.tiny_glm_image import glm_image_pipeline
from tests.tiny_parts import once
from tests.tiny_pipelines import pix2pix_pipeline
from tests.tiny_qwen21 import qwen21_pipeline

BUILDERS: dict[str, Callable[[], Any]] = {
    "StableDiffusionInstructPix2PixPipeline": pix2pix_pipeline,
    "StableDiffusionXLInstructPix2PixPipeline": tiny_text_pipelines.pix2pix_xl,
    "FluxKontextPipeline": tiny_text_pipelines.kontext,
    "Flux2Pipeline": tiny_text_pipelines.flux2,
    "Flux2KleinPipeline": lambda: tiny_text_pipelines.flux2_klein("Flux2KleinPipeline"),
    "Flux2KleinKVPipeline": lambda: tiny_text_pipelines.flux2_klein("Flux2KleinKVPipeline"),
    "QwenImageEditPipeline": lambda: tiny_vlm_pipelines.qwen("QwenImageEditPipeline"),
    "QwenImageEditPlusPipeline": lambda: tiny_vlm_pipelines.qwen("QwenImageEditPlusPipeline"),
    "QwenImage21Pipeline": qwen21_pipeline,
    "LongCatImageEditPipeline": tiny_vlm_pipelines.longcat,
    "BriaFiboEditPipeline": tiny_text_pipelines.fibo_edit,
    "BriaFibo2Pipeline": tiny_vlm_pipelines.fibo2,
    "ZImageOmniPipeline": tiny_text_pipelines.z_image_omni,
    "JoyImageEditPipeline": lambda: tiny_vlm_pipelines.joy("JoyImageEditPipeline", "JoyImageEditTransformer3DModel"),
    "JoyImageEditPlusPipeline": lambda: tiny_vlm_pipelines.joy(
        "JoyImageEditPlusPipeline", "JoyImageEditPlusTransformer3DModel"
    ),
    "Kandinsky5I2IPipeline": tiny_vlm_pipelines.kandinsky5,
    "ChronoEditPipeline": tiny_text_pipelines.chrono,
    "DreamLitePipeline": lambda: tiny_vlm_pipelines.dreamlite("DreamLitePipeline"),
    "DreamLiteMobilePipeline": lambda: tiny_vlm_pipelines.dreamlite("DreamLiteMobilePipeline"),
    "OmniGenPipeline": tiny_text_pipelines.omnigen,
    "GlmImagePipeline": glm_image_pipeline,
}
"""By the name of the pipeline class."""


def save_checkpoint(class_name: str, folder: Path) -> Path:
    """Writes a checkpoint with the same random weights every time."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipeline = BUILDERS[class_name]()
        for part in pipeline.components.values():
            if isinstance(part, torch.nn.Module):
                _widen(part)
    pipeline.save_pretrained(folder)
    return folder


def _widen(model: Any) -> None:
    """Zero-initialised layers get weights, so that instruction, source and noise all reach the pixels."""
    import torch

    for parameter in model.parameters():
        if parameter.dim() > 1 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.15)


@pytest.fixture(scope="session")
@once
def editing_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a pipeline class's checkpoint, made when first asked for."""
    made: dict[str, Path] = {}

    def folder(class_name: str) -> Path:
        if class_name not in made:
            made[class_name] = save_checkpoint(class_name, tmp_path_factory.mktemp(class_name))
        return made[class_name]

    return folder
