"""The examples of docs/plugins.md, run as its reader would run them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from src.registry import load_class
from src.training.tasks.base import Task, UnparsableCompletion

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
FILES = {match[1]: code for _, code in BLOCKS if (match := re.match(r"# (\w+\.(?:py|yaml))\n", code))}
MODULES = [name for name in FILES if name.endswith(".py")]
(PROMPT,) = [code for kind, code in BLOCKS if kind == "jinja"]
(PROMPT_PATH,) = re.findall(r"`(prompts/\S+\.j2)` beside", PAGE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reader's folder with everything that the page shows, and the assets that it names."""
    for name, code in FILES.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    (tmp_path / PROMPT_PATH).parent.mkdir(parents=True)
    (tmp_path / PROMPT_PATH).write_text(PROMPT, encoding="utf-8")
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    return tmp_path


def run(folder: Path, *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "main.py"), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def report(folder: Path, name: str) -> dict[str, Any]:
    run(folder, "--config", f"{name}.yaml", "--limit", "10")
    found: dict[str, Any] = json.loads(next((folder / "outputs" / name / "results").glob("*.json")).read_text())
    return found


def test_the_page_shows_every_kind_of_plug_in() -> None:
    sections = [yaml.safe_load(code) for name, code in FILES.items() if name.endswith(".yaml")]
    named = {
        key
        for section in sections
        for key, value in section.items()
        if isinstance(value, dict) and str(value.get("class_path", "")).startswith("my_")
    }
    assert named == {"diffusion_model", "reward_model", "scorer", "task"}


@pytest.mark.parametrize("name", MODULES)
def test_an_example_takes_at_most_fifteen_lines(name: str) -> None:
    assert len([line for line in FILES[name].splitlines() if line.strip()]) <= 15


@pytest.mark.parametrize("name", MODULES)
def test_an_example_imports_from_editloop_what_it_needs_of_this_project(name: str) -> None:
    assert "from editloop import " in FILES[name]
    assert "src." not in FILES[name]


def test_the_editor_and_the_judge_run_outside_src_from_the_command_line(folder: Path) -> None:
    found = report(folder, "mine")
    assert found["statuses"] == {"scored": 10}
    assert found["editor"]["class"] == "my_editors.Brighten"
    assert 0 < found["overall_statistics"]["mean"] < 10


def test_the_scorer_asks_its_own_prompt(folder: Path) -> None:
    found = report(folder, "sharp")
    assert found["statuses"] == {"scored": 10}
    assert found["scorer"]["class"] == "my_scorers.Sharpness"
    assert list(found["scorer"]["prompts"]) == ["sharpness/edges v1"]
    assert 0 < found["overall_statistics"]["mean"] < 10


def test_a_training_with_the_task_reads_its_data_and_is_ready(folder: Path) -> None:
    told = run(folder, "check", "--config", "train.yaml")
    assert re.search(r"task +LastLine, scored by CategoryScorer", told)
    assert re.search(r"data +320 examples", told)
    assert re.search(r"steps +1 ", told)


def test_the_task_reads_what_the_page_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    task = load_class("my_tasks.LastLine", Task)()  # type: ignore[type-abstract]
    assert task.read("First I look.\n\n Paint it blue. \n") == "Paint it blue."
    with pytest.raises(UnparsableCompletion, match="the completion is empty"):
        task.read(" \n")
