"""What a record of a hundred thousand samples needs, on a few: folders of pictures, work first, streamed reports."""

from __future__ import annotations

import json
import re
import sqlite3
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.benchmark_config import BenchmarkConfig
from src.config import Config
from src.data.json_stream import RawValue
from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample, PassedOver
from src.data.selection import Selection
from src.data.verdict import Status, Verdict
from src.errors import DataError
from src.pipeline import undone_first as undone
from src.pipeline.evaluation import evaluate
from src.pipeline.tally import Tally
from src.pipeline.undone_first import undone_first
from src.record import rows
from src.record.pictures import EditPictures
from src.record.record import Record
from src.record.results import SampleResult
from src.reporting.leaderboard import _runs
from src.reporting.page import gallery
from src.reporting.report import build_report, comparable
from src.reporting.sample_rows import recorded_report
from src.reporting.stored_runs import latest_run
from src.reporting.write import ReportPaths, write_reports
from tests.conftest import item
from tests.sample_results import info
from tests.sample_results import result as sample_result
from tests.test_resume import resumed

Write = Callable[..., Path]
Make = Callable[..., Config]


# Pictures in sub-folders.


def edits(out: Path) -> set[str]:
    """Where the pictures of the edits lie."""
    return {str(path.relative_to(out)) for path in (out / "edits").rglob("*.png")}


def made(report: dict[str, object]) -> tuple[int, int]:
    """Edits and verdicts that the last attempt made."""
    last = report["attempts"][-1]  # type: ignore[index]
    return last["edits_made"], last["verdicts_made"]


def place(key: str) -> str:
    return f"edits/{key[:2]}/{key}.png"


def as_before(out: Path) -> None:
    """Puts the pictures where versions before had them: side by side."""
    for path in (out / "edits").rglob("*.png"):
        path.rename(out / "edits" / path.name)


