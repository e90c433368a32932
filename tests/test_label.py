"""The labelling page as a rater's browser meets it: over HTTP on loopback, with real files."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image
from typer.testing import CliRunner

from main import app
from src.errors import ComparisonError, ConfigError, DataError, OutputError
from src.pipeline.evaluation import evaluate
from src.record.results import RunInfo, SampleResult
from src.reporting.calibration.calibrate import calibrate
from src.reporting.calibration.labels import read_labels
from src.reporting.stored_runs import StoredRun
from src.serving.label.label_file import LabelFile
from src.serving.label.tasks import label_tasks
from tests.conftest import item
from tests.label_pages import EVIL, SAMPLES, Page, labelling, two_runs
from tests.sample_results import result

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[StoredRun]:
    return two_runs(tmp_path_factory.mktemp("runs"))


def stored(name: str, info: RunInfo, results: list[SampleResult]) -> StoredRun:
    return StoredRun(name, Path(name), info, tuple(results))


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


# Answers.


def test_scores_are_stored_at_once_each_with_its_edit_and_rater(runs: list[StoredRun], tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    with labelling(runs[:1], file) as page:
        state = page.task()
        assert (state["done"], state["total"], state["pairs"]) == (0, SAMPLES, False)
        seen = []
        for score in range(SAMPLES):
            seen.append(state["task"]["sample"])
            state = page.answer(score).json()
            assert len(lines(file)) == score + 1 == state["done"]
        assert state["task"] is None
    assert sorted(seen) == sorted(row.sample_id for row in runs[0].results)
    edits = {row.sample_id: row.edit_key for row in runs[0].results}
    assert [(line["sample_id"], line["score"]) for line in lines(file)] == list(zip(seen, range(SAMPLES), strict=True))
    assert all(line["edit_keys"] == [edits[line["sample_id"]]] and line["rater"] == "ann" for line in lines(file))
    assert calibrate(runs[:1], read_labels(file), file)["overall"]["samples"] == SAMPLES


def test_an_answer_is_on_the_disk_before_the_page_hears_of_it(
    runs: list[StoredRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    flush = os.fsync

    def remember(file: int) -> None:
        flush(file)
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fsync", remember)
    file = tmp_path / "labels.jsonl"
    with labelling(runs[:1], file) as page:
        page.task()
        for score in range(2):
            page.answer(score)
            assert synced[-1] == file.stat().st_size


def test_a_choice_names_the_run_whose_edit_was_on_that_side(runs: list[StoredRun], tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    pictures = [{row.sample_id: run.folder / (row.image_path or "") for row in run.results} for run in runs]
    with labelling(runs, file) as page:
        while (task := page.task()["task"]) is not None:
            left = Image.open(io.BytesIO(page.picture(task["sample"], "left").content)).tobytes()
            shown = ["a" if left == Image.open(edits[task["sample"]]).tobytes() else "b" for edits in pictures]
            assert shown in (["a", "b"], ["b", "a"]) or shown == ["a", "a"]
            page.answer("left" if left == Image.open(pictures[0][task["sample"]]).tobytes() else "right")
    assert {line["winner"] for line in lines(file)} == {"a"}
    assert set(Counter(line["left"] for line in lines(file))) == {"a", "b"}
    assert all(len(line["edit_keys"]) == 2 for line in lines(file))
    report = calibrate(runs, read_labels(file), file)
    assert report["overall"]["preference_of_people"]["value"] == 0


def test_ties_and_both_bad_are_kept_apart(runs: list[StoredRun], tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    with labelling(runs, file) as page:
        page.answer("tie")
        page.answer("both_bad")
    assert [label.winner for label in read_labels(file)] == ["tie", "both_bad"]


def test_undo_takes_back_also_what_was_answered_before_the_command_was_started(
    runs: list[StoredRun], tmp_path: Path
) -> None:
    file = tmp_path / "labels.jsonl"
    with labelling(runs[:1], file) as page:
        first = page.task()["task"]["sample"]
        page.answer(1)
        page.answer(2)
    with labelling(runs[:1], file) as page:
        assert page.task()["done"] == 2
        page.client.post("/undo", json={})
        state = page.client.post("/undo", json={}).json()
        assert (state["done"], state["undo"], state["task"]["sample"]) == (0, False, first)
        assert page.client.post("/undo", json={}).status_code == 409
        page.answer(9)
    assert [(label.sample_id, label.score) for label in read_labels(file)] == [(first, 9)]


@pytest.mark.parametrize("answer", [-1, 11, 5.5, "7", True, None, "left", [1]])
def test_what_is_no_score_is_refused_and_stores_nothing(runs: list[StoredRun], tmp_path: Path, answer: Any) -> None:
    file = tmp_path / "labels.jsonl"
    with labelling(runs[:1], file) as page:
        assert page.answer(answer).status_code in (400, 422)
        assert file.read_bytes() == b""


def test_an_answer_to_another_sample_than_the_one_that_is_shown_is_refused(
    runs: list[StoredRun], tmp_path: Path
) -> None:
    """A double click or a second page answers a question that was answered already."""
    with labelling(runs[:1], tmp_path / "labels.jsonl") as page:
        sample = page.task()["task"]["sample"]
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda score: page.answer(score, sample).status_code, range(8)))
        assert sorted(found) == [200] + [409] * 7
        assert len(lines(tmp_path / "labels.jsonl")) == 1


# Order and blindness.


def test_the_order_is_random_seeded_and_the_same_for_all_raters_and_sides_are_not(runs: list[StoredRun]) -> None:
    many = [stored(name, runs[0].info, [result(index) for index in range(300)]) for name in "ab"]
    ann, again, bob, other = (
        label_tasks(many, rater, seed, None) for rater, seed in (("ann", 0), ("ann", 0), ("bob", 0), ("ann", 1))
    )
    assert ann == again
    order = [task.sample_id for task in ann]
    assert order == [task.sample_id for task in bob] != [task.sample_id for task in other]
    assert order != sorted(order)
    assert 110 < sum(task.left == "a" for task in ann) < 190
    assert 110 < sum(one.left == two.left for one, two in zip(ann, bob, strict=True)) < 190
    assert [task.sample_id for task in label_tasks(many, "ann", 0, 20)] == order[:20]


def test_nothing_that_the_page_gets_names_an_editor_a_judge_or_a_score(runs: list[StoredRun], tmp_path: Path) -> None:
    with labelling(runs, tmp_path / "labels.jsonl") as page:
        state = page.task()
        assert set(state["task"]) == {"sample", "instruction", "pictures"}
        assert state["task"]["pictures"] == ["left", "right", "source"]
        texts = [page.client.get("/").text, json.dumps(state)]
        secret = [
            "InvertEditor",
            "SeedEditor",
            "BrightnessJudge",
            str(runs[0].folder),
            *(run.info.run_key for run in runs),
        ]
        secret += [str(getattr(row, name)) for row in runs[0].results for name in ("edit_key", "score")]
        assert not any(word in text for text in texts for word in secret)
        png = page.picture(state["task"]["sample"], "left")
        assert png.headers["content-type"] == "image/png"
        assert not Image.open(io.BytesIO(png.content)).info


# Safety.


def test_pictures_are_found_by_sample_alone(runs: list[StoredRun], tmp_path: Path) -> None:
    with labelling(runs[:1], tmp_path / "labels.jsonl") as page:
        sample = page.task()["task"]["sample"]
        source = page.picture(sample, "source")
        assert Image.open(io.BytesIO(source.content)).size == (16, 16)
        for name in ("../../etc/passwd", "/etc/passwd", f"{sample}/../x", "", "\0", f"{sample}.png"):
            assert page.picture(name, "edit").status_code == 404
        for which in ("../source", "left", "", "record.sqlite"):
            assert page.picture(sample, which).status_code == 404
        for path in (
            "/record.sqlite",
            "/../record.sqlite",
            "/%2e%2e/record.sqlite",
            "/docs",
            "/openapi.json",
            "/redoc",
        ):
            assert page.client.get(path).status_code == 404


def test_only_the_holder_of_the_address_is_answered(runs: list[StoredRun], tmp_path: Path) -> None:
    with labelling(runs[:1], tmp_path / "labels.jsonl") as page:
        with httpx2.Client(base_url=page.url, trust_env=False) as stranger:
            assert stranger.get("/").status_code == 200
            paths = ("/task", "/picture?sample=00000_物理_easy&which=edit")
            assert [stranger.get(path).status_code for path in paths] == [401, 401]
            posts = [stranger.post(path, json={"sample": "x", "answer": 1}) for path in ("/answer", "/undo")]
            assert [post.status_code for post in posts] == [401, 401]
            assert stranger.get("/", headers={"host": "evil.example"}).status_code == 403
        assert page.client.get("/task", headers={"host": "evil.example"}).status_code == 403
        assert page.client.get("/task", headers={"origin": "http://evil.example"}).status_code == 403
        assert (
            page.client.post("/answer", content=b"x" * 5000, headers={"content-type": "application/json"}).status_code
            == 413
        )
        assert page.client.post("/answer", content=b"{}").status_code == 415


def test_the_page_runs_its_own_script_alone_and_holds_no_text_of_the_data(
    runs: list[StoredRun], tmp_path: Path
) -> None:
    with labelling(runs[:1], tmp_path / "labels.jsonl") as page:
        answer, again = page.client.get("/"), page.client.get("/")
        assert page.task()["task"]["instruction"].startswith(EVIL)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'nonce-")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert policy != again.headers["content-security-policy"]
    nonce = re.search("nonce-([^']+)", policy)
    assert nonce is not None
    tags = re.findall("<(?:script|style)[^>]*>", answer.text)
    assert len(tags) == 3
    assert all(f'nonce="{nonce[1]}"' in tag for tag in tags)
    assert EVIL not in answer.text
    assert "innerHTML" not in answer.text
    assert not re.search(r"\son\w+=", answer.text)
    assert "哪个编辑结果更好" in json.dumps(
        json.loads(re.findall(r'id="words"[^>]*>(.*?)</script>', answer.text)[0]), ensure_ascii=False
    )


# Files.


def test_two_raters_at_once_lose_no_line(runs: list[StoredRun], tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    with ExitStack() as stack:
        pages = [stack.enter_context(labelling(runs[:1], file, rater)) for rater in ("ann", "bob", "柯")]

        def work(page: Page) -> None:
            for score in range(SAMPLES):
                assert page.answer(score).status_code == 200

        with ThreadPoolExecutor(3) as threads:
            list(threads.map(work, pages))
    counts = Counter(label.rater for label in read_labels(file))
    assert counts == {"ann": SAMPLES, "bob": SAMPLES, "柯": SAMPLES}


def test_one_rater_labels_into_a_file_once_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    with LabelFile(path, "ann"):
        with pytest.raises(OutputError, match="rater 'ann' is labelling into"), LabelFile(path, "ann"):
            pass
        with LabelFile(path, "bob"):
            pass
    with LabelFile(path, "ann"):
        pass


def test_half_a_line_is_removed_and_a_whole_one_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    whole = b'{"sample_id": "a", "score": 1, "rater": "ann"}'
    for end in (b'\n{"sample_id": "b", "sc', b"\n{", b""):
        path.write_bytes(whole + end)
        with LabelFile(path, "ann") as file:
            file.add("c", {"score": 3}, ["key"])
            assert [label.sample_id for label in file.labels()] == ["a", "c"]


def test_a_killed_command_has_stored_every_answer_and_goes_on_after_it(runs: list[StoredRun], tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    command = [sys.executable, "-u", "main.py", "label", str(runs[0].folder), "--labels", str(file), "--port", "0"]
    for done in (0, 2):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            assert process.stdout is not None
            address = next(line.strip() for line in process.stdout if line.startswith("http://127.0.0.1:"))
            page = Page(address)
            assert page.task()["done"] == done
            assert page.answer(3).status_code == page.answer(4).status_code == 200
        finally:
            process.send_signal(signal.SIGKILL if done == 0 else signal.SIGINT)
            output, _ = process.communicate(timeout=20)
    assert process.returncode == 130, output
    assert "every answer is stored" in output
    assert len(read_labels(file)) == 4


def test_a_rater_goes_on_with_labels_of_the_same_runs_alone(runs: list[StoredRun], tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    with labelling(runs[:1], file) as page:
        page.answer(1)
    with pytest.raises(ConfigError, match="holds scores of single edits"), labelling(runs, file):
        pass
    with pytest.raises(DataError, match="had another edit"), labelling(runs[1:], file):
        pass


# What cannot be labelled.


def test_runs_without_pictures_are_refused(runs: list[StoredRun]) -> None:
    gone = stored("out", runs[0].info, [result(0, image_path=None)])
    with pytest.raises(DataError, match="1 sample has a score, but no picture any more"):
        label_tasks([gone], "ann", 0, None)
    with pytest.raises(ComparisonError, match="holds no sample yet"):
        label_tasks([stored("out", runs[0].info, [])], "ann", 0, None)


def test_edits_of_different_tasks_are_not_compared(runs: list[StoredRun]) -> None:
    one = stored("out", runs[0].info, [result(0)])
    other = stored("other", runs[0].info, [result(0, instruction="something else")])
    with pytest.raises(ComparisonError, match="1 sample has another instruction in other than in out"):
        label_tasks([one, other], "ann", 0, None)


def test_a_benchmark_that_has_changed_is_a_sentence(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Any], tmp_path: Path
) -> None:
    path = write_benchmark(3)
    evaluate(make_config(path))
    write_benchmark([item(0), item(1), item(5, original_image_path=item(2)["original_image_path"])])
    arguments = ["label", str(tmp_path / "out"), "--port", "0"]
    done = CliRunner().invoke(app, arguments)
    assert "no longer has the source pictures or prompts of 1 sample of" in " ".join(done.output.split())
    path.unlink()
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "the source pictures are read from the benchmark of the run, but" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--labels", "x.csv"], "must end in .jsonl"),
        (["--rater", " "], "is no name"),
        (["--rater", "a\nb"], "is no name"),
        (["--labels", "/dev/null/labels.jsonl"], "cannot be written"),
    ],
)
def test_options_that_cannot_be_are_a_sentence(runs: list[StoredRun], options: list[str], reason: str) -> None:
    done = CliRunner().invoke(app, ["label", str(runs[0].folder), "--port", "0", *options])
    assert done.exit_code == 1
    assert reason in " ".join(done.output.split())
