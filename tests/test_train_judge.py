"""`train-judge`: a scalar head on a real, tiny Qwen3-VL learns an easy order, by TRL's own loop."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback

from src.config_file import checked
from src.errors import ConfigError, ModelError, OutputError
from src.models.reward.trained_preference import WEIGHTS, PreferenceDescription
from src.pipeline.output import exclusive
from src.training.dataset import ImageStore
from src.training.preference.config import PreferenceConfig
from src.training.preference.data import read_preferences
from src.training.preference.model import load_judge, named_judge
from src.training.preference.score_map import fit_score_map
from src.training.preference.train import train_judge
from src.training.preference.trainer import build_trainer, pair_collator
from tests.preference_pairs import swapped, world_rows, write_pairs
from tests.tiny_judges import qwen3_folder

__all__ = ["qwen3_folder"]

ROOT = Path(__file__).resolve().parents[1]
MakeTraining = Callable[..., PreferenceConfig]
LORA = {"r": 8, "lora_alpha": 16}


@pytest.fixture
def make_training(tmp_path: Path, qwen3_folder: Path) -> MakeTraining:
    """A training of 30 steps on 40 easy pairs; keyword arguments override settings of the section `training`."""
    pairs = write_pairs(tmp_path / "pairs.jsonl", world_rows(40))

    def make(
        name: str = "out", lora: dict[str, Any] | None = None, data: dict[str, Any] | None = None, **training: Any
    ) -> PreferenceConfig:
        settings = {"max_steps": 30, "batch_size": 4, "evaluate_every": 10, "learning_rate": 1e-3} | training
        sections = {
            "judge": {"model": str(qwen3_folder), "lora": lora},
            "preferences": {"train": str(pairs), "held_out": 0.3} | (data or {}),
            "training": {"output_dir": str(tmp_path / name)} | settings,
        }
        return checked(PreferenceConfig, sections, "test config")

    return make


class Stop(TrainerCallback):
    """Breaks a training off after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            raise KeyboardInterrupt


def weights(config: PreferenceConfig) -> bytes:
    return (config.training.judge_folder / WEIGHTS).read_bytes()


@pytest.mark.parametrize("lora", [None, LORA], ids=["all weights", "LoRA"])
def test_after_thirty_steps_held_out_pairs_are_ordered_right(
    make_training: MakeTraining, lora: dict[str, Any] | None, tmp_path: Path
) -> None:
    pairs = write_pairs(tmp_path / "more.jsonl", world_rows(80))
    config = make_training(lora=lora, data={"train": str(pairs)}, learning_rate=5e-4)
    report = train_judge(config)
    found = report["judges"]["trained"]
    assert found["ci95"][0] > 0.5
    assert found["judged"] == found["pairs"] == report["data"]["held_out"]
    history = json.loads((config.training.output_dir / "history.json").read_text(encoding="utf-8"))
    measured = [one for one in history if "eval_accuracy" in one]
    assert [one["step"] for one in measured] == [10, 20, 30]
    assert all(one["eval_accuracy_low"] <= one["eval_accuracy"] <= one["eval_accuracy_high"] + 1e-9 for one in measured)
    best = max(one["eval_accuracy"] for one in measured)
    assert best >= 0.9
    # The stored judge is the best one, and says what the trainer said of rewards; scores near 10 tie, and count half.
    assert found["accuracy"] == pytest.approx(best, abs=found["ties"] / 2 / found["pairs"] + 1e-6)
    assert report["best_step"] == next(one["step"] for one in measured if one["eval_accuracy"] == best)
    checkpoint = config.training.output_dir / "checkpoints" / f"checkpoint-{report['best_step']}"
    assert weights(config) == (checkpoint / WEIGHTS).read_bytes()
    text = (config.training.output_dir / "results" / "agreement.md").read_text(encoding="utf-8")
    assert "| all |" in text
    assert "seconds a question" in text


