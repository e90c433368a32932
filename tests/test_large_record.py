"""What a record of a hundred thousand samples needs, on a few: folders of pictures, work first, streamed reports."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from src.config import Config
from src.pipeline.evaluation import evaluate
from src.record import pictures
from src.record.pictures import EditPictures
from src.record.record import Record
from tests.test_resume import resumed

Write = Callable[..., Path]
Make = Callable[..., Config]


# Pictures in sub-folders.


def edits(out: Path) -> dict[str, int]:
    """How many pictures lie in the folder of edits itself, and how many below it."""
    found = [path.relative_to(out / "edits") for path in (out / "edits").rglob("*.png")]
    return {"beside": sum(len(path.parts) == 1 for path in found), "below": sum(len(path.parts) == 2 for path in found)}


def made(report: dict[str, object]) -> tuple[int, int]:
    """Edits and verdicts that the last attempt made."""
    last = report["attempts"][-1]  # type: ignore[index]
    return last["edits_made"], last["verdicts_made"]


def test_pictures_beyond_a_few_thousand_lie_in_sub_folders_and_are_found_there(
    write_benchmark: Write, make_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MOST_IN_ONE_FOLDER", 3)
    config = make_config(write_benchmark(8))
    report = evaluate(config).report
    out = tmp_path / "out"
    assert edits(out) == {"beside": 3, "below": 5}
    paths = {row["image_path"]: row["edit_key"] for row in report["samples"]}
    for path, key in paths.items():
        assert (out / path).stem == key
        assert path in {f"edits/{key}.png", f"edits/{key[:2]}/{key}.png"}
    assert sum(path.count("/") == 2 for path in paths) == 5
    assert made(evaluate(resumed(config)).report) == (0, 0)


def test_a_record_of_before_keeps_its_pictures_where_they_are(
    write_benchmark: Write, make_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(write_benchmark(8))
    before = evaluate(config).report
    monkeypatch.setattr(pictures, "MOST_IN_ONE_FOLDER", 3)
    after = evaluate(resumed(config)).report
    assert made(after) == (0, 0)
    assert edits(tmp_path / "out") == {"beside": 8, "below": 0}
    assert [row["image_path"] for row in after["samples"]] == [row["image_path"] for row in before["samples"]]


def test_a_lost_picture_of_a_full_folder_is_made_again_below_it(
    write_benchmark: Write, make_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(write_benchmark(8))
    evaluate(config)
    next((tmp_path / "out" / "edits").glob("*.png")).unlink()
    monkeypatch.setattr(pictures, "MOST_IN_ONE_FOLDER", 3)
    assert made(evaluate(resumed(config)).report) == (1, 0)
    assert edits(tmp_path / "out") == {"beside": 7, "below": 1}
    assert made(evaluate(resumed(config)).report) == (0, 0)


def test_a_dropped_picture_makes_room_for_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_IN_ONE_FOLDER", 2)
    folder = EditPictures(tmp_path)
    for number in range(10):
        folder.store(f"{number:064d}", b"png")
        assert folder.find(f"{number:064d}") == tmp_path / f"{number:064d}.png"
        folder.drop(f"{number:064d}")
        assert folder.find(f"{number:064d}") is None


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
