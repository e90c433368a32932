"""The default run as a newcomer starts it: the shipped benchmark, the shipped weights, the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
SAMPLES = 50


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output directory of the default run on the first samples."""
    out = tmp_path_factory.mktemp("demo") / "out"
    command = [sys.executable, "main.py", "--config", "config.yaml", "--limit", str(SAMPLES), "--output-dir", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "物理 physical" in done.stdout
    return out


def report_of(out: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(max((out / "results").glob("*.json")).read_text(encoding="utf-8"))
    return report


@pytest.fixture(scope="module")
def by_oracle(demo: Path) -> dict[str, Any]:
    """The report of the same edits judged by the oracle, made by the command that config.yaml names."""
    scorer = "scorer.class_path=src.miniature.oracle_scorer.OracleScorer"
    command = [sys.executable, "main.py", "--config", "config.yaml", "--resume", "--set", scorer]
    command += ["--limit", str(SAMPLES), "--output-dir", str(demo)]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return report_of(demo)


def test_the_shipped_judge_scores_every_edit(demo: Path) -> None:
    report = report_of(demo)
    assert report["statuses"] == {"scored": SAMPLES}
    assert list(report["summary"]["category_means"]) == ["物理", "环境", "社会", "因果", "指代"]
    assert all(row["replies"][0].startswith("Score: ") for row in report["samples"])


def test_the_reports_are_rebuilt_from_the_record_alone(demo: Path) -> None:
    before = report_of(demo)
    code = "import sys, main; main.app(['report', sys.argv[1]], standalone_mode=False); print('torch' in sys.modules)"
    command = [sys.executable, "-c", code, str(demo)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False", "a report must not wait for torch"
    assert len(list((demo / "results").glob("*.json"))) == 2
    after = report_of(demo)
    assert {**after, "timestamp": ""} == {**before, "timestamp": ""}


def test_another_scorer_judges_a_finished_run_without_a_single_new_edit(by_oracle: dict[str, Any]) -> None:
    last = by_oracle["attempts"][-1]
    assert (last["edits_made"], last["edits_reused"], last["verdicts_made"]) == (0, SAMPLES, SAMPLES)


def test_by_the_oracle_the_shipped_editor_beats_no_edit_in_every_category(by_oracle: dict[str, Any]) -> None:
    means = by_oracle["summary"]["category_means"]
    assert min(means.values()) > 1.0, "no edit at all scores 0"
    assert max(means.values()) < 10.0


def test_the_pictures_lie_where_people_look_for_them(demo: Path) -> None:
    pictures = sorted((demo / "images").rglob("*.png"))
    assert len(pictures) == SAMPLES
    assert {picture.parent.name for picture in pictures} == {"物理", "环境", "社会", "因果", "指代"}
    assert {Image.open(picture).size for picture in pictures} == {(64, 64)}


def test_asking_for_help_loads_no_heavy_library() -> None:
    code = "import main, sys; print([name for name in ('torch', 'numpy', 'PIL', 'pydantic') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "diffusion_model.params.model_name=assets/miniature/editr"], "there are no weights at"),
        (["--set", "benchmark.data_path=assets/miniature/benchmark.jsn"], "Did you mean 'benchmark.json'"),
        (["--category", "物里"], "Did you mean '物理'"),
        (["--config", "nothing.yaml"], "nothing.yaml does not exist"),
    ],
)
def test_a_mistake_on_the_command_line_is_explained_in_one_line_without_a_traceback(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    command = [sys.executable, "main.py", "evaluate", "--output-dir", str(tmp_path), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