def test_an_adapter_is_stored_without_the_weights_below_it(make_training: MakeTraining, qwen3_folder: Path) -> None:
    config = make_training(lora=LORA, max_steps=2, evaluate_every=2)
    train_judge(config)
    from safetensors.torch import load_file

    stored = load_file(config.training.judge_folder / WEIGHTS)
    assert "head.weight" in stored
    assert all("lora_" in name for name in stored if name != "head.weight")
    description = PreferenceDescription.read(config.training.judge_folder)
    assert description.base == str(qwen3_folder)
    assert (description.lora or {})["r"] == 8


def test_a_training_that_is_broken_off_goes_on_to_the_same_weights(make_training: MakeTraining) -> None:
    unbroken, broken = make_training("unbroken", evaluate_every=5), make_training("broken", evaluate_every=5)
    train_judge(unbroken)
    with pytest.raises(KeyboardInterrupt):
        train_judge(broken, callbacks=[Stop(13)])
    assert not broken.training.judge_folder.exists()
    train_judge(broken, resume=True)
    assert weights(broken) == weights(unbroken)


def test_a_killed_process_goes_on_to_the_same_weights(make_training: MakeTraining, tmp_path: Path) -> None:
    unbroken, killed = make_training("unbroken", lora=LORA), make_training("killed", lora=LORA)
    train_judge(unbroken)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(killed.model_dump(mode="json")), encoding="utf-8")
    code = (
        "import json, os, signal, sys\n"
        "from transformers import TrainerCallback\n"
        "from src.training.preference.config import PreferenceConfig\n"
        "from src.training.preference.train import train_judge\n"
        "class Kill(TrainerCallback):\n"
        "    def on_step_end(self, args, state, control, **kwargs):\n"
        "        if state.global_step == 17: os.kill(os.getpid(), signal.SIGKILL)\n"
        "train_judge(PreferenceConfig.model_validate(json.load(open(sys.argv[1]))), callbacks=[Kill()])\n"
    )
    process = subprocess.run([sys.executable, "-c", code, str(file)], cwd=ROOT, env=os.environ, check=False)
    assert process.returncode == -signal.SIGKILL
    train_judge(killed, resume=True)
    assert weights(killed) == weights(unbroken)


def test_which_edit_is_called_a_leads_to_the_same_weights(make_training: MakeTraining, tmp_path: Path) -> None:
    other = write_pairs(tmp_path / "swapped.jsonl", [swapped(one) for one in world_rows(40)])
    plain = make_training("plain", max_steps=6, evaluate_every=3)
    turned = make_training("turned", data={"train": str(other)}, max_steps=6, evaluate_every=3)
    train_judge(plain)
    train_judge(turned)
    assert weights(plain) == weights(turned)


def test_a_finished_training_is_not_trained_further_by_resuming(make_training: MakeTraining) -> None:
    config = make_training(max_steps=4, evaluate_every=2)
    first = train_judge(config)
    before = weights(config)
    second = train_judge(config, resume=True, callbacks=[Stop(1)])
    assert weights(config) == before
    assert second["judges"]["trained"]["accuracy"] == first["judges"]["trained"]["accuracy"]


def test_resuming_with_other_settings_is_refused_and_named(make_training: MakeTraining) -> None:
    train_judge(make_training(max_steps=2, evaluate_every=2))
    with pytest.raises(ConfigError, match=r"preferences, training\.learning_rate differ"):
        train_judge(
            make_training(data={"held_out": 0.4}, max_steps=2, evaluate_every=2, learning_rate=1e-4), resume=True
        )


def test_a_new_training_sets_the_earlier_one_aside(make_training: MakeTraining) -> None:
    config = make_training(max_steps=2, evaluate_every=2)
    train_judge(config)
    before = weights(config)
    train_judge(make_training(max_steps=3, evaluate_every=3))
    (moved,) = (config.training.output_dir / "previous").glob(f"*/judge/{WEIGHTS}")
    assert moved.read_bytes() == before


def test_training_ends_early_where_held_out_accuracy_no_longer_rises(make_training: MakeTraining) -> None:
    config = make_training(max_steps=60, evaluate_every=5, patience=2)
    report = train_judge(config)
    assert report["steps"] < 60
    assert report["steps"] == report["best_step"] + 10


