"""Score files of official scripts are aggregated again: what is no number in them becomes none here."""

from __future__ import annotations

import csv
import json
import math
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from main import app
from src.data.benchmarks.official_scores import read_official_scores
from src.data.protocols import PROTOCOLS
from src.data.reward_model_protocols import REWARD_MODEL_PROTOCOLS
from src.errors import DataError
from src.reporting.official_scores import _FILES
from tests.comparable_runs import store
from tests.official_layouts import (
    GEDIT_ROWS,
    IMGEDIT,
    RISE,
    UNIREDIT,
    complex_edit,
    complex_edit_row,
    gedit,
    gedit_row,
    imgedit,
    imgedit_uge,
    kris,
    rise,
    uniredit,
    write_json,
)


def run(folder: Path, layout: str, scores: Path, *options: str) -> Result:
    arguments = ["import-scores", str(scores), "--format", layout, "--data", str(folder / "data")]
    return CliRunner().invoke(app, [*arguments, "--output-dir", str(folder / "out"), *options], env={"COLUMNS": "200"})


def report(folder: Path, layout: str, scores: Path, *options: str) -> dict[str, Any]:
    done = run(folder, layout, scores, *options)
    assert done.exit_code == 0, done.output
    [path] = (folder / "out" / "results").glob("*.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def rows(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["sample_id"]: row for row in found["samples"]}


def line(found: dict[str, Any], name: str, table: int = 0) -> dict[str, float]:
    [values] = [row["values"] for row in found["protocol"]["tables"][table]["rows"] if row["name"] == name]
    return {metric: value for metric, value in values.items() if value is not None}


def gedit_scores(folder: Path, task: str, *cells: tuple[str, Any, Any], language: str = "en") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    fields = ["source_image", "edited_image", "instruction", "sementics_score", "quality_score"]
    with (folder / f"my_model_{task}_gpt_score.csv").open("w", newline="", encoding="utf-8") as file:
        written = csv.DictWriter(file, [*fields, "intersection_exist", "instruction_language"])
        written.writeheader()
        for key, semantics, quality in cells:
            path = f"x/fullset/{task}/{language}/{key}"
            values = [f"{path}_SRCIMG.png", f"{path}.png", "change it", semantics, quality]
            row = dict(zip(fields, values, strict=True))
            written.writerow(row | {"intersection_exist": True, "instruction_language": language})


def test_gedit_is_aggregated_again_from_its_csv_files_by_task_and_over_the_tasks(tmp_path: Path) -> None:
    gedit(tmp_path / "data", [*GEDIT_ROWS, gedit_row("ps_human", "zz")])
    gedit_scores(tmp_path / "scores", "motion_change", ("ab12", 4, 9))
    gedit_scores(tmp_path / "scores", "ps_human", ("ef56", 8, 8), ("zz", 2, 8))
    gedit_scores(tmp_path / "scores", "subject-add", ("cd34", 0, 5))
    found = report(tmp_path, "gedit", tmp_path / "scores")
    assert found["statuses"] == {"scored": 4}
    assert line(found, "ps_human") == {"SC": 5.0, "PQ": 8.0, "O": 6.0}
    assert line(found, "overall, macro over tasks")["O"] == pytest.approx((6 + 6 + 0) / 3)
    assert line(found, "overall, micro")["O"] == pytest.approx((6 + 8 + 4 + 0) / 4)
    dimensions = rows(found)["motion_change_en_ab12"]["dimensions"]
    assert dimensions == {"semantic_consistency": 4.0, "perceptual_quality": 9.0, "protocol_score": 6.0}
    assert "own script" in found["protocol"]["comparable"]


@pytest.mark.parametrize("cell", ["nan", "", "inf", "eleven", "11", "-1", "None"])
def test_a_cell_that_is_no_number_of_the_scale_is_a_failed_verdict_that_shows_it(tmp_path: Path, cell: str) -> None:
    gedit(tmp_path / "data", GEDIT_ROWS)
    gedit_scores(tmp_path / "scores", "motion_change", ("ab12", cell, 9))
    gedit_scores(tmp_path / "scores", "ps_human", ("ef56", 8, 8))
    found = report(tmp_path, "gedit", tmp_path / "scores")
    failed = rows(found)["motion_change_en_ab12"]
    assert (failed["status"], failed["score"]) == ("judge_failed", None)
    assert failed["reason"] == f"`sementics_score` is {cell!r}, no number from 0 to 10"
    assert rows(found)["subject-add_en_cd34"]["reason"] == "the score file has no row of this sample"
    assert found["overall_statistics"]["mean"] == 8.0
    assert found["statuses"] == {"scored": 1, "judge_failed": 2}


def test_rows_of_another_language_are_counted_and_not_mixed_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gedit(tmp_path / "data", GEDIT_ROWS)
    gedit_scores(tmp_path / "scores", "motion_change", ("ab12", 4, 4))
    gedit_scores(tmp_path / "scores" / "cn", "motion_change", ("ab12", 9, 9), language="cn")
    found = report(tmp_path, "gedit", tmp_path / "scores")
    assert found["overall_statistics"]["mean"] == 4.0
    said = [record.getMessage() for record in caplog.records if "motion_change_cn_ab12" in record.getMessage()]
    assert ["1 row is of no sample of" in text for text in said] == [True]


def test_imgedit_is_read_from_replies_and_from_its_averages(tmp_path: Path) -> None:
    imgedit(tmp_path / "data")
    replies = {
        "1082": "Brief reasoning: fine.\nPrompt Compliance: 5\nVisual Seamlessness: 4\nPhysical & Detail Fidelity: 3",
        "1068": "Brief reasoning: two lines only.\nPrompt Compliance: 2\nVisual Seamlessness: 4",
        "673": {"error": "timeout"},
    }
    found = report(tmp_path, "imgedit", write_json(tmp_path / "scores" / "result.json", replies))
    assert {name: row["status"] for name, row in rows(found).items()} == {
        **{"1082": "scored", "1068": "unparsable", "673": "judge_failed"}
    }
    assert line(found, "adjust") == {"score": 4.0}
    assert rows(found)["1082"]["replies"] == [replies["1082"]]
    averages = write_json(tmp_path / "average_score.json", {"1082": 4.0, "1068": 2.5, "673": float("nan")})
    done = run(tmp_path, "imgedit", averages)
    assert done.exit_code == 0, done.output
    newest = max((tmp_path / "out" / "results").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    again = json.loads(newest.read_text(encoding="utf-8"))
    assert line(again, "adjust") == {"score": 3.25}
    assert rows(again)["673"]["reason"] == "nan is neither a reply nor a number from 1 to 5"


def test_as_published_takes_the_mean_of_however_many_lines_a_reply_has(tmp_path: Path) -> None:
    imgedit(tmp_path / "data")
    reply = "Brief reasoning: two lines only.\nPrompt Compliance: 2\nVisual Seamlessness: 4"
    scores = write_json(tmp_path / "result.json", {"1068": reply})
    found = rows(report(tmp_path, "imgedit", scores, "--as-published"))["1068"]
    assert (found["status"], found["dimensions"]["protocol_score"]) == ("scored", 3.0)


def rise_table(path: Path, *cells: dict[str, Any]) -> Path:
    names = ["index", "Reasoning", "ApprConsistency", "VisualPlausibility"]
    with path.open("w", newline="", encoding="utf-8") as file:
        written = csv.DictWriter(file, names)
        written.writeheader()
        written.writerows(cells)
    return path


def test_rise_is_scored_by_what_applies_to_each_sample_and_a_missing_value_leaves_none(tmp_path: Path) -> None:
    rise(tmp_path / "data")
    table = rise_table(
        tmp_path / "scores.csv",
        {"index": "temporal_reasoning_1", "Reasoning": 4, "ApprConsistency": 5, "VisualPlausibility": 3},
        {"index": "causal_reasoning_2", "Reasoning": 5, "VisualPlausibility": 5},
        {"index": "spatial_reasoning_3", "Reasoning": 5, "ApprConsistency": 5},
        {"index": "logical_reasoning_4", "Reasoning": 1, "ApprConsistency": 5},
    )
    found = report(tmp_path, "rise", table)
    own = {name: row["dimensions"].get("protocol_score") for name, row in rows(found).items()}
    assert own["temporal_reasoning_1"] == pytest.approx(0.3 * 5 + 0.5 * 4 + 0.2 * 3)
    assert own["causal_reasoning_2"] == pytest.approx(5.0)
    assert own["logical_reasoning_4"] == pytest.approx((0.3 * 5 + 0.7 * 1) / 2)
    spatial = rows(found)["spatial_reasoning_3"]
    assert (spatial["status"], spatial["reason"]) == (
        "judge_failed",
        "`VisualPlausibility` is nan, no number from 1 to 5",
    )
    assert line(found, "causal_reasoning")["accuracy %"] == 100.0


def test_a_table_of_means_is_refused_with_the_name_of_the_one_that_is_wanted(tmp_path: Path) -> None:
    rise(tmp_path / "data")
    (tmp_path / "MODEL_judge.csv").write_text("-,Score-Origin,Score-Percentage,Accuracy\nOverall,3.1,52,0.2\n")
    done = run(tmp_path, "rise", tmp_path / "MODEL_judge.csv")
    assert done.exit_code == 1
    assert "the table with a row a sample is *_judge.xlsx" in " ".join(done.stderr.split())


def test_without_openpyxl_an_xlsx_is_refused_with_what_to_save_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rise(tmp_path / "data")
    with zipfile.ZipFile(tmp_path / "MODEL_judge.xlsx", "w") as file:
        file.writestr("xl/workbook.xml", "")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    done = run(tmp_path, "rise", tmp_path / "MODEL_judge.xlsx")
    said = " ".join(done.stderr.split())
    assert done.exit_code == 1
    assert "Save its sheet as CSV" in said
    assert "index, Reasoning, ApprConsistency, VisualPlausibility are read" in said


def test_kris_is_read_from_the_metrics_of_its_folders(tmp_path: Path) -> None:
    kris(tmp_path / "data")
    three = {"consistency_score": 5, "instruction_score": 3, "quality_score": 4}
    write_json(tmp_path / "scores" / "count_change" / "metrics.json", {"1": three})
    write_json(tmp_path / "scores" / "temporal_prediction" / "metrics.json", {"16": three})
    chemistry = {"1": three | {"knowledge_score": 2}, "12": three | {"knowledge_score": None}}
    write_json(tmp_path / "scores" / "chemistry" / "metrics.json", chemistry)
    found = report(tmp_path, "kris", tmp_path / "scores")
    assert rows(found)["count_change_1"]["dimensions"]["protocol_score"] == 4.0
    assert rows(found)["chemistry_1"]["dimensions"]["protocol_score"] == 3.5
    assert rows(found)["chemistry_12"]["reason"] == "`knowledge_score` is None, no number from 1 to 5"
    assert rows(found)["viewpoint_change_3"]["reason"] == "the score file has no row of this sample"
    assert line(found, "natural") == {"VC": 100.0, "VQ": 75.0, "IF": 50.0, "KP": 25.0, "average": 62.5}


def test_uniredit_is_read_by_name_and_index(tmp_path: Path) -> None:
    uniredit(tmp_path / "data")
    path = tmp_path / "scores.csv"
    path.write_text("name,idx,Reasoning,ApprConsistency,VisualPlausibility\nspatial,7,5,5,5\nmaze,2,1,x,5\n")
    found = report(tmp_path, "uniredit", path)
    assert len(UNIREDIT) == 2
    assert rows(found)["spatial_7"]["score"] == 10.0
    assert rows(found)["maze_2"]["reason"] == "`ApprConsistency` is 'x', no number from 1 to 5"


def complex_edit_scores(folder: Path, name: str, instruction: str, *values: Any) -> None:
    """What the official script writes of an output: two scores of its alignment, one of its quality."""
    following, preservation, quality = values
    alignment = {"instruction": instruction, "runs": [], "instruction_following": following}
    write_json(folder / "alignment_rubric_cot" / name, alignment | {"identity_preservation": preservation})
    write_json(folder / "quality_rubric" / name, {"instruction": instruction, "perceptual_quality": quality})


def test_complex_edit_is_read_by_the_instructions_of_its_files_whatever_their_names_and_order(tmp_path: Path) -> None:
    complex_edit(tmp_path / "data", [complex_edit_row(0), complex_edit_row(1)])
    complex_edit_scores(tmp_path / "scores", "b.json", "0: all 8", 9, 6.5, 8.5)
    complex_edit_scores(tmp_path / "scores", "a.json", "1: all 8", 3, 3, 3)
    complex_edit_scores(tmp_path / "other", "a.json", "1: all 2", 10, 10, float("nan"))
    write_json(tmp_path / "scores" / "alignment_rubric_cot" / "final_result.json", {"instruction_following": 6.0})
    mixed = {"instruction_following": 9, "identity_preservation": 6.5, "perceptual_quality": 3, "overall": 6.2}
    write_json(tmp_path / "scores" / "overall" / "b.json", mixed | {"instruction": "0: all 8"})
    (tmp_path / "scores").rename(tmp_path / "other" / "c8")
    found = report(tmp_path, "complex-edit", tmp_path / "other")
    assert found["statuses"] == {"scored": 2, "judge_failed": 14}
    assert rows(found)["00000_c8"]["dimensions"]["protocol_score"] == pytest.approx((9 + 6.5 + 8.5) / 3)
    assert rows(found)["00001_c8"]["score"] == pytest.approx(3.0)
    assert rows(found)["00001_c2"]["reason"] == "`perceptual_quality` is nan, no number from 0 to 10"
    assert rows(found)["00000_c2"]["reason"] == "the score file has no row of this sample"
    assert line(found, "level 8")["overall"] == pytest.approx((8 + 3) / 2)


def test_parts_of_different_instructions_are_not_put_together_and_a_file_without_one_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    complex_edit_scores(tmp_path, "1.json", "one", 5, 5, 5)
    write_json(tmp_path / "quality_rubric" / "1.json", {"instruction": "two", "perceptual_quality": 9})
    (tmp_path / "quality_rubric" / "2.json").write_text("{", encoding="utf-8")
    found = read_official_scores("complex-edit", tmp_path)
    assert found["one"].values == {"instruction_following": 5.0, "identity_preservation": 5.0}
    assert found["two"].values == {"perceptual_quality": 9.0}
    assert "2.json states no instruction" in caplog.text


def test_every_protocol_of_a_benchmark_has_score_files_to_be_written() -> None:
    of_reward_models = {facts.short_name for facts in REWARD_MODEL_PROTOCOLS}
    assert _FILES.keys() == {facts.short_name for facts in PROTOCOLS.values()} - of_reward_models


def test_an_imported_run_is_reported_again_from_its_record(tmp_path: Path) -> None:
    imgedit(tmp_path / "data")
    scores = write_json(tmp_path / "average_score.json", dict.fromkeys(IMGEDIT, 3.0))
    first = report(tmp_path, "imgedit", scores, "--name", "their editor")
    assert first["editor"]["params"] == {"name": "their editor"}
    done = CliRunner().invoke(app, ["report", str(tmp_path / "out"), "--output-dir", str(tmp_path / "again")])
    assert done.exit_code == 0, done.output
    [path] = (tmp_path / "again" / "results").glob("*.json")
    again = json.loads(path.read_text(encoding="utf-8"))
    assert again["protocol"] == first["protocol"]
    assert again["overall_statistics"] == first["overall_statistics"]


IMPORTS: dict[str, Any] = {
    "gedit": lambda folder: gedit_scores(folder, "motion_change", ("ab12", 4, 9)),
    "imgedit": lambda folder: write_json(folder / "average_score.json", dict.fromkeys(IMGEDIT, 3.5)),
    "imgedit-uge": lambda folder: write_json(folder / "result.json", {"1": "Good.\nScore: 4", "2": "No idea."}),
    "rise": lambda folder: rise_table(
        folder / "a.csv",
        *(
            {"index": one["index"], "Reasoning": 4, "ApprConsistency": 5 - place, "VisualPlausibility": 3}
            for place, one in enumerate(RISE)
        ),
    ),
    "kris": lambda folder: write_json(
        folder / "chemistry" / "metrics.json",
        {"1": dict.fromkeys(("consistency_score", "instruction_score", "quality_score", "knowledge_score"), 4)},
    ),
    "uniredit": lambda folder: (folder / "a.csv").write_text(
        "name,idx,Reasoning,ApprConsistency,VisualPlausibility\nspatial,7,5,4,3\n"
    ),
    "complex-edit": lambda folder: complex_edit_scores(folder, "00000.json", "0: all 3", 9, 6.5, 8.5),
}
DATA: dict[str, Any] = {
    "gedit": lambda folder: gedit(folder, GEDIT_ROWS),
    **{"imgedit": imgedit, "rise": rise, "kris": kris, "uniredit": uniredit},
    "complex-edit": lambda folder: complex_edit(folder, [complex_edit_row(0)]),
    "imgedit-uge": imgedit_uge,
}


@pytest.mark.parametrize("layout", sorted(IMPORTS))
def test_what_is_written_in_the_official_layout_is_read_back_to_the_same_tables(tmp_path: Path, layout: str) -> None:
    DATA[layout](tmp_path / "data")
    (tmp_path / "scores").mkdir()
    IMPORTS[layout](tmp_path / "scores")
    scores = tmp_path / "scores" / "a.csv"
    first = report(tmp_path, layout, scores if scores.exists() else tmp_path / "scores")
    assert first["statuses"]["scored"] >= 1
    options = ["--output-dir", str(tmp_path / "again"), "--official-scores", str(tmp_path / "written")]
    done = CliRunner().invoke(app, ["report", str(tmp_path / "out"), *options])
    assert done.exit_code == 0, done.output
    (tmp_path / "out").rename(tmp_path / "first")
    tables = list((tmp_path / "written").glob("*samples.csv"))
    second = report(tmp_path, layout, tables[0] if tables else tmp_path / "written")
    assert second["protocol"]["tables"] == first["protocol"]["tables"]
    assert second["statuses"] == first["statuses"]


def test_a_run_by_another_scorer_has_no_official_scores_and_says_so(tmp_path: Path) -> None:
    store(tmp_path / "run", [3.0, 4.0])
    options = ["--output-dir", str(tmp_path / "again"), "--official-scores", str(tmp_path / "written")]
    done = CliRunner().invoke(app, ["report", str(tmp_path / "run"), *options])
    assert done.exit_code == 1
    assert "name a protocol as scorer" in " ".join(done.output.split())


def test_two_rows_that_disagree_about_a_sample_leave_it_without_a_score(tmp_path: Path) -> None:
    gedit_scores(tmp_path / "a", "ps_human", ("ef56", 8, 8))
    gedit_scores(tmp_path / "b", "ps_human", ("ef56", 8, 7))
    [score] = read_official_scores("gedit", tmp_path).values()
    assert not score.values
    assert set(score.problems.values()) == {"two rows of the sample have different scores"}


@pytest.mark.parametrize(
    ("layout", "name", "text", "reason"),
    [
        ("gedit", "x_gpt_score.csv", "a,b\n1,2\n", "lacks the columns edited_image, instruction_language"),
        ("gedit", "x_ps_gpt_score.csv", "edited_image,instruction_language,sementics_score,quality_score\na.png,en,1,1",
         "does not say of which task 'a.png' is"),
        ("imgedit", "result.json", "[1]", "is no JSON mapping from byte"),
        ("imgedit", "result.json", "{}", "holds no scores"),
        ("rise", "x.csv", "", "cannot be read as a table"),
        ("kris", "metrics.json", "{}", "holds no scores"),
        ("complex-edit", "x.json", "{}", "holds no scores"),
        ("mmmg", "x.json", "{}", "there are readers for gedit, imgedit, imgedit-uge, rise, kris, uniredit, complex-"),
    ],
)  # fmt: skip
def test_what_is_no_score_file_is_an_error_that_says_what_is_wrong(
    tmp_path: Path, layout: Any, name: str, text: str, reason: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as raised:
        read_official_scores(layout, tmp_path / name)
    assert reason in str(raised.value)
    with pytest.raises(DataError, match="does not exist"):
        read_official_scores("gedit", tmp_path / "nowhere")


_CELLS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)


@given(cells=st.dictionaries(st.text(min_size=1, max_size=4), _CELLS, min_size=1, max_size=4))
def test_whatever_a_score_file_holds_only_finite_numbers_of_the_scale_are_scores(
    tmp_path_factory: pytest.TempPathFactory, cells: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("scores")
    averages = write_json(folder / "average_score.json", cells)
    metrics = {key: {"consistency_score": cell} for key, cell in cells.items()}
    write_json(folder / "chemistry" / "metrics.json", metrics)
    for score in read_official_scores("imgedit", averages).values():
        assert score.score is None or (math.isfinite(score.score) and 1 <= score.score <= 5)
        assert score.score is not None or score.problems or isinstance(score.reply, str)
    for score in read_official_scores("kris", folder).values():
        assert all(math.isfinite(value) and 1 <= value <= 5 for value in score.values.values())
        assert {*score.values, *score.problems} >= {"consistency_score", "quality_score"}
    assert RISE
