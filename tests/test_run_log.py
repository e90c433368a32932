"""The log of a run: what is in it, and where it lies."""

from __future__ import annotations

import os
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
        r" WARNING src.models.diffusion.batching: editing 00002_社会_hard failed: RuntimeError('out of paint')",
    ):
        assert log.count(entry) == 1, log


def test_an_output_directory_of_the_command_line_takes_the_log_along(tmp_path: Path, config: dict[str, Any]) -> None:
    path = write(tmp_path, config | {"logging": {"log_file": str(tmp_path / "one.log")}})
    run(path, "--output-dir", str(tmp_path / "elsewhere"))
    assert "loading FaultyEditor" in (tmp_path / "elsewhere" / "logs" / "evaluation.log").read_text()
    assert not (tmp_path / "one.log").exists()
    run(path)
    assert "loading FaultyEditor" in (tmp_path / "one.log").read_text()


def attempt(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "main.py", "--config", str(config), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_warning_says_its_level_once_and_no_module(tmp_path: Path, config: dict[str, Any]) -> None:
    done = attempt(write(tmp_path, config))
    shown = [line for line in done.stdout.splitlines() if "00002_社会_hard failed" in line]
    assert len(shown) == 1, done.stdout
    assert shown[0].count("WARNING") == 1
    assert "src.pipeline" not in shown[0]


def test_the_log_of_a_run_that_fails_holds_the_error_which_the_console_shows_once(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    done = attempt(write(tmp_path, config | {"diffusion_model": {"class_path": "tests.plugins.NoSuchEditor"}}))
    assert done.returncode == 1
    log = (tmp_path / "out" / "logs" / "evaluation.log").read_text()
    assert " ERROR src.run_log: class_path 'tests.plugins.NoSuchEditor'" in log
    assert (done.stdout + done.stderr).count("has no class") == 1


def test_the_log_of_a_run_that_breaks_holds_the_traceback(tmp_path: Path, config: dict[str, Any]) -> None:
    (tmp_path / "plugin_that_breaks.py").write_text(
        "from tests.plugins import InvertEditor\n\n\nclass Breaks(InvertEditor):\n"
        "    @classmethod\n    def identity(cls, params):\n        raise KeyError('out of ideas')\n"
    )
    path = write(tmp_path, config | {"diffusion_model": {"class_path": "plugin_that_breaks.Breaks"}})
    root = Path(__file__).parent.parent
    subprocess.run(
        [sys.executable, str(root / "main.py"), "--config", str(path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        check=False,
    )
    log = (tmp_path / "out" / "logs" / "evaluation.log").read_text()
    assert "ERROR src.run_log: the command failed" in log
    assert "KeyError: 'out of ideas'" in log
