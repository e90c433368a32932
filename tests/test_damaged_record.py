"""A damaged record costs what is damaged: no traceback, no number of a failure, and the next run mends it."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from src.config import Config
from src.errors import EditLoopError
from src.pipeline.evaluation import evaluate, latest_report
from src.record.record import Record

SAMPLES = 4
DAMAGES = {
    "status": "'banana'",
    "dimensions": "'{\"a\": '",
    "replies": "'[['",
    "usage": "NULL",
    "score": "'ten'",
    "reason": "NULL, score = 11",
}


@pytest.fixture
def finished(write_benchmark: Callable[..., Path], make_config: Callable[..., Config]) -> Config:
    config = make_config(write_benchmark(SAMPLES))
    evaluate(config)
    return config


def spoil(config: Config, statement: str) -> None:
    with closing(sqlite3.connect(config.evaluation.output_dir / "record.sqlite")) as database:
        database.execute(statement)
        database.commit()


def reported(config: Config) -> dict[str, Any]:
    with closing(Record(config.evaluation.output_dir, for_reading=True)) as record:
        return latest_report(record, config)


def counts(report: dict[str, Any]) -> dict[str, int]:
    return dict(report["statuses"])


@pytest.mark.parametrize("column", DAMAGES)
def test_a_damaged_verdict_is_a_failure_of_its_sample_until_it_is_judged_anew(finished: Config, column: str) -> None:
    first = "(SELECT verdict_key FROM verdicts LIMIT 1)"
    spoil(finished, f"UPDATE verdicts SET {column} = {DAMAGES[column]} WHERE verdict_key = {first}")
    report = reported(finished)
    assert counts(report) == {"scored": SAMPLES - 1, "judge_failed": 1}
    (failure,) = report["failures"]
    assert "damaged" in failure["reason"]
    settings = finished.evaluation.model_copy(update={"resume_from_checkpoint": True})
    mended = evaluate(finished.model_copy(update={"evaluation": settings})).report
    assert counts(mended) == {"scored": SAMPLES}
    assert mended["timings"]["verdicts_made"] >= 1


@pytest.mark.parametrize("change", ["tags = '['", "position = 'first'", "instruction = NULL", "tags = '{\"a\": 1}'"])
def test_a_damaged_sample_is_a_failure(finished: Config, change: str) -> None:
    spoil(finished, f"UPDATE samples SET {change} WHERE sample_id = (SELECT MIN(sample_id) FROM samples)")
    assert counts(reported(finished)) == {"scored": SAMPLES - 1, "judge_failed": 1}


@pytest.mark.parametrize("change", ["config = '{'", "editor = NULL", "left_out = '[]'", "environment = '{\"a\": NaN}'"])
def test_a_damaged_run_is_an_error_that_says_what_to_do(finished: Config, change: str) -> None:
    spoil(finished, f"UPDATE runs SET {change}")
    with pytest.raises(EditLoopError, match=r"record\.sqlite.*damaged.*without --resume"):
        reported(finished)


def test_a_truncated_or_garbled_file_gives_a_report_or_an_error_and_no_traceback(
    finished: Config, tmp_path: Path
) -> None:
    whole = finished.evaluation.output_dir
    dice = random.Random(0)
    for number in range(40):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(whole, copy)
        path = copy / "record.sqlite"
        data = bytearray(path.read_bytes())
        if number % 4 == 0:
            del data[dice.randrange(len(data)) :]
        for _ in range(dice.choice([1, 20, 400])):
            if data:
                data[dice.randrange(len(data))] = dice.randrange(256)
        path.write_bytes(data)
        config = finished.moved_to(copy)
        with suppress(EditLoopError):
            assert sum(counts(reported(config)).values()) <= SAMPLES
