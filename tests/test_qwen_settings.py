"""Settings of the Qwen editor that change nothing on a checkpoint are said, before anything loads."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from src.config import Config
from src.errors import ConfigError, ModelError
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from src.pipeline.check import check_run
from tests.tiny_pipelines import pix2pix_folder, plus_folder, qwen_folder  # noqa: F401 (fixtures)
from tests.tiny_qwen21 import distilled_folder, qwen21_folder  # noqa: F401 (fixtures)

KINDS = ("qwen_folder", "plus_folder", "qwen21_folder")
GUIDED = {"true_cfg_scale": 4.0, "negative_prompt": "blurry"}


def said(folder: Any, caplog: pytest.LogCaptureFixture, **params: Any) -> str:
    with mock.patch("diffusers.DiffusionPipeline.from_pretrained", side_effect=AssertionError("loaded")):
        QwenImageEditModel.check_weights({"model_name": str(folder), **params})
    return caplog.text


@pytest.mark.parametrize(
    ("kind", "params", "words"),
    [
        ("qwen_folder", {"use_kv_cache": False}, "use_kv_cache: this pipeline has no cache"),
        ("plus_folder", {"use_kv_cache": False}, "use_kv_cache: this pipeline has no cache"),
        ("qwen21_folder", {"vl_resolution": 384}, "vl_resolution: both encoders see one picture"),
        ("plus_folder", {"batch_size": 4}, "batch_size 4: a QwenImageEditPlusPipeline edits one picture per call"),
        ("qwen21_folder", {"batch_size": 4}, "batch_size 4: a QwenImage21Pipeline edits one picture per call"),
        ("qwen21_folder", {"negative_prompt": "blurry"}, "negative_prompt: guidance is off"),
        ("qwen_folder", {"negative_prompt": "blurry", "true_cfg_scale": 1}, "negative_prompt: guidance is off"),
        ("distilled_folder", {"num_inference_steps": 40}, "num_inference_steps 40: the checkpoint's sample_sigmas"),
        (
            "qwen_folder",
            {"scheduler_config": {"max_shift": 1.0}},
            "scheduler_config.max_shift: use_dynamic_shifting is",
        ),
        (
            "qwen21_folder",
            {"scheduler_config": {"use_dynamic_shifting": True, "shift": 3.0}},
            "scheduler_config.shift: use_dynamic_shifting is true",
        ),
        ("qwen_folder", {"lora_scale": 0.5}, "lora_scale: there is no lora"),
        ("qwen21_folder", {"lora_weight_name": "a.safetensors"}, "lora_weight_name: there is no lora"),
        ("qwen_folder", {"enable_batch_sync": True}, "enable_batch_sync: replicas"),
    ],
)
def test_a_setting_without_effect_is_said_before_anything_loads(
    kind: str, params: dict[str, Any], words: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    text = said(request.getfixturevalue(kind), caplog, **params)
    assert words in text
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        *((kind, GUIDED) for kind in KINDS),
        *((kind, {"num_inference_steps": 40, "condition_resolution": 512}) for kind in KINDS),
        ("qwen_folder", {"batch_size": 4, "vl_resolution": 384, "negative_prompt": "blurry"}),
        ("plus_folder", {"vl_resolution": 384, "negative_prompt": "blurry"}),
        ("qwen21_folder", {"use_kv_cache": False}),
        ("qwen_folder", {"scheduler_config": {"shift": 1.5, "shift_terminal": None}}),
        ("qwen_folder", {"scheduler_config": {"use_dynamic_shifting": True, "max_shift": 1.0}}),
        ("distilled_folder", {"num_inference_steps": 2}),
    ],
)
def test_nothing_is_said_of_settings_that_have_an_effect(
    kind: str, params: dict[str, Any], request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    assert said(request.getfixturevalue(kind), caplog, **params) == ""


def test_an_unknown_setting_of_the_scheduler_is_refused_before_anything_loads(
    qwen21_folder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigError, match=r"scheduler_config\.shft: FlowMatchEulerDiscreteScheduler .*'shift'"):
        said(qwen21_folder, caplog, scheduler_config={"shft": 3.0})


def test_a_checkpoint_of_another_pipeline_is_refused_before_anything_loads(
    pix2pix_folder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ModelError, match=r"StableDiffusionInstructPix2PixPipeline.*DiffusersEditModel"):
        said(pix2pix_folder, caplog)


@pytest.mark.parametrize("behind_a_policy", [False, True])
def test_checking_a_run_says_them_and_loads_nothing(
    behind_a_policy: bool,
    qwen21_folder: Any,
    write_benchmark: Callable[..., Path],
    make_config: Callable[..., Config],
    caplog: pytest.LogCaptureFixture,
) -> None:
    editor = {
        "class_path": "src.models.diffusion.implementations.qwen_image_edit.QwenImageEditModel",
        "params": {"model_name": str(qwen21_folder), "vl_resolution": 384},
    }
    if behind_a_policy:
        editor = {
            "class_path": "src.models.diffusion.implementations.rewrite_editor.RewriteEditor",
            "params": {"policy": "assets/miniature/policy", "editor": editor},
        }
    with mock.patch("diffusers.DiffusionPipeline.from_pretrained", side_effect=AssertionError("loaded")):
        assert list(check_run(make_config(write_benchmark(2), diffusion_model=editor)))
    assert "vl_resolution: both encoders see one picture" in caplog.text
