"""The installed command `editloop`: built by the project's own backend, called from an unrelated folder."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import src

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SHARED = (
    "main.py",
    "editloop.py",
    "src",
    "prompts",
    "assets",
    "pyproject.toml",
    "README.md",
    "build_backend",
    "config.yaml",
)
CALL = """
import site, sys
site.addsitedir({site!r})
from importlib.metadata import entry_points
(command,) = entry_points(group="console_scripts", name="editloop")
sys.argv = ["/somewhere/bin/editloop", *{arguments!r}]
sys.exit(command.load()())
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages with the editable EditLoop of a checkout."""
    checkout, site = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("site")
    for name in SHARED:
        (checkout / name).symlink_to(ROOT / name)
    done = backend(checkout, f"build_editable({str(site)!r})")
    assert done.returncode == 0, done.stderr
    (wheel,) = site.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def backend(checkout: Path, call: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, 'build_backend'); import editable_only; editable_only.{call}"
    return subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=False)


def test_a_plug_in_finds_the_names_that_it_needs_from_anywhere(installed: Path, tmp_path: Path) -> None:
    code = f"import site; site.addsitedir({str(installed)!r}); from editloop import Editor, Judge, Scorer, Task"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def editloop(installed: Path, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = CALL.format(site=str(installed), arguments=list(arguments))
    return subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arguments", [("-h",), ("--help",), ("evaluate", "-h"), ("data", "inspect", "--help"), ()])
def test_help_answers_from_anywhere(installed: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = editloop(installed, tmp_path, *arguments)
    assert "Usage: editloop" in done.stdout + done.stderr
    assert done.returncode == (0 if arguments else 2)
    assert not list(tmp_path.iterdir())


def test_the_version_is_that_of_the_project(installed: Path, tmp_path: Path) -> None:
    assert editloop(installed, tmp_path, "--version").stdout == f"editloop {PROJECT['version']}\n"
    assert src.__version__ == PROJECT["version"]


def test_the_command_finds_sources_prompts_and_weights_from_anywhere(installed: Path, tmp_path: Path) -> None:
    done = editloop(installed, tmp_path, "check", "--config", str(ROOT / "config.yaml"))
    assert done.returncode == 0, done.stderr
    assert "QwenImageEditModel" in done.stdout
    assert "0 bad" in done.stdout


def test_options_without_a_command_are_those_of_evaluate(installed: Path, tmp_path: Path) -> None:
    done = editloop(installed, tmp_path, "--config", "nothing.yaml", "--limit", "3")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing.yaml does not exist" in done.stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [("editloop ev", "evaluate"), ("editloop data in", "inspect"), ("editloop --config x.yaml --lim", "--limit")],
)
def test_the_shell_completes_commands_and_options(installed: Path, tmp_path: Path, words: str, offered: str) -> None:
    position = str(len(words.split()) - 1)
    asked = {"_EDITLOOP_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": position}
    assert editloop(installed, tmp_path, **asked).stdout.split() == [offered]


@pytest.mark.parametrize("call", ["build_wheel('.')", "build_sdist('.')"])
def test_what_would_miss_files_is_refused_with_the_command_that_works(call: str) -> None:
    done = backend(ROOT, call)
    assert done.returncode == 1
    assert "pip install -e ." in done.stderr


def test_every_extra_is_pinned() -> None:
    extras = PROJECT["optional-dependencies"]
    assert {"dev", "deepspeed", "quantization", "tracking"} <= extras.keys()
    assert all("==" in requirement for requirements in extras.values() for requirement in requirements)


def test_another_python_is_told_how_to_enter_the_environment(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", str(ROOT / "main.py"), "-h"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "source .venv/bin/activate" in done.stderr
    assert "Traceback" not in done.stderr