def test_the_place_of_a_picture_follows_from_its_key_alone(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    config = make_config(write_benchmark(8))
    report = evaluate(config).report
    paths = {row["edit_key"]: row["image_path"] for row in report["samples"]}
    assert paths == {key: place(key) for key in paths}
    assert edits(tmp_path / "out") == set(paths.values())
    assert made(evaluate(resumed(config)).report) == (0, 0)


def test_a_record_of_before_keeps_its_pictures_where_they_are_and_new_ones_go_to_sub_folders(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    config = make_config(write_benchmark(8))
    evaluate(config)
    as_before(tmp_path / "out")
    write_benchmark(9)
    after = evaluate(resumed(config)).report
    assert made(after) == (1, 1)
    assert [row["image_path"].count("/") for row in after["samples"]] == [1] * 8 + [2]
    assert edits(tmp_path / "out") == {row["image_path"] for row in after["samples"]}


@pytest.mark.parametrize("before", [True, False])
def test_a_picture_that_is_damaged_or_lost_is_made_again_and_is_there_once(
    write_benchmark: Write, make_config: Make, tmp_path: Path, before: bool
) -> None:
    config = make_config(write_benchmark(8))
    evaluate(config)
    if before:
        as_before(tmp_path / "out")
    damaged, lost = sorted((tmp_path / "out" / "edits").rglob("*.png"))[:2]
    damaged.write_bytes(b"cut short")
    lost.unlink()
    assert made(evaluate(resumed(config)).report) == (2, 0)
    assert len(edits(tmp_path / "out")) == 8
    assert place(lost.stem) in edits(tmp_path / "out")
    assert made(evaluate(resumed(config)).report) == (0, 0)


def test_a_dropped_picture_is_gone_wherever_it_was(tmp_path: Path) -> None:
    folder = EditPictures(tmp_path)
    keys = ["ab" + "0" * 62, "cd" + "0" * 62]
    (tmp_path / f"{keys[0]}.png").write_bytes(b"png")
    folder.store(keys[1], b"png")
    for key in keys:
        assert folder.find(key) is not None
        folder.drop(key)
        assert folder.find(key) is None
    assert not list(tmp_path.rglob("*.png"))


# Work first.


def ids(samples: Iterable[EditSample | BadSample | PassedOver]) -> list[str | None]:
    return [None if isinstance(sample, PassedOver) else sample.sample_id for sample in samples]


@pytest.mark.parametrize("kind", ["json", "jsonl", "parquet", "hub"])
def test_what_is_not_done_comes_first_and_everything_comes_once(
    write_benchmark: Write, tmp_path: Path, kind: str
) -> None:
    data = benchmark_of_kind(write_benchmark, tmp_path, kind, [item(index) for index in range(6)])
    whole = list(load_samples(data, Selection()))
    done = {sample.index: sample.sample_id for sample in whole if sample.index not in (2, 5)}
    tally = Tally()
    met = list(undone_first(BenchmarkConfig(data_path=data), done, tally))
    assert ids(met[:6]) == [None, None, whole[2].sample_id, None, None, whole[5].sample_id]
    assert ids(met[6:]) == [whole[place].sample_id for place in (0, 1, 3, 4)]
    assert sorted(read(met), key=lambda one: one.index) == whole


def read(met: Iterable[EditSample | BadSample | PassedOver]) -> list[EditSample | BadSample]:
    return [sample for sample in met if not isinstance(sample, PassedOver)]


def benchmark_of_kind(write_benchmark: Write, folder: Path, kind: str, items: list[Any]) -> str:
    if kind == "json":
        return str(write_benchmark(items))
    if kind == "jsonl":
        path = folder / "benchmark.jsonl"
        path.write_text("\n" + "\n\n".join(map(json.dumps, items)) + "\n", encoding="utf-8")
        return str(path)
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(items), folder / "benchmark.parquet", row_group_size=2)
        return str(folder / "benchmark.parquet")
    datasets.Dataset.from_list(items).save_to_disk(str(folder / "saved"))
    return str(folder / "saved")


def test_what_seems_done_is_not_parsed_in_the_first_reading(
    write_benchmark: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = benchmark_of_kind(write_benchmark, tmp_path, "jsonl", [item(index) for index in range(20)])
    done = {sample.index: sample.sample_id for sample in load_samples(data, Selection()) if sample.index != 19}
    parsed: list[bytes] = []
    monkeypatch.setattr(RawValue, "value", lambda raw: parsed.append(raw.text) or json.loads(raw.text))
    samples = undone_first(BenchmarkConfig(data_path=data), done, Tally())
    assert next(sample for sample in samples if not isinstance(sample, PassedOver)).index == 19
    assert len(parsed) == 1


def test_a_sample_whose_id_depends_on_one_that_is_done_comes_with_its_own_id(
    write_benchmark: Write, tmp_path: Path
) -> None:
    items = [item(index, original_image_path=f"{folder}/same.png") for index, folder in enumerate("abc")]
    data = str(write_benchmark([*items, item(3, original_image_path="a/same.png"), item(4)]))
    whole = list(load_samples(data, Selection()))
    assert [sample.sample_id for sample in whole[:3]] == ["same", "same-2", "same-3"]
    for done in ({0: "same"}, {0: "same", 1: "same-2"}, {1: "same-2"}, {4: whole[4].sample_id}):
        met = read(undone_first(BenchmarkConfig(data_path=data), done, Tally()))
        assert sorted(met, key=lambda one: one.index) == whole


def test_a_file_that_has_changed_since_gives_every_sample_of_today(write_benchmark: Write) -> None:
    data = str(write_benchmark([item(index) for index in (3, 0, 1, 2)]))
    whole = list(load_samples(data, Selection()))
    met = read(
        undone_first(BenchmarkConfig(data_path=data), {0: "of before", 1: whole[0].sample_id, 9: "gone"}, Tally())
    )
    assert {(sample.index, sample.sample_id) for sample in whole} <= {(one.index, one.sample_id) for one in met}


@pytest.mark.parametrize("limit", [1, 3, 6, 9])
def test_a_limited_run_takes_the_same_samples_in_either_order(write_benchmark: Write, limit: int) -> None:
    section = BenchmarkConfig(data_path=str(write_benchmark(8)), limit=limit, difficulties=["easy", "hard"])
    whole = list(load_samples(section.data_path, Selection.of(section)))
    tally = Tally()
    met = read(undone_first(section, {whole[0].index: whole[0].sample_id}, tally))
    assert sorted(met, key=lambda one: one.index) == whole
    left_out: Counter[str] = Counter()
    list(load_samples(section.data_path, Selection.of(section), left_out=left_out))
    assert tally.left_out == left_out


def test_a_file_that_breaks_off_gives_all_that_it_holds_and_then_the_error(write_benchmark: Write) -> None:
    path = write_benchmark(5)
    whole = list(load_samples(str(path), Selection()))
    path.write_bytes(path.read_bytes()[:-20])
    met: list[EditSample | BadSample | PassedOver] = []
    samples = undone_first(BenchmarkConfig(data_path=str(path)), {0: whole[0].sample_id}, Tally())
    with pytest.raises(DataError, match="breaks off"):
        met.extend(samples)
    assert ids(met) == [None, *(one.sample_id for one in whole[1:4]), whole[0].sample_id]


def test_what_was_left_out_before_the_first_reading_is_counted_once(write_benchmark: Write) -> None:
    """A run has looked for the first sample already, and counted what it passed over on the way."""
    section = BenchmarkConfig(data_path=str(write_benchmark(10)), categories=["环境"])
    left_out: Counter[str] = Counter()
    whole = list(load_samples(section.data_path, Selection.of(section), left_out=left_out))
    tally = Tally()
    tally.left_out.update({"物理": 1})
    list(undone_first(section, {whole[0].index: whole[0].sample_id}, tally))
    assert tally.left_out == left_out
    assert left_out["物理"] == 2


def test_a_sample_that_the_second_reading_calls_otherwise_comes_again(
    write_benchmark: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = str(write_benchmark(3))
    whole = list(load_samples(data, Selection()))
    as_before = [replace(whole[0], sample_id="of before"), *whole[1:]]
    monkeypatch.setattr(undone, "load_others", lambda *arguments: iter(as_before))
    met = read(undone_first(BenchmarkConfig(data_path=data), {}, Tally()))
    assert ids(met) == ["of before", *(sample.sample_id for sample in whole[1:]), whole[0].sample_id]


@pytest.mark.parametrize("schedule", ["overlapped", "two_stage"])
def test_a_resumed_run_edits_what_is_missing_before_it_compares_what_is_there(
    write_benchmark: Write, make_config: Make, tmp_path: Path, schedule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(write_benchmark(12), evaluation={"schedule": schedule})
    unbroken = evaluate(config).report
    with closing(sqlite3.connect(tmp_path / "out" / "record.sqlite")) as database:
        last = "(SELECT {} FROM samples ORDER BY position DESC LIMIT 2)"
        database.execute(f"DELETE FROM verdicts WHERE verdict_key IN {last.format('verdict_key')}")
        database.execute(f"DELETE FROM edits WHERE edit_key IN {last.format('edit_key')}")
        database.commit()
    compared: list[str] = []
    add_sample = Record.add_sample
    monkeypatch.setattr(
        Record,
        "add_sample",
        lambda self, key, sample, keys: compared.append(sample.sample_id) or add_sample(self, key, sample, keys),
    )
    resumed_report = evaluate(resumed(config)).report
    assert made(resumed_report) == (2, 2)
    order = [row["sample_id"] for row in unbroken["samples"]]
    assert compared[:12] == order[10:] + order[:10]
    assert comparable(resumed_report) == comparable(unbroken)


# Rows.


def test_what_is_read_of_a_record_is_of_one_moment_while_a_run_goes_on(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    config = make_config(write_benchmark(5))
    evaluate(config)
    with closing(Record(tmp_path / "out", for_reading=True)) as record, record.unchanging():
        key = record.latest_run().run_key
        before = list(record.results(key))
        with closing(sqlite3.connect(tmp_path / "out" / "record.sqlite")) as other:
            other.execute("UPDATE verdicts SET score = 0")
            other.execute("DELETE FROM samples WHERE position = 0")
            other.commit()
        assert list(record.results(key)) == before
        assert [record.result(key, row.sample_id) for row in before] == before
    with closing(Record(tmp_path / "out", for_reading=True)) as record:
        assert [row.score for row in record.results(key)] == [0.0] * 4
        assert record.result(key, before[0].sample_id) is None


def test_few_rows_are_read_before_the_first_result_is_used(write_benchmark: Write, make_config: Make) -> None:
    config = make_config(write_benchmark(200))
    evaluate(config, with_samples=False)
    texts = 0

    def counted(data: bytes) -> str:
        nonlocal texts
        texts += 1
        return data.decode()

    with closing(Record(config.evaluation.output_dir, for_reading=True)) as record:
        key = record.latest_run().run_key
        record._database.text_factory = counted
        results = record.results(key)
        next(results)
        first, _ = texts, list(results)
        assert 0 < first < texts / 2


# Reports.


def test_totals_do_not_depend_on_the_order_of_the_results() -> None:
    """Ten times 0.1 is 1; added up one after the other, it is 0.9999999999999999 in some orders."""
    rows = [sample_result(place, edit_seconds=0.1, judge_seconds=0.1, usage={"cost": 0.1}) for place in range(10)]
    report = build_report(info(), rows)
    assert report["usage"]["cost"]["total"] == 1.0
    assert [report["timings"][f"{stage}_seconds"]["total"] for stage in ("edit", "judge")] == [1.0, 1.0]


def written(config: Config, **changes: object) -> ReportPaths:
    """The reports of a finished run, written anew from its record alone."""
    with closing(Record(config.evaluation.output_dir, for_reading=True)) as record:
        report = recorded_report(record, config.evaluation.metrics) | changes
        return write_reports(report, config.evaluation.results, datetime(2026, 1, 2), config.evaluation.output_dir)


def without_times(text: str) -> str:
    return re.sub(r'"timestamp": "[^"]+"', "", text)


def test_a_report_that_is_streamed_is_the_report_of_the_results_in_memory(
    write_benchmark: Write, make_config: Make
) -> None:
    config = make_config(write_benchmark([item(0), item(1, subset=None), *map(item, range(2, 7))]))
    evaluate(config)
    with closing(Record(config.evaluation.output_dir, for_reading=True)) as record:
        whole = build_report(record.latest_run(), list(record.results(record.latest_run().run_key)))
    streamed = written(config)
    listed = write_reports(whole, config.evaluation.results, datetime(2026, 1, 3), config.evaluation.output_dir)
    assert without_times(streamed.json.read_text()) == without_times(listed.json.read_text())
    assert "has no category" in listed.markdown.read_text() or "bad_sample" in listed.markdown.read_text()
    assert streamed.markdown.read_text().partition("Summary")[2] == listed.markdown.read_text().partition("Summary")[2]


def test_a_report_holds_few_results_at_a_time(
    write_benchmark: Write, make_config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "IN_ONE_FILE", 100)
    config = make_config(write_benchmark(400))
    evaluate(config, with_samples=False)
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    most = 0

    class Text(str):
        __slots__ = ("__weakref__",)

    original = rows._read

    def watched(*arguments: Any) -> SampleResult:
        nonlocal most
        result = replace(original(*arguments), description=Text("a long text"))
        alive.add(result.description)
        most = max(most, len(alive))
        return result

    monkeypatch.setattr(rows, "_read", watched)
    written(config)
    assert 0 < most < 200


def test_a_run_that_is_asked_for_no_samples_returns_none_and_writes_them_all(
    write_benchmark: Write, make_config: Make
) -> None:
    done = evaluate(make_config(write_benchmark(3)), with_samples=False)
    assert done.report["samples"] == []
    assert done.report["overall_statistics"]["num_samples"] == 3
    assert len(json.loads(done.paths.json.read_text())["samples"]) == 3


@pytest.mark.parametrize("schedule", ["overlapped", "two_stage"])
def test_a_torn_last_line_is_looked_at_again_once_it_is_whole(make_config: Make, tmp_path: Path, schedule: str) -> None:
    lines = [json.dumps(item(index)) for index in range(5)]
    path = tmp_path / "benchmark.jsonl"
    path.write_text("\n".join(lines)[:-30], encoding="utf-8")
    config = make_config(path, evaluation={"schedule": schedule})
    assert evaluate(config).report["statuses"] == {"bad_sample": 1, "scored": 4}
    again = evaluate(resumed(config)).report
    assert again["statuses"] == {"bad_sample": 1, "scored": 4}
    assert made(again) == (0, 0)
    path.write_text("\n".join(lines), encoding="utf-8")
    whole = evaluate(resumed(config)).report
    assert whole["statuses"] == {"scored": 5}
    assert made(whole) == (1, 1)


def test_a_run_to_compare_is_in_memory_without_its_longest_texts_and_gives_them_when_asked(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    config = make_config(write_benchmark(3), reward_model={"class_path": "tests.plugins.BrightnessJudge"})
    evaluate(config)
    with closing(Record(tmp_path / "out")) as record:
        key = record.latest_run().run_key
        verdict = Verdict(Status.SCORED, 5.0, replies=("a long reply",), usage={"calls": 1.0})
        for verdict_key in record.verdict_keys(key).values():
            record.add_verdict(verdict_key, verdict)
        whole = list(record.results(key))
    run = latest_run(tmp_path / "out")
    assert [row.replies for row in run.results] == [()] * 3
    assert [run.whole(row.sample_id) for row in run.results] == whole
    assert whole[0].replies == ("a long reply",)
    (kept,) = _runs(tmp_path, [])
    assert [(row.score, row.replies, row.tags) for row in kept.results] == [(5.0, (), ())] * 3
