"""`python main.py check` of a training: what it would do, what it needs, where everything goes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from main import app
from src.errors import ConfigError, DataError, EditLoopError
from src.training.check import check_training
from src.training.config import PolicySettings, ServedModel, load_training_config
from src.training.grpo.settings import grpo_config
from src.training.memory.editor_memory import DECODING
from src.training.memory.parts import GIB
from src.training.memory.placement import Gpu, launches, place
from src.training.memory.policy_memory import TEXT_TOKENS, SequenceLengths, count
from src.training.train import train
from src.training.validate import check_processes
from tests.conftest import item

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
    assert f"to get    data.train: {load_training_config(path).data.train} is not there: download it" in text
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


def test_the_docs_name_every_setting_of_a_server() -> None:
    docs = Path("docs/training.md").read_text(encoding="utf-8")
    row = next(line for line in docs.splitlines() if line.startswith("| `hardware.servers`"))
    assert not [name for name in ServedModel.model_fields if f"`{name}`" not in row]


def test_the_command_reads_a_training_by_its_sections() -> None:
    result = CliRunner().invoke(app, ["check", "--config", str(MINIATURE), "--set", "training.grpo.max_steps=7"])
    assert result.exit_code == 0, result.output
    assert "steps     7 on 1 process(es), each generation 4 prompts × 8 completions" in result.output


def test_steps_completions_edits_and_judge_calls_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    lines = _lines(
        MINIATURE, f"training.output_dir={folder}", "training.grpo.max_steps=5", "training.grpo.save_steps=5",
        "data.limit=20",
        "scorer.class_path=src.rewards.scorers.six_dimension.SixDimensionScorer",
        "evaluation.limit=30",
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
    assert "steps     240 on 1" in "\n".join(alone)  # 320 examples, 4 prompts a step
    two = _lines(MINIATURE, *epochs, "hardware.gpus=2", "hardware.gpu_memory=80", "hardware.training=[0, 1]")
    assert "steps     120 on 2 process(es), each generation 8 prompts × 8 completions" in "\n".join(two)


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
        ("scorer.class_path=src.rewards.scorers.vie.VIEScoer", "Did you mean 'VIEScorer'"),
        ("scorer.params={nonsense: 1}", "scorer.params"),
        ("evaluation.scorer={class_path: src.rewards.scorers.vie.VIEScoer}", "Did you mean 'VIEScorer'"),
        ("evaluation.scorer={class_path: src.rewards.scorers.vie.VIEScorer, params: {nonsense: 1}}", "nonsense"),
        ("evaluation.diffusion_params={nonsense: 1}", "nonsense"),
        ("training.output_dir=README.md/out", "cannot be written"),
        ("policy.lora.target_modules=[zzz]", r"policy.lora: .*zzz"),
        ("policy.lora.target_modules='('", "policy.lora: "),
        ("policy={model: Qwen/Qwen2.5-VL-7B-Instruct, lora: {bias: nonsense}}", "policy.lora.bias: "),
        ("policy.lora.alpha_pattern=text", "policy.lora.alpha_pattern: "),
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
            "training.grpo.vllm_gpu_memory_utilization=0.11",
            # 28 layers × 2 × 4 heads × 128 numbers × 2 bytes × 4096 tokens
            "15.4 GiB have no room for the 15.4 GiB of Qwen/Qwen2.5-VL-7B-Instruct and the 0.2 GiB of KV cache of one "
            "sequence of 4096 tokens",
        ),
        (
            "hardware.servers=[{judge: Qwen/Qwen3-VL-8B-Instruct, gpus: [0], gpu_memory_utilization: 0.3, "
            "max_model_length: 262144}]",
            "42.0 GiB have no room for the 16.3 GiB of Qwen/Qwen3-VL-8B-Instruct and the 36.0 GiB of KV cache of one "
            "sequence of 262144 tokens",
        ),
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
def test_a_share_of_vllm_below_weights_and_one_sequence_does_not_fit(override: str, reason: str) -> None:
    lines = _lines(Path("configs/training/qwen2_5_vl_7b_rewrite_fast.yaml"), override)
    assert [line for line in lines if reason in line and "does NOT fit" in line]


def test_pictures_of_both_attempts_are_in_the_prompt_of_a_second_pass() -> None:
    def prompt(task: str) -> int:
        named = f"task.class_path=src.training.tasks.rewrite.{task}"
        config = load_training_config(MINIATURE, ["policy.model=assets/miniature/policy", named, "data.limit=20"])
        # Of the lines only those up to this one: what follows takes long to compute.
        line = next(line for line in check_training(config, MINIATURE) if line.startswith("lengths"))
        return int(line.split()[1])

    pictures = prompt("RewriteTask") - TEXT_TOKENS
    assert pictures > 0
    assert prompt("CritiqueTask") - TEXT_TOKENS == 2 * pictures


def _first_line(*overrides: str) -> str:
    """Before which policy and data are looked at; memory is computed later."""
    return next(check_training(load_training_config(MINIATURE, overrides), MINIATURE))


def test_check_finds_what_the_policy_has_not() -> None:
    lora = "{r: 2, target_modules: [q_proj, q_projection]}"  # of which peft would say nothing
    with pytest.raises(ConfigError, match="the policy has no module q_projection"):
        _first_line(f"policy={{model: assets/miniature/policy, lora: {lora}}}")


def test_check_finds_that_a_scorer_has_nothing_to_say_about_the_data(
    write_benchmark: Callable[..., Path],
) -> None:
    data = write_benchmark([item(index, reference_img_b64=None) for index in range(12)])
    with pytest.raises(DataError, match="ReferenceScorer can score none of"):
        _first_line(
            "policy.model=assets/miniature/policy", f"data={{train: {data}}}", "reward_model=null",
            "scorer={class_path: src.rewards.scorers.reference.ReferenceScorer}",
        )  # fmt: skip


HARDWARE = "hardware={{gpus: 4, gpu_memory: 80, training: {}, accelerate: {}}}"
DDP = "configs/accelerate/ddp.yaml"
POLICY = "{model: assets/miniature/policy, dtype: float32}"
QWEN_EDITOR = "src.models.diffusion.implementations.qwen_image_edit.QwenImageEditModel"
QWEN_JUDGE = "src.models.reward.implementations.qwen3_vl_reward.Qwen3VLRewardModel"


def _placed(*overrides: str, training: str = "[0, 1]", accelerate: str = DDP) -> tuple[dict[int, Gpu], list[str]]:
    sets = [HARDWARE.format(training, accelerate), "training.grpo.use_vllm=false", f"policy={POLICY}", *overrides]
    config = load_training_config(LORA, sets)
    assert config.hardware is not None
    arguments = grpo_config(config.training)
    gpus = place(config, arguments, config.hardware, SequenceLengths(1, 4, 64, 16))
    return gpus, list(launches(config, LORA, config.hardware))


def _editor(**params: Any) -> str:
    return f"diffusion_model={{class_path: {QWEN_EDITOR}, params: {params}}}"


@pytest.mark.parametrize(
    ("params", "editors", "visible"),
    [
        ({}, {0: 1, 1: 1}, "0,1"),
        ({"device": "cuda:0"}, {0: 2}, "0,1"),
        ({"device": "cuda:2"}, {2: 2}, "0,1,2"),
        ({"device_ids": [2, 3]}, {2: 2, 3: 2}, "0,1,2,3"),  # each process makes a replica on each
        ({"device_ids": [0], "device": "cuda:3"}, {0: 2}, "0,1"),
        ({"device": "cpu"}, {}, "0,1"),
    ],
)
def test_editors_in_the_processes_are_where_their_devices_say(
    params: dict[str, Any], editors: dict[int, int], visible: str
) -> None:
    gpus, commands = _placed(_editor(**params), "evaluation.enabled=false")
    assert {index: gpu.models.count("editor") for index, gpu in gpus.items() if "editor" in gpu.models} == editors
    assert commands[-1].startswith(f"CUDA_VISIBLE_DEVICES={visible} ")
    for index, number in editors.items():
        weights = [part.size / GIB for part in gpus[index].parts if part.name == "editor's weights"]
        assert weights == [pytest.approx(53.7, abs=0.1)] * number
        assert gpus[index].processes == (2 if number == 2 else 1)


def test_devices_are_numbered_among_those_of_the_training() -> None:
    gpus, commands = _placed(_editor(device="cuda:2"), "evaluation.enabled=false", training="[2, 3]")
    assert [index for index, gpu in gpus.items() if "editor" in gpu.models] == [0]
    assert commands[-1].startswith("CUDA_VISIBLE_DEVICES=2,3,0 ")


@pytest.mark.parametrize(
    ("device", "training", "reason"),
    [("cuda:4", "[0, 1]", "none of the 4 GPUs"), ("cuda:1", "[0]", "in which TRL refuses more than one")],
)
def test_a_device_that_the_processes_cannot_have_is_refused(device: str, training: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        _placed(_editor(device=device), training=training, accelerate="null" if training == "[0]" else DDP)


def test_a_judge_is_spread_over_the_gpus_that_it_names() -> None:
    params = {"model_name": "Qwen/Qwen3-VL-8B-Instruct", "device_ids": [2, 3]}
    gpus, _ = _placed(f"reward_model={{class_path: {QWEN_JUDGE}, params: {params}}}", "evaluation.enabled=false")
    for index in (2, 3):
        weights = [part.size / GIB for part in gpus[index].parts if part.name == "judge's weights"]
        assert weights == [pytest.approx(16.3 / 2, abs=0.1)] * 2


def test_the_comparison_after_training_is_counted_by_its_own_editor_and_judge() -> None:
    comparison = {"output_resolution": 2048, "num_inference_steps": 50, "batch_size": 4}
    judge = f"evaluation.reward_model={{class_path: {QWEN_JUDGE}, params: {{model_name: Qwen/Qwen3-VL-8B-Instruct}}}}"
    small = _editor(output_resolution=512, batch_size=1, offload="model")
    scorer = "evaluation.scorer={class_path: src.rewards.scorers.vie.VIEScorer}"
    sets = (small, f"evaluation.diffusion_params={comparison}", judge, scorer)
    without, _ = _placed(*sets, "evaluation.enabled=false")
    with_comparison, _ = _placed(*sets)
    editing, judging = with_comparison[0].compared
    sizes = {part.name: part.size for part in editing}
    assert sizes["policy's weights"] == 4 * count(PolicySettings(model="assets/miniature/policy")).total
    assert sizes["editor's activations"] == DECODING * 2048**2 * 4
    assert [part.name for part in judging] == ["judge's weights", "judge's work"]
    assert with_comparison[0].peak > without[0].peak
    assert not with_comparison[1].compared  # the first process compares alone
    assert with_comparison[0].parts == without[0].parts


@pytest.mark.parametrize(
    ("started", "seen", "reason"),
    [(1, 1, r"\[0, 1\] is 2 process\(es\).*but 1 run"), (2, 2, "sees 2 GPUs"), (2, 1, None)],
)
def test_a_training_that_is_not_started_as_its_hardware_says_is_refused(
    started: int, seen: int, reason: str | None
) -> None:
    config = load_training_config(LORA)
    arguments: Any = SimpleNamespace(world_size=started, n_gpu=seen)
    if reason is None:
        check_processes(config, arguments)
        return
    with pytest.raises(ConfigError, match=reason):
        check_processes(config, arguments)


def test_train_looks_at_its_processes_before_anything_loads(tmp_path: Path) -> None:
    sets = [HARDWARE.format("[0, 1]", DDP), f"training.output_dir={tmp_path / 'out'}"]
    with pytest.raises(ConfigError, match=r"hardware\.training: .*but 1 run"):
        train(load_training_config(MINIATURE, [*sets, "policy.model=assets/miniature/policy"]))
    assert not (tmp_path / "out").exists()


def test_editors_in_a_ray_cluster_are_on_no_gpu_of_the_training_and_hold_the_policy_after_it() -> None:
    fast = Path("configs/training/qwen2_5_vl_7b_rewrite_fast.yaml")
    lines = _lines(fast, "training.engine=ray", "training.ray.editor_gpus=2")
    gpu = next(line for line in lines if line.startswith("GPU 0"))
    assert "editor" not in gpu
    place = lines.index(gpu)
    assert "editor" not in lines[place + 1]
    assert "comparison" not in lines[place + 2], "the policy is asked beside the editor"
    ray = next(place for place, line in enumerate(lines) if line.startswith("Ray"))
    assert re.fullmatch(r"Ray +an editor: [\d.]+ GiB, of what training\.ray\.editor_gpus: 2 gives", lines[ray]), lines[
        ray
    ]
    assert "editor's weights 53.7" in lines[ray + 1]
    assert "policy's weights 15.4" in lines[ray + 2]
    assert not any(line.startswith("Ray") for line in _lines(fast))


def test_a_judge_behind_a_server_stays_with_the_training_unless_it_is_asked_for_in_the_cluster() -> None:
    fast = Path("configs/training/qwen2_5_vl_7b_rewrite_fast.yaml")
    own = ["reward_model.class_path=src.models.reward.implementations.qwen3_vl_reward.Qwen3VLRewardModel"]
    own += ["reward_model.params={model_name: Qwen/Qwen3-VL-8B-Instruct}", "training.engine=ray"]
    assert any("a judge" in line for line in _lines(fast, *own))
    assert not any("a judge" in line for line in _lines(fast, *own, "training.ray.judges=0"))
    assert not any("a judge" in line for line in _lines(fast, "training.engine=ray"))


def test_processes_that_would_have_no_cluster_in_common_are_refused_before_anything_starts() -> None:
    config = load_training_config(MINIATURE, ["training.engine=ray", "training.ray.address=local"])
    check_processes(config, SimpleNamespace(world_size=1, n_gpu=0))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"training\.ray\.address: local .* each of 2 processes"):
        check_processes(config, SimpleNamespace(world_size=2, n_gpu=0))  # type: ignore[arg-type]


def test_settings_of_the_cluster_are_checked_as_those_of_a_run() -> None:
    with pytest.raises(ConfigError, match=r"training: .*edit_timeout needs engine: ray"):
        load_training_config(MINIATURE, ["training.edit_timeout=60"])
    runtime = load_training_config(MINIATURE, ["training.engine=ray", "training.ray.editors=3"]).training.runtime
    assert (runtime.engine, runtime.ray.editors) == ("ray", 3)
