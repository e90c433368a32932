"""`from editloop import Editor, Judge, Scorer, Task`: light, complete, and the classes that a run checks against."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import editloop
import src
from src import plugin_face
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.reward.base_reward import BaseRewardModel
from src.rewards.core.scorer import Scorer
from src.training.tasks.base import Task

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "transformers", "diffusers", "trl", "peft", "datasets", "pyarrow", "openai", "typer", "rich"}


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh Python has after running `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_the_four_kinds_of_plug_ins_are_the_classes_that_a_run_checks_against() -> None:
    bases = [editloop.Editor, editloop.Judge, editloop.Scorer, editloop.Task]
    assert bases == [BaseDiffusionModel, BaseRewardModel, Scorer, Task]


@pytest.mark.parametrize("name", plugin_face.__all__)
def test_every_name_is_the_same_class_from_the_package_and_from_editloop(name: str) -> None:
    assert inspect.isclass(getattr(editloop, name)) or name in src._FUNCTIONS
    assert getattr(editloop, name) is getattr(src, name) is getattr(plugin_face, name)
    assert name in dir(editloop)


def test_importing_editloop_loads_nothing_else() -> None:
    modules = loaded_by("import editloop")
    assert {name for name in modules if name.startswith("src")} == {"src", "src.published_names"}
    assert not modules & (HEAVY | {"numpy", "pydantic", "PIL"})


def test_a_plug_in_loads_no_model_library() -> None:
    assert not loaded_by("from editloop import Editor, Judge, JudgedScorer, Scorer, Task, VQATask") & HEAVY


@pytest.mark.parametrize("module", ["editloop", "src"])
@pytest.mark.parametrize("name", ["Edtor", "judge", "os"])
def test_an_unknown_name_is_an_import_error(module: str, name: str) -> None:
    with pytest.raises(ImportError, match=f"cannot import name '{name}'"):
        exec(f"from {module} import {name}")


@pytest.mark.parametrize("module", [editloop, src])
@pytest.mark.parametrize("name", ["Nothing", "nothing", "BaseDiffusionModel"])
def test_a_name_that_is_not_of_the_face_is_missing_in_the_module_that_was_asked(module: ModuleType, name: str) -> None:
    with pytest.raises(AttributeError, match=f"^module '{module.__name__}' has no attribute '{name}'$"):
        getattr(module, name)


def test_a_star_import_gives_every_name_of_the_face() -> None:
    names: dict[str, object] = {}
    exec("from editloop import *", names)
    assert set(names) - {"__builtins__"} == set(plugin_face.__all__)
    assert names["Scorer"] is Scorer


def test_the_command_does_not_load_what_plug_ins_need() -> None:
    assert "src.plugin_face" not in loaded_by("import main")
