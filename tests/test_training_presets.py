"""Every shipped training config and accelerate file is valid; nothing is loaded and nobody is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.reward.base_reward import BaseRewardModel
from src.registry import check_params, load_class
from src.rewards.core.scorer import CompletionScorer, Scorer, ScorerSetting
from src.rewards.scorers.six_dimension import SixDimensionScorer
from src.training.config import LANGUAGE_MODEL_LAYERS, TrainingConfig, load_training_config
from src.training.grpo.policy import lora_config
from src.training.grpo.settings import grpo_config
from src.training.validate import build_task, completed

PRESETS = sorted(Path("configs/training").glob("*.yaml"))
ACCELERATE = sorted(Path("configs/accelerate").glob("*.yaml"))


@pytest.fixture(params=PRESETS, ids=lambda path: path.stem)
def preset(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> TrainingConfig:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    return load_training_config(request.param)


def test_a_preset_names_real_classes_with_valid_params(preset: TrainingConfig) -> None:
    build_task(preset)
    families = {"diffusion_model": BaseDiffusionModel, "reward_model": BaseRewardModel}
    for section, base in families.items():
        if (model := getattr(preset, section)) is None:
            continue
        changed = preset.evaluation.diffusion_params if section == "diffusion_model" else {}
        for params in (model.params, model.params | changed):
            check_params(load_class(model.class_path, base), params, section)  # type: ignore[type-abstract]


def test_the_scorer_of_a_preset_can_be_built(preset: TrainingConfig) -> None:
    from src.rewards.core.judge_handle import JudgeHandle

    path, params = preset.scorer.class_path, preset.scorer.params
    if completed(preset).diffusion_model is None:
        load_class(path, CompletionScorer)(params)  # type: ignore[type-abstract,call-arg]
        return
    judge = JudgeHandle(preset.reward_model) if preset.reward_model else None
    load_class(path, Scorer)(params, ScorerSetting(judge))  # type: ignore[type-abstract]


def test_the_trainer_accepts_the_settings_of_a_preset(preset: TrainingConfig) -> None:
    arguments = grpo_config(preset.training)
    assert arguments.generation_batch_size % arguments.num_generations == 0
    if preset.policy.lora:
        lora_config(preset.policy.lora)


def test_adapters_leave_the_vision_tower_alone(preset: TrainingConfig) -> None:
    import re

    pattern = preset.policy.lora.target_modules if preset.policy.lora else LANGUAGE_MODEL_LAYERS
    assert isinstance(pattern, str)
    assert re.fullmatch(pattern, "model.language_model.layers.0.self_attn.q_proj")
    assert not re.fullmatch(pattern, "model.visual.blocks.0.attn.q_proj")


def test_all_presets_are_here() -> None:
    assert {path.stem for path in PRESETS} >= {
        "miniature_conditioning",
        "miniature_rewrite",
        "miniature_text_to_image",
        "miniature_vqa",
        "qwen2_5_vl_7b_conditioning_edit_lora",
        "qwen2_5_vl_7b_conditioning_image_full",
        "qwen2_5_vl_7b_rewrite_2x24gb",
        "qwen2_5_vl_7b_rewrite_fast",
        "qwen2_5_vl_7b_rewrite_full",
        "qwen2_5_vl_7b_rewrite_lora",
    }
    assert {path.stem for path in ACCELERATE} == {"cpu_zero2", "ddp", "fsdp", "zero2", "zero3", "zero3_offload"}


@pytest.mark.parametrize("path", ACCELERATE, ids=lambda path: path.stem)
def test_accelerate_knows_every_key_of_its_file(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    assert config.num_processes >= 2
    stage = {"zero2": 2, "cpu_zero2": 2, "zero3": 3, "zero3_offload": 3}.get(path.stem)
    assert (config.deepspeed_config or {}).get("zero_stage") == stage
    assert config.use_cpu is (path.stem == "cpu_zero2")


@pytest.mark.parametrize("name", ["qwen2_5_vl_7b_rewrite_lora", "qwen2_5_vl_7b_rewrite_full"])
def test_a_preset_trains_two_steps_with_miniature_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own settings but for weights, sizes and addresses: a served editor, a judge behind an API, two steps."""
    from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
    from src.training.train import train
    from tests.chat_server import Answer, chat_server, completion
    from tests.edit_servers import edit_server

    monkeypatch.setenv("OPENAI_API_KEY", "x")
    # The miniature policy was taught its prompt to the letter, and writes nothing legible below further rules.
    monkeypatch.setattr(SixDimensionScorer, "policy_rules", lambda self, language: "")
    editor = {"model_name": "assets/miniature/editor", "num_inference_steps": 1, "true_cfg_scale": 1.0}
    sizes = dict.fromkeys(("output_resolution", "condition_resolution", "vl_resolution"), 64)
    with edit_server(QwenImageEditModel({**editor, **sizes, "batch_size": 8})) as url, chat_server() as judge:
        judge.script = lambda body, number: Answer(completion(f"Score: {len(judge.requests) % 11}"))
        overrides = {
            "policy.model": "assets/miniature/policy",
            "policy.dtype": "auto",
            "data.train": "assets/miniature/rewrite_tasks.json",
            "data.held_out": "null",
            "diffusion_model.params.endpoints": f"['{url}']",
            "reward_model.params.base_url": judge.url,
            "training.output_dir": str(tmp_path / "out"),
            "training.grpo.max_steps": 2,
            "training.grpo.save_steps": 2,
            "training.grpo.gradient_accumulation_steps": 16 // (4 if "lora" in name else 2),
            "training.grpo.max_completion_length": 80,
            "training.grpo.use_vllm": "false",
            "hardware": "null",
        }
        sets = [f"{key}={value}" for key, value in overrides.items()]
        outcome = train(load_training_config(Path(f"configs/training/{name}.yaml"), sets))
    assert outcome is not None
    assert (outcome.policy / ("adapter_config.json" if "lora" in name else "config.json")).is_file()
    steps = [row for row in json.loads(outcome.history.read_text(encoding="utf-8")) if "loss" in row]
    assert [row["statuses/scored"] > 0 for row in steps] == [True, True]
