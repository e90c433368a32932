"""The folder of a run that nobody can write to: reported, checked and audited all the same, and left as it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from src.record.record import Record
from tests.conftest import item

MAIN = str(Path(__file__).parent.parent / "main.py")
WITHOUT_POWERS = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
"""The superuser's right to write where nobody may is taken from the command."""


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    weakened = WITHOUT_POWERS if os.geteuid() == 0 else []
    if weakened and shutil.which(weakened[0]) is None:
        pytest.skip("the superuser may write anywhere, and setpriv is not here")
    called = [*weakened, sys.executable, MAIN, *arguments]
    return subprocess.run(called, capture_output=True, text=True, check=False)


@pytest.fixture(params=["finished", "killed"])
def run(request: pytest.FixtureRequest, tmp_path: Path, write_benchmark: Callable[..., Path]) -> Iterator[Path]:
    """The config of a run whose folder is read-only; a killed one left commits in the log of the database."""
    out = tmp_path / "out"
    settings = {
        "benchmark": {"data_path": str(write_benchmark([item(0), item(1)]))},
        "diffusion_model": {"class_path": "tests.plugins.InvertEditor"},
        "reward_model": {"class_path": "tests.plugins.BrightnessJudge"},
        "evaluation": {"output_dir": str(out)},
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    assert command("--config", str(path)).returncode == 0
    if request.param == "killed":
        # What a killed process leaves: its last commits are in the log, and nowhere else.
        code = f"from pathlib import Path; from src.record.record import Record; import os\nRecord(Path({str(out)!r}))"
        code += "._write(\"UPDATE attempts SET outcome = 'running'\", ()); os._exit(0)"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert (out / "record.sqlite-wal").stat().st_size > 0
    folders = [out, *(path for path in out.rglob("*") if path.is_dir())]
    for file in out.rglob("*"):
        file.chmod(0o555 if file.is_dir() else 0o444)
    out.chmod(0o555)
    yield path
    for folder in folders:
        folder.chmod(0o755)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_read_only_run_is_reported_and_checked_and_stays_as_it_is(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = contents(out)
    shown = command("report", str(out))
    assert (shown.returncode, "2/2" in shown.stdout) == (1, True), shown.stderr
    assert "--output-dir" in shown.stderr
    written = command("report", str(out), "--output-dir", str(tmp_path / "elsewhere"))
    assert written.returncode == 0, written.stderr
    (report,) = (tmp_path / "elsewhere" / "results").glob("*.json")
    data = json.loads(report.read_text(encoding="utf-8"))
    assert data["overall_statistics"]["num_samples"] == 2
    killed = (out / "record.sqlite-wal").exists()
    assert data["attempts"][0]["outcome"] == ("running" if killed else "finished"), "the last commit is read too"
    checked = command("check", "--config", str(run))
    assert "with --resume 0 edits and 0 judgements" in checked.stdout, checked.stderr
    assert contents(out) == before


def test_a_run_into_a_read_only_folder_is_refused_with_advice(run: Path) -> None:
    done = command("--config", str(run), "--resume")
    assert done.returncode == 1
    assert "--output-dir" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_a_record_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"holds no record\.sqlite"):
        Record(tmp_path, for_reading=True)
    assert not list(tmp_path.iterdir())
