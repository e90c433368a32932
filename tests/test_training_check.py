"""`python main.py check` of a training: what it would do, what it needs, where everything goes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from main import app
from src.errors import ConfigError, EditLoopError
from src.training.check import check_training
from src.training.config import load_training_config

PRESETS = sorted(Path("configs/training").glob("*.yaml"))
PUBLISHED = [path for path in PRESETS if path.stem.startswith("qwen")]
MINIATURE = Path("configs/training/miniature_rewrite.yaml")


def _lines(path: Path, *overrides: str) -> list[str]:
    return list(check_training(load_training_config(path, overrides), path))


@pytest.fixture(autouse=True)
def _without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_a_preset_passes_says_what_to_get_and_fits_its_hardware(path: Path) -> None:
    lines = _lines(path)
    text = "\n".join(lines)
    assert "hf download Qwen/Qwen2.5-VL-7B-Instruct" in text
    assert "to get    data.train: data/rewrite/train.jsonl is not there" in text
    gpus = [line for line in lines if line.startswith("GPU")]
    assert gpus
    assert all(re.search(r"GiB of [\d.]+: [\d.]+ left$", line) for line in gpus)
    assert "unknown" not in text
    assert f"main.py train --config {path}" in lines[-1]


@pytest.mark.parametrize("path", [path for path in PRESETS if path not in PUBLISHED], ids=lambda path: path.stem)
def test_a_miniature_training_passes_even_before_its_policy_is_made(path: Path) -> None:
    text = "\n".join(_lines(path, "policy.model=./not/made/yet"))
    assert "to get    policy: there are no weights at ./not/made/yet" in text
    assert "memory    unknown, since ./not/made/yet is not on this machine" in text


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_the_docs_show_what_the_command_says(path: Path) -> None:
    lines = _lines(path)
    memory = lines[next(index for index, line in enumerate(lines) if line.startswith("lengths")) :]
    docs = Path("docs/training.md").read_text(encoding="utf-8")
    assert "\n".join(memory) in docs


def test_the_command_reads_a_training_by_its_sections() -> None:
    result = CliRunner().invoke(app, ["check", "--config", str(MINIATURE), "--set", "training.grpo.max_steps=7"])
    assert result.exit_code == 0, result.output
    assert "steps     7 on 1 process(es), each generation 4 prompts × 8 completions" in result.output


def test_steps_completions_edits_and_judge_calls_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    lines = _lines(
        MINIATURE, f"training.output_dir={folder}", "training.grpo.max_steps=5", "training.grpo.save_steps=5",
        "data.limit=20", "scorer.class_path=src.rewards.six_dimension_reward.SixDimensionReward", "evaluation.limit=30",
    )  # fmt: skip
    text = "\n".join(lines)
    assert "data      20 examples, 100 held out" in text
    # 5 steps of 32 completions; a question for each of the five categories
    assert "work      160 completions, at most as many edits, at most 800 judge calls" in text
    assert "comparison: 60 edits, each scored by 2 scorer(s)" in text
    assert not any(line.startswith("to get") for line in lines)
    assert not folder.exists()


def test_epochs_are_divided_among_the_processes() -> None:
    epochs = ["training.grpo.max_steps=-1", "training.grpo.num_train_epochs=3", "training.grpo.save_strategy='no'"]
    alone = _lines(MINIATURE, *epochs)
    assert "steps     150 on 1" in "\n".join(alone)  # 200 examples, 4 prompts a step
    two = _lines(MINIATURE, *epochs, "hardware.gpus=2", "hardware.gpu_memory=80", "hardware.training=[0, 1]")
    assert "steps     75 on 2 process(es), each generation 8 prompts × 8 completions" in "\n".join(two)


def test_first_attempts_of_a_second_pass_are_counted() -> None:
    task = "task.class_path=src.training.tasks.rewrite.CritiqueTask"
    assert "          20 first attempts" in _lines(MINIATURE, task, "data.limit=20")


@pytest.mark.parametrize(("processes", "fits"), [(2, True), (3, False)])
def test_whether_groups_fit_depends_on_all_processes_together(processes: int, fits: bool) -> None:
    overrides = ["training.grpo.per_device_train_batch_size=4", f"hardware.training={list(range(processes))}"]
    overrides += ["hardware.gpus=3", "hardware.gpu_memory=80"]
    if fits:
        assert "each generation 1 prompts × 8 completions" in "\n".join(_lines(MINIATURE, *overrides))
        return
    with pytest.raises(ConfigError, match=r"generation_batch_size \(12\) must be divisible by num_generations \(8\)"):
        _lines(MINIATURE, *overrides)


def test_an_editor_beside_the_policy_that_has_no_room_does_not_fit() -> None:
    """What the LoRA preset once asked of one GPU of 80 GB."""
    editor = "src.models.diffusion.implementations.qwen_image_edit.QwenImageEditModel"
    lines = _lines(
        Path("configs/training/qwen2_5_vl_7b_rewrite_lora.yaml"),
        f"diffusion_model={{class_path: {editor}, params: {{}}}}",
        "hardware.servers=[]",
    )
    assert any("policy with vLLM, editor" in line and "does NOT fit" in line for line in lines)


@pytest.mark.parametrize(
    ("hardware", "reason"),
    [
        ({"gpus": 2, "gpu_memory": 80, "training": [2]}, "there is no GPU 2"),
        ({"gpus": 2, "gpu_memory": 80, "training": [0, 0]}, "a GPU of its own"),
        ({"gpus": 2, "gpu_memory": 80, "servers": [{"gpus": [1]}]}, "either an editor or a judge"),
    ],
)
def test_hardware_that_cannot_be_is_refused(hardware: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        load_training_config(MINIATURE, [f"hardware={hardware}"])


def test_a_policy_of_unknown_shape_is_named_and_nothing_is_invented() -> None:
    lines = _lines(MINIATURE, "policy.model=somebody/model")
    assert lines[-1].startswith("memory    unknown, since somebody/model is not on this machine")


LORA = Path("configs/training/qwen2_5_vl_7b_rewrite_lora.yaml")


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("task={class_path: src.training.tasks.rewrite.RewriteTask, params: {nonsense: 1}}", "task.params"),
        ("scorer.class_path=src.rewards.vie_score.VIEScoer", "Did you mean 'VIEScore'"),
        ("scorer.params={nonsense: 1}", "scorer.params"),
        ("evaluation.scorer={class_path: src.rewards.vie_score.VIEScoer}", "Did you mean 'VIEScore'"),
        ("evaluation.scorer={class_path: src.rewards.vie_score.VIEScore, params: {nonsense: 1}}", "nonsense"),
        ("evaluation.diffusion_params={nonsense: 1}", "nonsense"),
        ("training.output_dir=README.md/out", "cannot be written"),
        ("policy.lora.target_modules=[zzz]", r"policy.lora: .*zzz"),
        ("policy.lora.target_modules='('", "policy.lora: "),
        ("policy={model: Qwen/Qwen2.5-VL-7B-Instruct, lora: {bias: nonsense}}", "policy.lora: "),
        ("policy.lora.alpha_pattern=text", "policy.lora: "),
        ("policy.attn_implementation=sdpaa", "Did you mean 'sdpa'"),
        ("policy.attn_implementation=flash_attention_2", "needs the package flash_attn"),
    ],
)
def test_what_is_wrong_is_found_although_weights_are_missing(override: str, reason: str) -> None:
    with pytest.raises(EditLoopError, match=reason):
        _lines(LORA, override)


def test_a_judge_of_the_evaluation_without_a_scorer_is_found_although_weights_are_missing() -> None:
    judge = "src.models.reward.implementations.openai_reward.OpenAIRewardModel"
    with pytest.raises(ConfigError, match=r"add evaluation\.scorer"):
        _lines(LORA, "evaluation.scorer=null", f"evaluation.reward_model={{class_path: {judge}, params: {{model: m}}}}")


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        (
            "training.grpo.vllm_gpu_memory_utilization=0.1",
            "14.0 GiB have no room for the 15.4 GiB of Qwen/Qwen2.5-VL-7B",
        ),
        (
            "hardware.servers=[{judge: Qwen/Qwen3-VL-8B-Instruct, gpus: [0], gpu_memory_utilization: 0.1}]",
            "14.0 GiB have no room for the 16.3 GiB of Qwen/Qwen3-VL-8B",
        ),
    ],
)
def test_a_share_of_vllm_below_the_weights_does_not_fit(override: str, reason: str) -> None:
    lines = _lines(Path("configs/training/qwen2_5_vl_7b_rewrite_fast.yaml"), override)
    assert [line for line in lines if reason in line and "does NOT fit" in line]
