"""The log of a run: what is in it, and where it lies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import item

Write = Callable[..., Path]


def run(config: Path, *arguments: str) -> None:
    command = [sys.executable, "main.py", "--config", str(config), *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture
def config(tmp_path: Path, write_benchmark: Write) -> dict[str, Any]:
    items = [item(0), item(1, src_img_b64="!!"), item(2, edit_instruction_en="raise"), item(3)]
    return {
        "benchmark": {"data_path": str(write_benchmark(items))},
        "diffusion_model": {"class_path": "tests.plugins.FaultyEditor"},
        "reward_model": {"class_path": "tests.plugins.BrightnessJudge"},
        "evaluation": {"output_dir": str(tmp_path / "out")},
    }


def write(tmp_path: Path, config: dict[str, Any]) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True))
    return path


def test_the_log_of_a_run_names_models_bad_samples_and_failures(tmp_path: Path, config: dict[str, Any]) -> None:
    run(write(tmp_path, config))
    log = (tmp_path / "out" / "logs" / "evaluation.log").read_text()
    for entry in (
        r" INFO src.pipeline.evaluation: loading FaultyEditor",
        r" INFO src.pipeline.evaluation: loading BrightnessJudge",
        r" WARNING src.pipeline.reader: bad sample 00001_环境_medium: source image: not valid base64",
        r" WARNING src.pipeline.editing: editing 00002_社会_hard failed: RuntimeError('out of paint')",
    ):
        assert log.count(entry) == 1, log


def test_an_output_directory_of_the_command_line_takes_the_log_along(tmp_path: Path, config: dict[str, Any]) -> None:
    path = write(tmp_path, config | {"logging": {"log_file": str(tmp_path / "one.log")}})
    run(path, "--output-dir", str(tmp_path / "elsewhere"))
    assert "loading FaultyEditor" in (tmp_path / "elsewhere" / "logs" / "evaluation.log").read_text()
    assert not (tmp_path / "one.log").exists()
    run(path)
    assert "loading FaultyEditor" in (tmp_path / "one.log").read_text()
