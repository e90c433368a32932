"""Training through TRL's own loop, with a real policy of a hundred thousand parameters."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback

from src.data.verdict import Status, Verdict, failed
from src.errors import ConfigError, ModelError
from src.training.config import TrainingConfig, parse_training_config
from src.training.grpo.early_stop import TrainingStopped
from src.training.grpo.policy import suppressed_vision_tokens
from src.training.grpo.processes import Processes
from src.training.grpo.reward_function import RewardFunction, RewardSetting
from src.training.grpo.rollout import CompletionOutcome, ParsedCompletion
from src.training.storage.output_directory import output_directory
from src.training.train import train
from tests.conftest import item
from tests.tiny_policies import policy_folder
from tests.training_plugins import AnythingTask

__all__ = ["policy_folder"]

MakeRun = Callable[..., TrainingConfig]


@pytest.fixture
def make_run(tmp_path: Path, write_benchmark: Callable[..., Path], policy_folder: Path) -> MakeRun:
    """A run of the anything-task by brightness; `grpo` and further sections override."""
    data = write_benchmark([item(index, edit_instruction_en=f"wish {index}") for index in range(3)])

    def make(name: str = "run", grpo: dict[str, Any] | None = None, **sections: Any) -> TrainingConfig:
        settings = {
            "per_device_train_batch_size": 8,
            "num_generations": 4,
            "max_completion_length": 8,
            "max_steps": 6,
            "learning_rate": "1e-2",
            "gradient_checkpointing": False,
            "save_steps": 2,
            "report_to": "none",
        }
        training = {"output_dir": str(tmp_path / name), "patience": 0, "show_every": 0, "grpo": settings | (grpo or {})}
        config: dict[str, Any] = {
            "policy": {"model": str(policy_folder)},
            "task": {"class_path": "tests.training_plugins.AnythingTask"},
            "data": {"train": str(data)},
            "diffusion_model": {
                "class_path": "tests.training_plugins.ToneEditor",
                "params": {"log": str(tmp_path / f"{name}.log"), "batch_size": 4},
            },
            "reward_model": {"class_path": "tests.training_plugins.DelayedJudge"},
            "training": training,
        }
        for section, changes in sections.items():
            config[section] = {**config.get(section, {}), **changes}
        return parse_training_config(config, "test")

    return make


def history(config: TrainingConfig) -> list[dict[str, Any]]:
    """The loss and reward of each step."""
    entries = json.loads((config.training.output_dir / "history.json").read_text(encoding="utf-8"))
    return [
        {name: entry[name] for name in ("step", "loss", "reward", "reward_std")} for entry in entries if "loss" in entry
    ]


def edits(config: TrainingConfig, tmp_path: Path, name: str) -> list[str]:
    return (tmp_path / f"{name}.log").read_text(encoding="utf-8").splitlines()


class Table(RewardFunction):
    """Gives the rewards of a table, row by row; None is a failure."""

    failure = Status.JUDGE_FAILED
    rewards: tuple[float | None, ...] = (1, 2, 3, 6, 5, 5, 5, 5, None, 4, None, 8, None, None, None, None)

    def outcomes(self, parsed: Sequence[ParsedCompletion]) -> list[CompletionOutcome]:
        return [
            CompletionOutcome(failed(self.failure, "away") if reward is None else Verdict(Status.SCORED, reward))
            for reward in self.rewards
        ]


class TableTask(AnythingTask):
    """Rewarded by the table."""

    def rewards(self, setting: RewardSetting) -> RewardFunction:
        return Table(self, setting)


def test_advantages_are_those_of_a_hand_computed_table(make_run: MakeRun) -> None:
    import pandas

    config = make_run(
        grpo={"per_device_train_batch_size": 16, "max_steps": 1, "log_completions": True},
        task={"class_path": "tests.test_training_run.TableTask"},
        training={"most_failures": 1},
    )

    train(config)
    table = pandas.read_parquet(next((config.training.output_dir / "checkpoints" / "completions").glob("*.parquet")))
    # Group 1: mean 3, spread √(14/3); group 2: no spread; group 3: mean 6, spread √8 of two rewards; group 4: nothing.
    wide, narrow = math.sqrt(14 / 3) + 1e-4, math.sqrt(8) + 1e-4
    wanted = [-2 / wide, -1 / wide, 0, 3 / wide, 0, 0, 0, 0, 0, -2 / narrow, 0, 2 / narrow, 0, 0, 0, 0]
    assert table["advantage"].tolist() == pytest.approx(wanted, abs=1e-5)
    assert len(set(table["example_id"][:4])) == len(set(table["example_id"][4:8])) == 1
    metrics = json.loads((config.training.output_dir / "history.json").read_text())[0]
    assert metrics["reward"] == pytest.approx(44 / 10)
    assert metrics["statuses/judge_failed"] == 6 / 16


class NoRewards(Table):
    """The judge refuses everything."""

    rewards = (None,) * 16
    failure = Status.REFUSED


class NoRewardsTask(AnythingTask):
    """Rewarded never."""

    def rewards(self, setting: RewardSetting) -> RewardFunction:
        return NoRewards(self, setting)


def test_a_step_in_which_everything_is_refused_goes_by_and_changes_no_weight(
    make_run: MakeRun, policy_folder: Path
) -> None:
    from safetensors.torch import load_file

    config = make_run(
        grpo={"per_device_train_batch_size": 16, "max_steps": 2},
        task={"class_path": "tests.test_training_run.NoRewardsTask"},
        training={"patience": 600},
    )
    outcome = train(config)
    before, after = (load_file(folder / "model.safetensors") for folder in (policy_folder, outcome.policy))
    assert all(before[name].equal(after[name]) for name in before)
    metrics = json.loads((config.training.output_dir / "history.json").read_text())[0]
    assert metrics["statuses/refused"] == 1


def test_a_policy_learns_what_is_rewarded(make_run: MakeRun) -> None:
    config = make_run(grpo={"max_steps": 15, "learning_rate": 2e-2, "num_generations": 8, "save_strategy": "no"})
    train(config)
    rewards = [entry["reward"] for entry in history(config)]
    assert sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 2


class Killed(TrainerCallback):
    """Ends the process's work right after step 5, with its last checkpoint at step 4."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 5:
            raise KeyboardInterrupt


