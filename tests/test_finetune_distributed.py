"""Two processes teach a token editor as one does, whole or sharded: the same losses, weights and codec.

Real launches of the command line, on the CPU (gloo), as those of `test_distributed.py`.
"""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from src.models.tokens.checkpoint import codec_digest
from src.training.finetune.train import finetune
from tests.test_distributed import DEEPSPEED, TWO, ZERO_3, launched, needs_deepspeed, sharded
from tests.test_finetune import Settings, config, edit, stored, tokens
from tests.tiny_token_editors import token_editor_folder  # noqa: F401 (fixture)

pytestmark = pytest.mark.timeout(400)

STEPS, ROWS, RATE = 3, 4, 1e-3


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, token_editor_folder: Path) -> Settings:
    """Eight edits of two shapes, of which four are a step: a second epoch is begun."""
    folder = tmp_path_factory.mktemp("data")
    edits = [edit(index, rows=2 + index % 2) for index in range(8)]
    training = {"max_steps": STEPS, "learning_rate": RATE, "save_steps": STEPS, "report_to": []}
    return {
        "policy": {"model": str(token_editor_folder)},
        "token_edits": {"train": str(tokens(folder / "tokens", token_editor_folder, edits))},
        "training": training,
    }


@pytest.fixture(scope="module")
def alone(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    finetune(config(settings, output_dir=str(folder), per_device_train_batch_size=ROWS))
    return folder


def together(settings: Settings, folder: Path, launch: Sequence[str] = TWO, **environment: str) -> Path:
    """The output directory of two processes, each with half of the rows of a step."""
    training = {**settings["training"], "output_dir": str(folder), "per_device_train_batch_size": ROWS // 2}
    path = folder / "config.yaml"
    path.write_text(json.dumps({**settings, "training": training}))
    launched(launch, ["finetune", "--config", str(path)], **environment)
    return folder


def losses(folder: Path) -> list[float]:
    entries = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    return [entry["loss"] for entry in entries if "loss" in entry]


def assert_same_teaching(alone: Path, two: Path) -> None:
    import torch

    assert len(losses(alone)) == STEPS
    assert losses(two) == pytest.approx(losses(alone), rel=1e-4)
    assert codec_digest(two / "policy") == codec_digest(alone / "policy")
    found = stored(two / "policy")
    apart = torch.cat([(found[name] - weight).abs().flatten() for name, weight in stored(alone / "policy").items()])
    # Adam divides a gradient by its own size, so one that is rounding noise still makes a step: few weights have one.
    assert (apart > RATE / 50).double().mean().item() <= 1e-3
    assert apart.max().item() <= STEPS * RATE


def test_two_copies_of_the_editor_learn_as_one_does(settings: Settings, alone: Path, tmp_path: Path) -> None:
    assert_same_teaching(alone, together(settings, tmp_path))


def test_an_editor_sharded_by_fsdp_learns_as_a_whole_one_does(settings: Settings, alone: Path, tmp_path: Path) -> None:
    assert_same_teaching(alone, together(settings, tmp_path, **sharded()))


@needs_deepspeed
def test_zero_2_teaches_an_editor_as_one_process_does(settings: Settings, alone: Path, tmp_path: Path) -> None:
    assert_same_teaching(alone, together(settings, tmp_path, DEEPSPEED))


@needs_deepspeed
def test_an_editor_sharded_by_zero_3_learns_as_a_whole_one_does(
    settings: Settings, alone: Path, tmp_path: Path
) -> None:
    assert_same_teaching(alone, together(settings, tmp_path, (*DEEPSPEED, *ZERO_3)))