def test_the_loss_is_bradley_terry_with_margins_and_smoothed_labels(make_training: MakeTraining) -> None:
    config = make_training(margin_scale=0.5, label_smoothing=0.1, center_rewards_coefficient=None)
    split = read_preferences(config.preferences, 0, ImageStore(config.training.output_dir / "images"))
    train = [replace(one, margin=margin) for one, margin in zip(split.train[:3], (0.0, 4.0, 0.0), strict=True)]
    judge = load_judge(config)
    trainer = build_trainer(config, judge, split, [])
    rows = [{"chosen_ids": [place], "rejected_ids": [place]} for place in range(3)]
    inputs = pair_collator(judge, train, 0.5)(rows)
    assert inputs["margin"].tolist() == [0.0, 2.0, 0.0]
    rewards = judge.model(**inputs).logits.squeeze(-1).tolist()
    terms = []
    for place, margin in enumerate([0.0, 2.0, 0.0]):
        gap = rewards[place] - rewards[3 + place] - margin
        right, wrong = (-math.log(1 / (1 + math.exp(-sign * gap))) for sign in (1, -1))
        terms.append(0.9 * right + 0.1 * wrong)
    assert trainer.compute_loss(judge.model, inputs).item() == pytest.approx(sum(terms) / 3, rel=1e-5)


def test_a_seed_decides_the_judge(make_training: MakeTraining) -> None:
    one, two = make_training("one", max_steps=2, evaluate_every=2), make_training("two", max_steps=2, evaluate_every=2)
    other = make_training("three", max_steps=2, evaluate_every=2, seed=1)
    for config in (one, two, other):
        train_judge(config)
    assert weights(one) == weights(two) != weights(other)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lora": {"r": 8, "target_modules": "nothing"}}, "judge.lora"),
        ({"lora": {"r": 8, "bogus": 1}}, "judge.lora.bogus"),
        ({"data": {"train": "nowhere.jsonl"}}, "nowhere.jsonl"),
    ],
)
def test_what_is_wrong_is_found_before_the_model_loads(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr("src.training.preference.train.load_judge", lambda config: pytest.fail("the model was loaded"))
    with pytest.raises((ConfigError, ModelError, Exception), match=said):
        train_judge(make_training(**changes))


def test_an_error_about_the_model_names_the_section_judge_and_leaves_paths_alone() -> None:
    with pytest.raises(ConfigError) as raised, named_judge():
        raise ConfigError("policy.lora.r: the policy assets/miniature/policy has none; see policy.model")
    assert str(raised.value) == "judge.lora.r: the judge assets/miniature/policy has none; see judge.model"


def test_a_directory_in_use_is_refused_with_the_setting_that_names_another(make_training: MakeTraining) -> None:
    config = make_training()
    with (
        exclusive(config.training.output_dir),
        pytest.raises(OutputError, match=r"another directory with --set training\.output_dir=DIR"),
    ):
        train_judge(config)


def test_several_processes_are_refused(make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="train-judge works in one process"):
        train_judge(make_training())


def test_the_map_gives_unedited_sources_two_and_chosen_edits_eight_on_average() -> None:
    score, _ = fit_score_map(chosen=[1.0, 3.0], rejected=[-1.0], unedited=[-2.0, 0.0])
    assert score(-1.0) == pytest.approx(2.0)
    assert score(2.0) == pytest.approx(8.0)
    assert score(-900.0) >= 0.0
    assert score(900.0) <= 10.0
    rising = [score(reward / 4) for reward in range(-20, 20)]
    assert rising == sorted(set(rising))


def test_a_judge_that_prefers_no_edit_gets_a_rising_map_all_the_same_and_says_so() -> None:
    score, how = fit_score_map(chosen=[0.0, 1.0], rejected=[-1.0, 0.0], unedited=[5.0])
    assert "no anchor" in how
    assert score(0.0) == pytest.approx(5.0)
    assert score(1.0) > score(0.0)


def test_a_reward_that_is_no_number_is_no_score() -> None:
    score, _ = fit_score_map([1.0], [0.0], [0.0])
    with pytest.raises(ValueError, match="no number"):
        score(math.nan)
