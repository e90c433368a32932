"""The editors of the shipped evaluation files, loaded as written but for the weights: tiny ones of the same class."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from src.config import ModelConfig, load_config
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.implementations.diffusers_edit import DiffusersEditModel
from src.registry import check_params, load_class
from tests.tiny_editing_pipelines import editing_checkpoint  # noqa: F401 (fixture)
from tests.tiny_parts import gradient

ROOT = Path(__file__).parent.parent
GUIDANCE = ("guidance_scale", "true_cfg_scale", "image_guidance_scale")
EDITORS = {
    "dreamlite": ("DreamLitePipeline", 28, {"guidance_scale": 3.5, "image_guidance_scale": 1.5}),
    "fibo_2": ("BriaFibo2Pipeline", 30, {"guidance_scale": 5.0}),
    "flux2_dev": ("Flux2Pipeline", 50, {"guidance_scale": 4.0}),
    "flux2_klein_4b": ("Flux2KleinPipeline", 4, {"guidance_scale": 1.0}),
    "flux2_klein_9b_kv": ("Flux2KleinKVPipeline", 4, {}),
    "flux2_klein_base_9b": ("Flux2KleinPipeline", 50, {"guidance_scale": 4.0}),
    "glm_image": ("GlmImagePipeline", 30, {"guidance_scale": 1.5}),
    "flux_kontext": ("FluxKontextPipeline", 28, {"guidance_scale": 2.5}),
    "joyai_image_edit": ("JoyImageEditPipeline", 40, {"guidance_scale": 4.0}),
    "longcat_image_edit": ("LongCatImageEditPipeline", 50, {"guidance_scale": 4.5}),
    "qwen_image_2_1": ("QwenImage21Pipeline", 40, {"true_cfg_scale": 1.0}),
}
"""Pipeline, steps and guidance as the sources say that the files name."""
DISTILLED = ("flux2_klein_4b",)
"""Their index says `is_distilled`."""
OWN_SIZES = {"output_resolution": 64, "condition_resolution": 64}
"""What a CPU edits in a moment; for the class that names its sizes."""


def preset(name: str) -> ModelConfig:
    return load_config(ROOT / "configs/evaluation" / f"{name}.yaml").diffusion_model


def distilled(folder: Path, tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(folder, tmp_path / "distilled"))
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps({**index, "is_distilled": True}))
    return copy


@pytest.mark.parametrize("name", EDITORS)
def test_the_editor_of_a_preset_makes_an_edit_with_the_steps_and_guidance_of_its_source(
    name: str, editing_checkpoint: Callable[[str], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline_class, steps, guidance = EDITORS[name]
    config = preset(name)
    editor_class = load_class(config.class_path, BaseDiffusionModel)  # type: ignore[type-abstract]
    small = OWN_SIZES if "output_resolution" in config.params else {"resolution": 64}
    folder = editing_checkpoint(pipeline_class)
    params = {**config.params, "model_name": str(distilled(folder, tmp_path) if name in DISTILLED else folder), **small}
    check_params(editor_class, params, name)
    editor_class.check_weights(params)
    assert [record.message for record in caplog.records if record.name.startswith("src.")] == []
    model: Any = editor_class(params)
    assert type(model.pipe).__name__ == pipeline_class
    with mock.patch.object(type(model.pipe), "__call__", autospec=True, side_effect=type(model.pipe).__call__) as call:
        edit = model.edit_image(gradient((96, 96)), "make the sky red", seed=1)
    assert (edit.mode, edit.size) == ("RGB", (64, 64))
    arguments = call.call_args.kwargs
    assert arguments["num_inference_steps"] == steps
    assert {key: arguments[key] for key in GUIDANCE if key in arguments} == guidance


def test_guidance_asked_of_a_distilled_checkpoint_is_said(
    editing_checkpoint: Callable[[str], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = distilled(editing_checkpoint("Flux2KleinPipeline"), tmp_path)
    DiffusersEditModel.check_weights({"model_name": str(folder), "call_params": {"guidance_scale": 4.0}})
    assert "guidance_scale has no effect: the checkpoint is distilled" in caplog.text


def test_every_file_is_in_the_table_of_the_editors_page_with_its_checkpoint_and_steps() -> None:
    rows = [
        line for line in (ROOT / "docs/editors.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    files = [path for path in (ROOT / "configs/evaluation").glob("*.yaml") if not path.stem.endswith("_judge")]
    for path in files:
        params = preset(path.stem).params
        (row,) = [row for row in rows if row.startswith(f"| `{path.name}` |")]
        assert f"`{params['model_name']}`" in row
        assert f"| {params.get('num_inference_steps', '–')} |" in row  # a token editor makes no steps
    assert {*EDITORS} <= {path.stem for path in files}