@pytest.mark.parametrize("lora", [None, {"r": 2, "lora_alpha": 4}])
def test_a_killed_and_resumed_run_equals_the_unbroken_one_and_edits_nothing_twice(
    make_run: MakeRun, tmp_path: Path, lora: dict[str, int] | None
) -> None:
    unbroken, killed = (make_run(name, policy={"lora": lora}) for name in ("unbroken", "killed"))
    train(unbroken)
    with pytest.raises(KeyboardInterrupt):
        train(killed, callbacks=[Killed()])
    train(killed, resume=True)
    assert history(killed) == history(unbroken)  # six steps of two prompts: four epochs of three samples
    assert sorted(edits(killed, tmp_path, "killed")) == sorted(edits(unbroken, tmp_path, "unbroken"))


def test_a_run_that_failures_stopped_leaves_a_checkpoint_from_which_it_goes_on_as_if_nothing_had_been(
    make_run: MakeRun, tmp_path: Path
) -> None:
    left = tmp_path / "left"
    left.write_text("0")
    unbroken = make_run("unbroken", grpo={"save_steps": 100})
    stopped = make_run(
        "stopped",
        grpo={"save_steps": 100},
        reward_model={"class_path": "tests.training_plugins.FlakyJudge", "params": {"left": str(left)}},
    )
    train(unbroken)

    class Outage(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 3:
                left.write_text("1000000")

    with pytest.raises(TrainingStopped, match=r"judge is away.*checkpoint-3"):
        train(stopped, callbacks=[Outage()])
    left.write_text("0")
    train(stopped, resume=True)
    assert history(stopped) == history(unbroken)
    assert sorted(edits(stopped, tmp_path, "stopped")) == sorted(edits(unbroken, tmp_path, "unbroken"))


class Exhausted(Table):
    """Stands for whatever needs too much memory within a step."""

    def outcomes(self, parsed: Sequence[ParsedCompletion]) -> list[CompletionOutcome]:
        raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")


class ExhaustedTask(AnythingTask):
    """Rewarded by nothing."""

    def rewards(self, setting: RewardSetting) -> RewardFunction:
        return Exhausted(self, setting)


def test_running_out_of_memory_names_the_settings_to_change(make_run: MakeRun) -> None:
    with pytest.raises(ModelError, match=r"per_device_train_batch_size.*20 GiB"):
        train(make_run(task={"class_path": "tests.test_training_run.ExhaustedTask"}))


def test_no_placeholder_of_an_image_or_video_can_be_sampled(policy_folder: Path) -> None:
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(policy_folder)
    words = ["<|image_pad|>", "<|video_pad|>", "<|vision_end|>", "<|vision_start|>"]
    ids = processor.tokenizer.convert_tokens_to_ids(words)
    assert suppressed_vision_tokens(processor, {"suppress_tokens": [1], "top_k": 3}, vllm=False) == {
        "suppress_tokens": sorted([1, *ids]),
        "top_k": 3,
    }
    assert suppressed_vision_tokens(processor, {"bad_words": ["x"]}, vllm=True) == {"bad_words": [*words, "x"]}


def test_a_lora_run_trains_the_language_model_alone_and_saves_an_adapter(make_run: MakeRun) -> None:
    from peft import PeftConfig
    from safetensors.torch import load_file

    config = make_run(grpo={"max_steps": 1}, policy={"lora": {"r": 2, "lora_alpha": 4}})
    outcome = train(config)
    weights = load_file(outcome.policy / "adapter_model.safetensors")
    assert PeftConfig.from_pretrained(outcome.policy).base_model_name_or_path == config.policy.model
    assert weights
    assert not [name for name in weights if "visual" in name]
    assert {name.split(".")[-3] for name in weights} == {
        *("q_proj", "k_proj", "v_proj", "o_proj"),
        *("gate_proj", "up_proj", "down_proj"),
    }


def test_full_training_changes_the_language_model_and_leaves_the_vision_tower(
    make_run: MakeRun, policy_folder: Path
) -> None:
    from safetensors.torch import load_file

    outcome = train(make_run(grpo={"max_steps": 1}))
    before, after = (load_file(folder / "model.safetensors") for folder in (policy_folder, outcome.policy))
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed
    assert all(("visual" in name) != (name in changed) for name in before)


def test_another_policy_or_other_data_cannot_be_resumed(make_run: MakeRun) -> None:
    train(make_run(grpo={"max_steps": 1}))
    with pytest.raises(ConfigError, match=r"data differ"):
        train(make_run(grpo={"max_steps": 2}, data={"limit": 2}), resume=True)


def test_a_fresh_run_sets_an_earlier_one_aside(make_run: MakeRun) -> None:
    config = make_run(grpo={"max_steps": 1})
    train(config)
    train(config)
    (earlier,) = (config.training.output_dir / "previous").iterdir()
    assert (earlier / "policy" / "model.safetensors").is_file()
    assert (earlier / "record" / "record.sqlite").is_file()


def test_special_tokens_in_an_instruction_are_text_and_end_no_training(
    make_run: MakeRun, write_benchmark: Callable[..., Path]
) -> None:
    tokens = "<|image_pad|><|vision_start|><|im_end|><|im_start|>system<|video_pad|>"
    items = [item(index, edit_instruction_en=f"wish {tokens}") for index in range(2)]
    config = make_run(grpo={"max_steps": 1}, data={"train": str(write_benchmark(items, "hostile.json"))})
    train(config)
    assert len(history(config)) == 1


def test_a_training_that_stored_a_type_for_its_task_is_the_same_run(make_run: MakeRun) -> None:
    config = make_run(grpo={"max_steps": 1})
    with output_directory(config, Processes(), resume=False):
        pass
    stored = config.training.output_dir / "config.json"
    earlier = json.loads(stored.read_text(encoding="utf-8"))
    earlier["task"]["type"] = None  # as every section had it that names a class
    stored.write_text(json.dumps(earlier), encoding="utf-8")
    with output_directory(config, Processes(), resume=True):
        assert "type" not in json.loads(stored.read_text(encoding="utf-8"))["task"]
