"""Editors named by their diffusers class, on tiny random checkpoints."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src.errors import ConfigError, ModelError
from src.models.diffusion.implementations.diffusers_edit import DiffusersEditModel
from tests.tiny_parts import gradient
from tests.tiny_pipelines import pix2pix_folder  # noqa: F401 (fixtures)


def editor(folder: Path, **changes: Any) -> DiffusersEditModel:
    return DiffusersEditModel({"model_name": str(folder), "num_inference_steps": 2, "batch_size": 4, **changes})


def difference(first: Image.Image, second: Image.Image) -> int:
    return int(abs(np.asarray(first).astype(int) - np.asarray(second).astype(int)).max())


@pytest.mark.parametrize("pipeline_class", ["auto", "StableDiffusionInstructPix2PixPipeline"])
def test_a_pipeline_is_loaded_by_its_index_or_by_name(pix2pix_folder: Path, pipeline_class: str) -> None:
    model = editor(pix2pix_folder, pipeline_class=pipeline_class)
    assert type(model.pipe).__name__ == "StableDiffusionInstructPix2PixPipeline"
    assert model.edit_image(gradient(), "make the sky red", seed=1).size == (64, 64)


def test_a_batch_gives_the_pixels_of_single_calls(pix2pix_folder: Path) -> None:
    model = editor(pix2pix_folder)
    sources, texts = [gradient(turn=turn) for turn in range(3)], ["make the sky red", "remove the tree now", "x"]
    together = model.batch_edit(sources, texts, seeds=[1, 2, 3])
    alone = [model.edit_image(sources[index], texts[index], seed=index + 1) for index in range(3)]
    assert max(difference(*pair) for pair in zip(together, alone, strict=True)) <= 1
    assert difference(alone[0], model.edit_image(sources[0], texts[0], seed=9)) > 1


def test_call_params_reach_the_pipeline(pix2pix_folder: Path) -> None:
    edits = [
        editor(pix2pix_folder, call_params={"image_guidance_scale": scale}).edit_image(gradient(), "x", seed=1)
        for scale in (1.0, 3.0)
    ]
    assert difference(*edits) > 1


def test_an_unknown_call_param_is_refused_with_the_nearest_name(pix2pix_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"call_params\.guidance_scal:.*Did you mean 'guidance_scale'"):
        editor(pix2pix_folder, call_params={"guidance_scal": 3.0})


@pytest.mark.parametrize("name", ["prompt", "generator", "output_type"])
def test_call_params_cannot_take_over_what_the_editor_decides(pix2pix_folder: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        editor(pix2pix_folder, call_params={name: "np"})


@pytest.mark.parametrize(("resolution", "size"), [(None, (96, 48)), (32, (48, 16)), (64, (96, 48))])
def test_the_source_is_scaled_to_the_resolution(pix2pix_folder: Path, resolution: Any, size: tuple[int, int]) -> None:
    model = editor(pix2pix_folder, resolution=resolution)
    assert model.edit_image(gradient((100, 50)), "x").size == size


def test_a_withheld_picture_is_an_error_and_no_edit(pix2pix_folder: Path) -> None:
    model = editor(pix2pix_folder)
    model.pipe.run_safety_checker = lambda image, *rest: (image * 0, [True])
    with pytest.raises(ModelError, match="safety checker"):
        model.edit_image(gradient(), "x")


def test_a_pipeline_that_edits_nothing_is_refused(pix2pix_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"StableDiffusionPipeline does not edit images"):
        editor(pix2pix_folder, pipeline_class="StableDiffusionPipeline")


def test_an_unknown_pipeline_class_is_an_error(pix2pix_folder: Path) -> None:
    with pytest.raises(ModelError, match="no pipeline 'FluxContextPipeline'"):
        editor(pix2pix_folder, pipeline_class="FluxContextPipeline")


def test_a_folder_without_an_index_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"model_index\.json"):
        editor(tmp_path)
