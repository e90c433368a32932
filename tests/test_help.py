"""Every module that runs with `python -m` answers `--help` and touches nothing."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def runnable() -> list[str]:
    files = [file for folder in ("src", "benchmarks") for file in sorted((ROOT / folder).rglob("*.py"))]
    scripts = [file for file in files if 'if __name__ == "__main__":' in file.read_text(encoding="utf-8")]
    return [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in scripts]


def test_the_runnable_modules_are_found() -> None:
    assert {"benchmarks.judge", "src.miniature.world.benchmark"} <= set(runnable())


def test_every_command_that_a_page_or_model_card_names_is_there() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("assets/miniature/*/README.md")]
    pages += ROOT.rglob("configs/**/*.yaml")
    named = {name for page in pages for name in re.findall(r"python -m (src[\w.]+)", page.read_text(encoding="utf-8"))}
    assert len(named) > 8
    assert named <= set(runnable())


@pytest.mark.parametrize("module", runnable())
def test_help_is_answered_and_nothing_is_touched(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From an empty folder: whatever the module would read or write by its usual path is not there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module, run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage:")
    assert list(tmp_path.iterdir()) == []
