"""What the local judge accepts, refuses and is known by before it answers anything."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from src.config import load_config
from src.errors import ConfigError, ModelError
from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel
from src.registry import check_params, load_class
from tests.tiny_judges import judge, question, qwen3_folder, texts  # noqa: F401 (fixtures)


def test_the_params_of_older_configs_are_accepted_and_those_without_effect_are_named(
    qwen3_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = {
        "model_name": str(qwen3_folder),
        "device": "auto",
        "device_ids": [0, 1],
        "dtype": "float32",
        "max_new_tokens": 128,
        "use_flash_attention": False,
        "compare_with_original": False,
        "use_batch_inference": True,
        "batch_size": 2,
        "conda_env": "qwen3_vl_env",
        "python_path": None,
        "script_path": "standalone.py",
        "timeout": 600,
        "temperature": 0.7,
    }
    check_params(Qwen3VLRewardModel, old, "reward_model.params")
    with caplog.at_level(logging.INFO), mock.patch("torch.cuda.is_available", return_value=False):
        Qwen3VLRewardModel(old)
    assert "conda_env, script_path, timeout have no effect" in caplog.text
    with pytest.raises(ConfigError, match="max_new_token"):
        check_params(Qwen3VLRewardModel, {"max_new_token": 5}, "reward_model.params")


def test_among_several_processes_each_judge_stays_on_the_gpu_of_its_own(qwen3_folder: Path) -> None:
    with (
        mock.patch("torch.cuda.is_available", return_value=True),
        mock.patch("torch.cuda.device_count", return_value=8),
        mock.patch.dict("os.environ", {"LOCAL_RANK": "5"}),
        mock.patch("torch.distributed.is_initialized", return_value=True),
        mock.patch("torch.distributed.get_world_size", return_value=8),
        mock.patch("torch.nn.Module.to", lambda module, device: module),
    ):
        assert judge(qwen3_folder, dtype="float32").device == "cuda:5"


def test_a_model_spread_over_gpus_is_never_moved(qwen3_folder: Path) -> None:
    from transformers import AutoModelForImageTextToText

    load = AutoModelForImageTextToText.from_pretrained

    def dispatched(name: str, **arguments: Any) -> Any:
        assert arguments.pop("device_map") == "auto"
        assert arguments.pop("max_memory") == {1: 80, 3: 80}
        model = load(name, **arguments)
        model.hf_device_map = {"model.visual": 1, "model.language_model": 3}
        model.to = mock.Mock(side_effect=AssertionError("moved"))
        return model

    with (
        mock.patch("torch.cuda.is_available", return_value=True),
        mock.patch("torch.cuda.device_count", return_value=4),
        mock.patch("torch.cuda.mem_get_info", return_value=(80, 90)),
        mock.patch.object(AutoModelForImageTextToText, "from_pretrained", dispatched),
    ):
        model = judge(qwen3_folder, device_ids=[1, 3], dtype="float32")
        model.unload_from_gpu()
        model.load_to_gpu()
        assert texts(model.ask([question()]))


def test_what_cannot_judge_is_refused_with_the_reason(qwen3_folder: Path, tmp_path: Path) -> None:
    import shutil

    with pytest.raises(ModelError, match="there are no weights at"):
        judge(tmp_path / "nothing" / "here")
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(ModelError, match="could not be loaded as a vision-language model"):
        judge(tmp_path)
    silent = shutil.copytree(qwen3_folder, tmp_path / "silent")
    (silent / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="no chat template"):
        judge(silent)
    with pytest.raises(ModelError, match="set use_flash_attention: false"):
        judge(qwen3_folder, use_flash_attention=True)


def test_the_identity_follows_weights_and_replies_but_not_placement(qwen3_folder: Path) -> None:
    def identity(**changes: Any) -> dict[str, Any]:
        return Qwen3VLRewardModel.identity({"model_name": str(qwen3_folder), **changes})

    assert all(
        identity(**same) == identity()
        for same in ({"device": "cpu"}, {"batch_size": 1}, {"timeout": 9.0}, {"use_batch_inference": False})
    )
    others = ({"image_max_side": 512}, {"temperature": 0.5}, {"score_mode": "expected"}, {"dtype": "float16"})
    assert all(identity(**other) != identity() for other in others)
    assert identity()["weights"]


def test_the_shipped_config_names_params_that_exist() -> None:
    config = load_config(Path("configs/evaluation/qwen_image_edit_qwen3_vl_judge.yaml"))
    found = load_class(config.reward_model.class_path, Qwen3VLRewardModel)
    check_params(found, config.reward_model.params, "reward_model.params")
    assert found.Params(**config.reward_model.params).compare_with_original


def test_importing_the_judge_needs_no_torch() -> None:
    code = "import sys, src.models.reward.implementations.qwen3_vl_reward; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
