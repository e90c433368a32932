"""Two processes train a token editor as one does: each completion is drawn by its row, whoever draws it.

Real launches of the command line, on the CPU (gloo), as those of `test_distributed.py`.
"""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import yaml

from tests.conftest import item
from tests.test_distributed import ROOT, ROWS, STEPS, TWO, assert_same_training, trained
from tests.test_token_edit_training import AREA, TASK
from tests.tiny_token_editors import token_editor_folder  # noqa: F401 (fixture)

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, token_editor_folder: Path) -> str:
    """Thoughts of different lengths, in both processes, in front of the pictures."""
    import json

    folder = tmp_path_factory.mktemp("data")
    items = [item(index, edit_instruction_en=f"make the sky {index}") for index in range(4)]
    (folder / "data.json").write_text(json.dumps(items), encoding="utf-8")
    sections = {
        "policy": {"model": str(token_editor_folder)},
        "task": {"class_path": TASK, "params": {"image_area": AREA, "thinking_tokens": 6}},
        "data": {"train": str(folder / "data.json")},
        "reward_model": {"class_path": "tests.training_plugins.PixelJudge"},
        "training": {"grpo": {"max_completion_length": 64, "learning_rate": 3e-4, "gradient_checkpointing": False}},
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


def test_two_copies_of_a_token_editor_train_as_one_does(alone: Path, tmp_path: Path, config: str) -> None:
    together = trained(tmp_path, TWO, 2, config=config)
    assert_same_training(alone, together)
    assert drawn(together) == drawn(alone)
    assert len({key for key, _ in drawn(alone)}) == len({thought for _, thought in drawn(alone)}) == STEPS * ROWS


def test_a_token_editor_sharded_by_fsdp_trains_as_a_whole_one_does(alone: Path, tmp_path: Path, config: str) -> None:
    settings = yaml.safe_load((ROOT / "configs/accelerate/fsdp.yaml").read_text(encoding="utf-8"))["fsdp_config"]
    sharded = {name.upper(): str(value) for name, value in settings.items()}
    together = trained(tmp_path, TWO, 2, config=config, ACCELERATE_USE_FSDP="true", **sharded)
    assert_same_training(alone, together)
    assert drawn(together) == drawn(alone)
