"""`calibrate`: files of labels in every shape, what they are compared with, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from main import app
from src.errors import ComparisonError, DataError
from src.pipeline.evaluation import evaluate
from src.record.results import SampleResult
from src.reporting import load_run
from src.reporting.calibration.calibrate import calibrate
from src.reporting.calibration.labels import Label, read_labels
from src.reporting.calibration.tables import render_markdown
from src.reporting.stored_runs import StoredRun
from tests.conftest import CATEGORIES, item
from tests.sample_results import HOSTILE, failure, info, result

FILE = Path("labels.jsonl")


def run(results: list[SampleResult], name: str = "out", **changes: Any) -> StoredRun:
    return StoredRun(name, Path(name), info(**changes), tuple(results))


def score(sample: int, value: float, rater: str = "") -> Label:
    return Label(f"{sample:05d}", rater, value, None)


def choice(sample: int, winner: str, rater: str = "") -> Label:
    return Label(f"{sample:05d}", rater, None, winner)


def noisy_run(count: int = 120) -> tuple[StoredRun, list[float]]:
    """Scores of a judge that is right but for noise and half a point, and what people say."""
    draw = np.random.default_rng(1)
    human = draw.integers(1, 10, count).astype(float)
    judge = np.clip(human + 0.5 + draw.normal(0, 0.7, count), 0, 10)
    return run([result(place, float(value)) for place, value in enumerate(judge)]), human.tolist()


def written(tmp_path: Path, text: str, name: str = "labels.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


# Files.


def test_scores_are_read_from_csv_and_json_lines_alike(tmp_path: Path) -> None:
    of_csv = written(tmp_path, '\ufeffid, score,rater\na,3.5,ann\n"b,c",10,ann\na,4,bob\n')
    lines = [{"sample_id": "a", "score": 3.5, "rater": "ann"}, {"sample_id": "b,c", "score": "10", "rater": "ann"}]
    text = "\n".join(map(json.dumps, [*lines, {"sample_id": "a", "score": 4, "rater": "bob"}]))
    of_lines = written(tmp_path, text + "\n\n", "labels.jsonl")
    read = [[replace(label, where="") for label in read_labels(path)] for path in (of_csv, of_lines)]
    assert (
        read[0]
        == read[1]
        == [Label("a", "ann", 3.5, None), Label("b,c", "ann", 10.0, None), Label("a", "bob", 4.0, None)]
    )


@pytest.mark.parametrize(
    ("word", "winner"),
    [("a", "a"), ("B", "b"), ("model_a", "a"), ("Tie", "tie"), ("both_bad", "both_bad"), ("tie (bothbad)", "both_bad")],
)
def test_winners_are_read_in_the_usual_words(tmp_path: Path, word: str, winner: str) -> None:
    (label,) = read_labels(written(tmp_path, f"id,winner\nx,{word}\n"))
    assert label.winner == winner


def test_a_label_that_was_taken_back_is_none(tmp_path: Path) -> None:
    lines = [{"sample_id": "a", "score": 3}, {"sample_id": "a", "undone": True}, {"sample_id": "a", "score": 8}]
    path = written(tmp_path, "".join(json.dumps(line) + "\n" for line in lines), "labels.jsonl")
    assert [label.score for label in read_labels(path)] == [8]


def test_a_last_line_without_its_end_was_never_stored(tmp_path: Path) -> None:
    path = written(tmp_path, '{"id": "a", "score": 3}\n{"id": "b", "sco', "labels.jsonl")
    assert [label.sample_id for label in read_labels(path)] == ["a"]


def test_scores_of_another_scale_are_taken_to_ours(tmp_path: Path) -> None:
    path = written(tmp_path, "id,score\na,1\nb,3\nc,5\n")
    assert [label.score for label in read_labels(path, (1, 5))] == [0, 5, 10]


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        ("id,score\na,nan\n", "x.csv", "line 2: the score 'nan' is no number"),
        ("id,score\na,inf\n", "x.csv", "is no number"),
        ("id,score\na,1_0\n", "x.csv", "the score '1_0' is no number"),
        ("id,score\na,７\n", "x.csv", "the score '７' is no number"),
        ("id,score\na,good\n", "x.csv", "the score 'good' is no number"),
        ('{"id": "a", "score": true}\n', "x.jsonl", "is no number"),
        ('{"id": "a", "score": 1' + "0" * 400 + "}\n", "x.jsonl", "is no number"),
        ('{"id": "a", "score": NaN}\n', "x.jsonl", "is no number"),
        ("id,score\na,11\n", "x.csv", "not on the scale from 0 to 10; another is --scale LOW HIGH"),
        ("id,score\na,3\na,3\n", "x.csv", r"line 3: sample 'a' has a label already .*line 2"),
        ("id,score,rater\na,3,z\na,4,z\n", "x.csv", "has a label by rater 'z' already"),
        ("id,stars\na,3\n", "x.csv", "no column `score` and none `winner`; its columns are 'id', 'stars'"),
        ("name,score\na,3\n", "x.csv", "no column `id` or `sample_id`"),
        ("id;score\na;3\n", "x.csv", "its columns are 'id;score'; separate columns by commas"),
        ("", "x.csv", "no column `id`"),
        ("id,score\n", "x.csv", "holds no labels"),
        ("", "x.jsonl", "holds no labels"),
        ("id,winner\na,left\n", "x.csv", "winner 'left' is none of a, b, tie and both_bad"),
        ("id,score,winner\na,3,b\n", "x.csv", "has both or none"),
        ("id,score\na,\n", "x.csv", "has both or none"),
        ("id,score\n,3\n", "x.csv", "has no id"),
        ("id,score,winner\na,3,\nb,,a\n", "x.csv", "keep single edits and pairs in files of their own"),
        ('{"id": "a"\n{"id": "b", "score": 1}\n', "x.jsonl", "line 1 is not JSON"),
        ("[1]\n", "x.jsonl", "is not an object"),
        ("id,score\na,3\n", "x.txt", "read from .csv and .jsonl"),
        ('{"id": "a", "score": 1}\n{"id": "a", "undone": true}\n', "x.jsonl", "were taken back"),
    ],
)
def test_what_is_no_label_is_a_sentence_that_says_where(tmp_path: Path, text: str, name: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read_labels(written(tmp_path, text, name))


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"make labels with .python main\.py label"):
        read_labels(tmp_path / "labels.jsonl")
    (tmp_path / "x.csv").write_bytes(b"id,score\n\xff\xfe,3\n")
    with pytest.raises(DataError, match="UTF-8"):
        read_labels(tmp_path / "x.csv")


@given(st.binary(max_size=200), st.sampled_from([".csv", ".jsonl"]))
def test_any_bytes_are_labels_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(data)
    try:
        labels = read_labels(path)
    except DataError:
        return
    assert all(label.score is None or 0 <= label.score <= 10 for label in labels)


# Comparison.


def test_a_calibration_of_scores_has_every_figure_overall_and_by_category() -> None:
    one, human = noisy_run()
    labels = [score(place, value) for place, value in enumerate(human[:60])]
    labels += [score(place, min(10, value + place % 2), "bob") for place, value in enumerate(human[:30])]
    report = calibrate([one], labels, FILE)
    assert list(report["categories"]) == list(CATEGORIES)
    overall = report["overall"]
    assert (overall["samples"], overall["sources"]) == (60, 60)
    for figure in ("accuracy", "tau_b", "rho"):
        low, high = overall[figure]["ci95"]
        assert 0.5 < low < overall[figure]["value"] < high < 1
    assert report["agreement"]["interval"]["n"] == 30
    assert 0.9 < report["agreement"]["interval"]["value"] < 1
    recalibration = report["recalibration"]
    assert recalibration["error"] < recalibration["error_of_mean"]
    json.dumps(report, allow_nan=False)


def test_the_corrected_mean_is_nearer_to_the_truth_and_surer_than_the_labels_alone() -> None:
    one, human = noisy_run(400)
    figures = calibrate([one], [score(place, value) for place, value in enumerate(human[:40])], FILE)["overall"]
    truth = float(np.mean(human))
    powered, classical = figures["mean_prediction_powered"], figures["mean_of_labels"]
    assert powered["ci95"][0] < truth < powered["ci95"][1]
    width = [found["ci95"][1] - found["ci95"][0] for found in (powered, classical)]
    assert width[0] < 0.6 * width[1]
    assert figures["mean_of_judge"] > powered["value"] + 0.2


def test_the_corrected_mean_of_a_category_counts_its_own_edits_alone() -> None:
    results = [result(place, 2.0 if place % 5 else 8.0) for place in range(50)]
    labels = [score(place, 3.0 if place % 5 else 9.0) for place in range(20)]
    categories = calibrate([run(results)], labels, FILE)["categories"]
    assert categories[CATEGORIES[0]]["mean_prediction_powered"]["value"] == pytest.approx(9)
    assert categories[CATEGORIES[1]]["mean_prediction_powered"]["value"] == pytest.approx(3)


def test_labels_of_edits_without_a_score_are_counted_and_left_out() -> None:
    report = calibrate([run([result(0), result(1), failure(2)])], [score(0, 1), score(1, 2), score(2, 3)], FILE)
    assert report["labels"]["without_score"] == 1
    assert report["overall"]["samples"] == 2


def test_choices_between_two_runs_are_compared_with_the_difference_of_their_scores() -> None:
    first = run([result(place, 5.0) for place in range(40)], "first")
    second = run([result(place, 5.0 + (place % 4 - 1)) for place in range(40)], "second")
    words = ["a", "tie", "b", "b"]  # as the scores are 1 less, equal, 1 and 2 more
    report = calibrate([first, second], [choice(place, words[place % 4]) for place in range(40)], FILE)
    overall = report["overall"]
    assert overall["accuracy"]["value"] == 1
    assert overall["preference_of_people"]["value"] == pytest.approx(0.625)
    assert overall["preference_of_judge"]["value"] == pytest.approx(0.625)
    assert overall["ties_of_people"] == 0.25
    swapped = calibrate([second, first], [choice(place, words[place % 4]) for place in range(40)], FILE)
    assert swapped["overall"]["accuracy"]["value"] == pytest.approx(0.25, abs=0.01)


def test_choices_and_runs_must_fit_together() -> None:
    one, other = run([result(0), result(1)]), run([result(0), result(1)], "other", scorer={"class": "another"})
    with pytest.raises(DataError, match="name both"):
        calibrate([one], [choice(0, "a")], FILE)
    with pytest.raises(DataError, match="scores of single edits"):
        calibrate([one, one], [score(0, 1)], FILE)
    with pytest.raises(ComparisonError, match="judge: class is") as refused:
        calibrate([one, other], [choice(0, "a"), choice(1, "b")], FILE)
    assert "--allow" not in str(refused.value)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([score(7, 1), score(8, 1)], "none of the 2 ids is in out .*labels of another benchmark"),
        ([score(0, 1), score(8, 1)], "1 of the 2 ids is not in out .'00008'"),
        ([score(0, 1)], "1 of 1 labelled samples has a score in out: at least two are needed"),
        ([score(2, 1)], "0 of 1 labelled samples"),
        ([replace(score(0, 1), edit_keys=("other",)), score(1, 1)], "had another edit than in out"),
    ],
)
def test_labels_that_do_not_belong_to_the_run_are_refused(labels: list[Label], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        calibrate([run([result(0), result(1), failure(2)])], labels, FILE)


def test_constant_labels_and_few_pictures_leave_figures_out_and_say_why() -> None:
    results = [result(place, float(place), source_sha256="the same") for place in range(5)]
    report = calibrate([run(results)], [score(place, 4) for place in range(5)], FILE)
    overall = report["overall"]
    assert overall["tau_b"]["value"] is overall["rho"]["value"] is overall["accuracy"]["value"] is None
    text = render_markdown(report)
    assert "all labels or all scores are equal" in text
    assert "at least four source pictures" in text
    assert "every scored edit has a label" in text
    assert "nan" not in text.lower()


def test_thirty_equal_labels_have_no_accuracy_and_no_interval_of_their_mean() -> None:
    results = [result(place, place / 4) for place in range(30)]
    report = calibrate([run(results)], [score(place, 5.3) for place in range(30)], FILE)
    for figures in (report["overall"], *report["categories"].values()):
        for name in ("accuracy", "tau_b", "rho"):
            assert (figures[name]["value"], figures[name]["ci95"]) == (None, None)
            assert "equal" in figures[name]["note"]
        assert figures["mean_of_labels"]["value"] == pytest.approx(5.3)
        assert figures["mean_of_labels"]["ci95"] is None
    text = render_markdown(report)
    assert "| all | 30 | – | – | – |" in text
    assert "| all | 5.30 | – |" in text
    assert "all values are equal: no interval" in text


def test_equal_labels_on_an_end_of_the_scale_keep_the_interval_of_answers_that_all_agree() -> None:
    results = [result(place, place / 4) for place in range(30)]
    mean = calibrate([run(results)], [score(place, 10) for place in range(30)], FILE)["overall"]["mean_of_labels"]
    assert mean["ci95"] == pytest.approx((10 * 30 / (30 + 1.959964**2), 10))


def test_choices_that_are_all_ties_have_no_accuracy_and_no_interval_of_the_preference() -> None:
    first = run([result(place, 5.0) for place in range(40)], "first")
    second = run([result(place, 5.0 + place % 4) for place in range(40)], "second")
    report = calibrate([first, second], [choice(place, "tie") for place in range(40)], FILE)
    assert report["overall"]["accuracy"]["value"] is None
    people = report["overall"]["preference_of_people"]
    assert (people["value"], people["ci95"]) == (0.5, None)
    assert "all values are equal: no interval" in render_markdown(report)


def test_a_corrected_mean_whose_parts_do_not_vary_has_no_interval() -> None:
    results = [result(place, 6.0) for place in range(60)]
    report = calibrate([run(results)], [score(place, 5) for place in range(30)], FILE)
    corrected = report["overall"]["mean_prediction_powered"]
    assert (corrected["value"], corrected["ci95"]) == (pytest.approx(5.0), None)
    assert "all values are equal: no interval" in corrected["note"]


def test_hostile_names_reach_the_reader_as_text() -> None:
    results = [replace(result(place), category=HOSTILE) for place in range(4)]
    text = render_markdown(calibrate([run(results)], [score(place, place) for place in range(4)], FILE))
    assert "<script>" not in text
    assert "\x1b" not in text


# The command.


@pytest.fixture
def run_dir(write_benchmark: Callable[..., Path], make_config: Callable[..., Any], tmp_path: Path) -> Path:
    evaluate(make_config(write_benchmark([item(index) for index in range(12)])))
    return tmp_path / "out"


def test_the_command_prints_and_writes_what_it_found(run_dir: Path, tmp_path: Path) -> None:
    frame = load_run(run_dir)
    rows = [f"{name},{value}" for name, value in zip(frame.sample_id, frame.score, strict=True)]
    labels = written(tmp_path, "\n".join(["id,score", *rows]))
    done = CliRunner().invoke(app, ["calibrate", str(run_dir), "--labels", str(labels)])
    assert done.exit_code == 0, done.output
    assert "12 labels of 12 samples by 1 rater" in done.output
    report = json.loads((run_dir / "results" / "calibration.json").read_text(encoding="utf-8"))
    assert report["overall"]["tau_b"]["value"] == pytest.approx(1)
    assert (run_dir / "results" / "calibration.md").read_text(encoding="utf-8").startswith("# Calibration to people")
    nowhere = ["--output-dir", str(labels / "results")]
    done = CliRunner().invoke(app, ["calibrate", str(run_dir), "--labels", str(labels), *nowhere])
    assert done.exit_code == 1
    assert "the calibration cannot be written to" in done.output


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "make labels with"),
        (["--scale", "5", "1"], "the lowest score comes first"),
        (["nowhere"], "holds no record"),
    ],
)
def test_the_command_says_what_is_missing(run_dir: Path, options: list[str], reason: str) -> None:
    done = CliRunner().invoke(app, ["calibrate", str(run_dir), *options])
    assert done.exit_code == 1
    assert reason in " ".join(done.output.split())
    assert "Traceback" not in done.output


@pytest.mark.parametrize("command", ["calibrate", "label"])
def test_a_run_is_not_compared_with_itself(run_dir: Path, command: str) -> None:
    done = CliRunner().invoke(app, [command, str(run_dir), f"{run_dir}/../{run_dir.name}"])
    assert done.exit_code == 1
    assert "named twice" in " ".join(done.output.split())


# The page of the docs.


def test_the_example_of_the_page_runs(run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another run in place of the miniature one: the Python as it stands, and every command's options."""
    page = (Path(__file__).resolve().parents[1] / "docs" / "calibration.md").read_text(encoding="utf-8")
    (example,) = re.findall("```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    for name in ("miniature", "oracle"):
        shutil.copytree(run_dir, tmp_path / "outputs" / name)
    exec(example.replace("sample(30", "sample(10"), {})
    commands = re.findall(r"^(?:\$ )?python main\.py ((?:calibrate|label) .*?)(?: +#.*)?$", page, re.MULTILINE)
    assert len(commands) == 6
    for command in commands:
        words = command.split()
        assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0
        assert {word for word in words if word.startswith("--")} <= {"--labels", "--scale"}
    done = CliRunner().invoke(app, commands[-1].split())
    assert done.exit_code == 0, done.output
