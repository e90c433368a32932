"""Two processes train a token editor as one does: each completion is drawn by its row, whoever draws it.

Real launches of the command line, on the CPU (gloo), as those of `test_distributed.py`.
"""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import yaml

from src.models.tokens.checkpoint import codec_digest
from tests.conftest import item
from tests.test_distributed import (
    DEEPSPEED,
    ROWS,
    STEPS,
    TWO,
    ZERO_3,
    assert_same_training,
    needs_deepspeed,
    sharded,
    trained,
)
from tests.test_token_edit_training import AREA, TASK
from tests.tiny_token_editors import token_editor_folder  # noqa: F401 (fixture)

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, token_editor_folder: Path) -> str:
    """Thoughts of different lengths, in both processes, in front of the pictures; beside the policy, a reference."""
    grpo = {"max_completion_length": 64, "learning_rate": 3e-4, "gradient_checkpointing": False, "beta": 0.5}
    folder = tmp_path_factory.mktemp("data")
    items = [item(index, edit_instruction_en=f"make the sky {index}") for index in range(4)]
    (folder / "data.json").write_text(json.dumps(items), encoding="utf-8")
    sections = {
        "policy": {"model": str(token_editor_folder)},
        "task": {"class_path": TASK, "params": {"image_area": AREA, "thinking_tokens": 6}},
        "data": {"train": str(folder / "data.json")},
        "reward_model": {"class_path": "tests.training_plugins.PixelJudge"},
        "training": {"grpo": grpo},
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(sections), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, config: str) -> Path:
    return trained(tmp_path_factory.mktemp("alone"), (), 1, config=config)


def drawn(folder: Path) -> list[tuple[str, ...]]:
    """The keys of all edits, in which their codes are, and the thoughts in front of them."""
    rows: list[tuple[str, ...]] = []
    for record in sorted((folder / "record").rglob("record.sqlite")):
        with sqlite3.connect(record) as connection:
            rows += connection.execute("SELECT edit_key, completion FROM completions")
    return sorted(rows)


def divergences(folder: Path) -> list[float]:
    """From the reference, of each step."""
    entries = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    return [entry["kl"] for entry in entries if "loss" in entry]


def assert_same_editing(alone: Path, together: Path) -> None:
    assert_same_training(alone, together)
    assert drawn(together) == drawn(alone)
    assert len({key for key, _ in drawn(alone)}) == len({thought for _, thought in drawn(alone)}) == STEPS * ROWS
    assert divergences(together) == pytest.approx(divergences(alone), rel=1e-4, abs=1e-6)
    assert divergences(alone)[-1] > 1e-4
    assert codec_digest(together / "policy") == codec_digest(alone / "policy")


def test_two_copies_of_a_token_editor_train_as_one_does(alone: Path, tmp_path: Path, config: str) -> None:
    assert_same_editing(alone, trained(tmp_path, TWO, 2, config=config))


def test_a_token_editor_and_its_reference_sharded_by_fsdp_train_as_whole_ones_do(
    alone: Path, tmp_path: Path, config: str
) -> None:
    assert_same_editing(alone, trained(tmp_path, TWO, 2, config=config, **sharded()))


@needs_deepspeed
def test_zero_2_trains_a_token_editor_as_one_process_does(alone: Path, tmp_path: Path, config: str) -> None:
    assert_same_editing(alone, trained(tmp_path, DEEPSPEED, 2, config=config))


@needs_deepspeed
def test_a_token_editor_and_its_reference_sharded_by_zero_3_train_as_whole_ones_do(
    alone: Path, tmp_path: Path, config: str
) -> None:
    assert_same_editing(alone, trained(tmp_path, (*DEEPSPEED, *ZERO_3), 2, config=config))
