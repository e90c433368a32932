"""A training goes on with the run that is stored, whichever version began it, and with no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from src.errors import ConfigError
from src.training.config import TrainingConfig, parse_training_config
from src.training.storage.stored_run import STORED_RUN, as_run, check_same_run


def run(folder: Path, **data: Any) -> TrainingConfig:
    sections = {
        "policy": {"model": "some/policy", "lora": {"r": 4, "lora_bias": False}},
        "task": {"class_path": "some.Task", "params": {"api_key": "sk-never-stored"}},
        "data": {"train": [{"path": "some.json"}]} | data,
        "training": {"output_dir": str(folder)},
    }
    return parse_training_config(sections, "test")


def store(config: TrainingConfig, without: tuple[str, str] | None = None, **changes: Any) -> None:
    """The record of a run, without one of today's settings or with other values."""
    stored = as_run(config)
    if without is not None:
        section, key = without
        del stored[section][key]
    for path, value in changes.items():
        section, _, key = path.partition("__")
        stored[section][key] = value
    (config.training.output_dir / STORED_RUN).write_text(json.dumps(stored), encoding="utf-8")


@pytest.mark.parametrize(
    ("section", "key"),
    [("data", "follow_links"), ("data", "held_out"), ("policy", "image_max_side"), ("policy", "freeze_vision_tower")],
)
def test_a_run_begun_before_a_setting_existed_goes_on_while_that_has_its_default(
    tmp_path: Path, section: str, key: str
) -> None:
    config = run(tmp_path)
    store(config, without=(section, key))
    check_same_run(config)


def test_a_setting_newer_than_the_run_within_a_training_file_or_an_adapter_has_its_default(tmp_path: Path) -> None:
    config = run(tmp_path)
    store(config, data__train=[{"path": "some.json"}], policy__lora={"r": 4, "lora_bias": False})
    check_same_run(config)


def test_a_run_begun_before_a_setting_existed_does_not_go_on_with_another_value_of_it(tmp_path: Path) -> None:
    config = run(tmp_path, follow_links=True)
    store(config, without=("data", "follow_links"))
    with pytest.raises(ConfigError, match=r"--resume: data differ"):
        check_same_run(config)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("data__limit", 3, "data"),
        ("data__long_gone", 1, "data"),
        ("policy__model", "another/policy", "policy"),
        ("policy__long_gone", 1, "policy"),
        ("task__class_path", "another.Task", "task"),
        ("precision__weights", "bfloat16", "precision"),
        ("training__seed", 9, "training.seed"),
    ],
)
def test_another_run_does_not_go_on(tmp_path: Path, path: str, value: Any, named: str) -> None:
    config = run(tmp_path)
    store(config, **{path: value})
    with pytest.raises(ConfigError, match=f"--resume: {named} differ"):
        check_same_run(config)


def test_the_same_run_and_a_first_one_go_on(tmp_path: Path) -> None:
    config = run(tmp_path)
    check_same_run(config)
    store(config)
    check_same_run(config)
    assert "sk-never-stored" not in (tmp_path / STORED_RUN).read_text(encoding="utf-8")
