"""A run as data in hand: the DataFrame of `load_run`, the CSV, and the YAML for the hub."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas
import pytest
import yaml
from huggingface_hub import parse_eval_result_entries
from typer.testing import CliRunner

import editloop
import src.reporting
from main import app
from src.data.verdict import Status
from src.errors import ConfigError, OutputError
from src.pipeline.evaluation import evaluate
from src.reporting import load_run
from src.reporting.frame import run_frame
from src.reporting.hub_results import hub_entries
from src.reporting.report import build_report
from tests.conftest import item
from tests.sample_results import ATTEMPT, HOSTILE, bad_sample, failure, info, result

ROOT = Path(__file__).resolve().parents[1]
STORED = ROOT / "tests" / "stored" / "example_judge"


@pytest.fixture
def run_dir(write_benchmark: Callable[..., Path], make_config: Callable[..., object], tmp_path: Path) -> Path:
    """A run of four samples: two scored, one that the editor fails on, one that is bad."""
    items = [item(0), item(1, edit_instruction_en="raise"), item(2, src_img_b64=None), item(3)]
    editor = {"class_path": "tests.plugins.FaultyEditor"}
    evaluate(make_config(write_benchmark(items), diffusion_model=editor))
    return tmp_path / "out"


def test_a_frame_has_one_row_a_sample_and_no_number_for_a_failure(run_dir: Path) -> None:
    frame = load_run(run_dir)
    assert list(frame.status) == ["scored", "edit_failed", "bad_sample", "scored"]
    assert list(frame.score.isna()) == [False, True, True, False]
    assert frame.score.dtype == "float64"
    assert "out of paint" in frame.reason[1]
    assert list(frame["picture"].isna()) == [False, True, True, False]
    assert Path(frame.picture[0]).is_absolute()
    assert Path(frame.picture[0]).read_bytes().startswith(b"\x89PNG")
    assert (frame.edit_width[0], frame.edit_height[0]) == (16, 16)
    assert (frame.edit_seconds[[0, 3]] >= 0).all()
    assert frame.attrs["editor"]["class"] == "tests.plugins.FaultyEditor"


def test_dimensions_usage_and_replies_have_columns() -> None:
    rows = [result(0, 4.0), failure(1), bad_sample(2), failure(3, None, None)]
    frame = run_frame(info(), rows, Path("out"))
    assert frame["dimension.change"].tolist()[0] == 4.0
    assert frame["dimension.change"].isna().tolist() == [False, True, True, True]
    assert frame["usage.calls"][0] == 1
    assert frame.replies[0] == ("4.0",)
    assert frame.status.isna().tolist() == [False, False, False, True]


def test_a_run_without_samples_has_all_columns() -> None:
    frame = run_frame(info(), [], Path("out"))
    assert len(frame) == 0
    assert {"sample_id", "score", "picture", "edit_seconds"} <= set(frame.columns)


def test_load_run_is_found_where_the_docs_say_and_pandas_waits_until_then() -> None:
    assert src.reporting.load_run is editloop.load_run
    code = "import sys, src.reporting, src.reporting.report, main; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"holds no record\.sqlite"):
        load_run(tmp_path)


def test_the_csv_gives_back_what_the_frame_holds(run_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.csv"
    done = CliRunner().invoke(app, ["report", str(run_dir), "--csv", str(path)])
    assert done.exit_code == 0, done.output
    frame, read = load_run(run_dir), pandas.read_csv(path)
    assert list(read.columns) == list(frame.columns)
    assert read.score.tolist()[0] == frame.score[0]
    assert json.loads(read.tags[0]) == ["test", "easy"]
    assert json.loads(read.replies[0]) == list(frame.replies[0])


def test_hostile_texts_stay_in_their_cells(tmp_path: Path) -> None:
    from src.reporting.frame import write_csv

    rows = [result(0, 4.0, instruction=HOSTILE, tags=(HOSTILE,), category=HOSTILE), result(1, 5.0, replies=("\udc80",))]
    write_csv(run_frame(info(), rows, tmp_path), tmp_path / "run.csv")
    read = pandas.read_csv(tmp_path / "run.csv", lineterminator="\n")
    assert len(read) == 2
    assert read.instruction[0].replace("\r\n", "\n") == HOSTILE.replace("\r\n", "\n")
    assert json.loads(read.tags[0]) == [HOSTILE]


def test_a_csv_that_cannot_be_written_is_a_sentence(run_dir: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(run_dir), "--csv", str(tmp_path)])
    assert done.exit_code == 1
    assert "the table cannot be written" in done.output.replace("\n", " ")


def test_the_results_for_the_hub_are_read_back_by_its_own_classes(run_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.yaml"
    options = ["--hub-results", str(path), "--hub-dataset", "me/bench"]
    done = CliRunner().invoke(app, ["report", str(run_dir), *options])
    assert done.exit_code == 0, done.output
    entries = parse_eval_result_entries(yaml.safe_load(path.read_text(encoding="utf-8")))
    frame = load_run(run_dir)
    assert [entry.task_id for entry in entries] == ["default", "physical", "causal"]
    assert {entry.dataset_id for entry in entries} == {"me/bench"}
    assert entries[0].value == pytest.approx(frame.score.mean(), abs=1e-4)
    assert "2 of 4 samples scored (50.0%)" in (entries[0].notes or "")
    assert "BrightnessJudge" in (entries[0].notes or "")
    assert re.match(r"\d{4}-\d\d-\d\dT", entries[0].date or "")


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("interrupted", "interrupted"),
        ("running", "killed, or still running"),
        ("failed", "failed"),
        ("budget spent: 3 dollars", "budget spent: 3 dollars"),
    ],
)
def test_the_results_for_the_hub_say_that_a_run_has_not_ended(outcome: str, said: str) -> None:
    stopped = info(attempts=(ATTEMPT, replace(ATTEMPT, outcome=outcome)))
    for entry in hub_entries(build_report(stopped, [result(0), result(1)]), "me/bench"):
        assert f"the run is not complete ({said}): samples that it has not read are not counted" in entry["notes"]


def test_the_results_for_the_hub_say_that_samples_have_no_verdict_yet() -> None:
    (entry, *_) = hub_entries(build_report(info(), [result(0), failure(1, None, None)]), "me/bench")
    assert "the run is not complete (1 sample without a verdict)" in entry["notes"]


def test_the_results_for_the_hub_of_a_run_that_was_resumed_to_its_end_have_no_such_note() -> None:
    resumed = info(attempts=(replace(ATTEMPT, outcome="interrupted"), ATTEMPT))
    (entry, *_) = hub_entries(build_report(resumed, [result(0)]), "me/bench")
    assert "not complete" not in entry["notes"]


def test_the_dataset_of_an_hf_path_is_taken_and_any_other_asked_for() -> None:
    config = info().config
    of_hub = info(config=config | {"benchmark": {"data_path": "hf://org/name@main/part"}})
    assert hub_entries(build_report(of_hub, [result(0)]))[0]["dataset"]["id"] == "org/name"
    for name in ("assets/miniature/benchmark.json", "b.json"):
        local = info(config=config | {"benchmark": {"data_path": name}})
        with pytest.raises(ConfigError, match="--hub-dataset ORG/NAME"):
            hub_entries(build_report(local, [result(0)]))


def test_a_run_without_a_score_has_no_result_for_the_hub() -> None:
    with pytest.raises(OutputError, match="no sample of this run was scored"):
        hub_entries(build_report(info(), [failure(0), bad_sample(1)]), "me/bench")


def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(STORED, tmp_path / "outputs" / "miniature")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "data_in_hand.md").read_text(encoding="utf-8")
    (example,) = re.findall("```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, pandas.DataFrame] = {}
    exec(example, names)
    assert len(names["frame"]) > 0
    assert set(names["samples"].sample_status) == {Status.SCORED.value, Status.BAD_SAMPLE.value}
    assert names["worst"].sample_score.is_monotonic_increasing
    assert len(names["worst"]) == 3
    assert names["spread"].isna().all(), "each sample was judged once"
