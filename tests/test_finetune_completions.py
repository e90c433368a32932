"""`finetune` on completions: a policy learns what GRPO's task can read, at the prompts that GRPO asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.config_file import checked
from src.errors import ConfigError, DataError
from src.training.finetune.config import FinetuneConfig
from src.training.finetune.lesson import IGNORED
from src.training.finetune.train import finetune, lesson_of
from tests.conftest import item

Settings = dict[str, Any]
POLICY = "assets/miniature/policy"
RIGHT = "<CoT>it is blue</CoT><Re_edit>paint the square red</Re_edit>"
PROMPTS_OF = "configs/training/miniature_rewrite.yaml"


@pytest.fixture
def settings(tmp_path: Path, write_benchmark: Callable[..., Path]) -> Settings:
    """Three prompts; the first has two right completions, the third one that no task could read."""
    data = write_benchmark([item(index, id=f"{index:05d}") for index in range(3)])
    names = [f"{index:05d}" for index in range(3)]
    rows = [
        {"id": names[0], "completion": RIGHT},
        {"id": names[0], "completion": RIGHT.replace("red", "blue")},
        {"id": names[1], "completion": RIGHT.replace("red", "dark green")},
        {"id": names[2], "completion": "just paint it"},
        {"id": "nobody", "completion": RIGHT},
    ]
    completions = tmp_path / "completions.jsonl"
    completions.write_text("\n".join(map(json.dumps, rows)))
    return {
        "policy": {"model": POLICY},
        "completions": {
            "prompts_of": PROMPTS_OF,
            "train": [{"path": str(data), "completions": str(completions)}],
        },
        "training": {
            "output_dir": str(tmp_path / "out"),
            "max_steps": 2,
            "per_device_train_batch_size": 2,
            "learning_rate": 1e-3,
            "save_steps": 2,
            "report_to": [],
        },
    }


def config(settings: Settings) -> FinetuneConfig:
    return checked(FinetuneConfig, settings, "test config")


def test_labels_are_the_completion_and_the_end_of_the_turn_alone(settings: Settings, tmp_path: Path) -> None:
    from transformers import AutoProcessor

    lesson = lesson_of(config(settings))
    rows = lesson.read(tmp_path / "images")[0].rows
    batch = lesson.collate(rows)
    tokenizer = AutoProcessor.from_pretrained(POLICY).tokenizer
    for row, ids, labels, mask in zip(rows, batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
        learned = labels != IGNORED
        assert bool((labels[learned] == ids[learned]).all())
        assert ids[learned].tolist() == [
            *tokenizer(row.completion, add_special_tokens=False).input_ids,
            tokenizer.eos_token_id,
        ]
        assert bool((mask[learned] == 1).all())


def test_a_completion_that_the_task_cannot_read_is_left_out_and_named(settings: Settings, tmp_path: Path) -> None:
    train, _ = lesson_of(config(settings)).read(tmp_path / "images")
    assert len(train.rows) == 3
    assert "could not read" in train.left_out["00002"]
    assert "no selected item" in train.left_out["nobody"]


def test_a_policy_is_trained_and_stored_whole(settings: Settings) -> None:
    outcome = finetune(config(settings))
    assert outcome is not None
    losses = [entry["loss"] for entry in json.loads(outcome.history.read_text()) if "loss" in entry]
    assert len(losses) == 2
    assert (outcome.policy / "model.safetensors").is_file()
    assert (outcome.policy / "tokenizer.json").is_file()


def test_other_prompts_than_those_of_the_training_are_refused(settings: Settings) -> None:
    settings["completions"]["language"] = "zh"
    with pytest.raises(ConfigError, match=r"completions\.language"):
        lesson_of(config(settings))


def test_completions_without_prompts_are_refused(settings: Settings, tmp_path: Path) -> None:
    empty = tmp_path / "other.jsonl"
    empty.write_text(json.dumps({"id": "nobody", "completion": RIGHT}))
    settings["completions"]["train"][0]["completions"] = str(empty)
    with pytest.raises(DataError, match=r"nobody: no selected item"):
        lesson_of(config(settings)).read(tmp_path / "images")
