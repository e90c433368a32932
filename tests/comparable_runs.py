"""Runs for tests of comparisons: in memory, or written to disk as a run writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from src.data.image import LazyImage
from src.data.sample import BadSample, EditSample
from src.data.verdict import Status, Verdict, failed
from src.record.record import Record, SampleKeys
from src.record.results import RunInfo, SampleResult
from src.reporting.stored_runs import StoredRun
from tests.conftest import png
from tests.sample_results import failure, info, result

Scores = Sequence[float | None]


def run(name: str, scores: Scores, **changes: Any) -> StoredRun:
    """A finished run of samples of the five categories, each of a picture of its own; None is a failed edit."""
    rows = [failure(place) if score is None else result(place, score) for place, score in enumerate(scores)]
    return StoredRun(name, Path(name), info(**changes), tuple(rows))


def changed(found: StoredRun, place: int, **changes: Any) -> StoredRun:
    """The run with another row at a place."""
    rows: list[SampleResult] = list(found.results)
    rows[place] = replace(rows[place], **changes)
    return replace(found, results=tuple(rows))


def judged_by(scorer: Mapping[str, Any]) -> RunInfo:
    return info(scorer={**info().scorer, **scorer})


def store(
    folder: Path,
    scores: Scores,
    *,
    outcome: str = "finished",
    bad: int = 0,
    reference: LazyImage | None = None,
    **changes: Any,
) -> Path:
    """Writes a run as `evaluate` does; `changes` are of its `RunInfo`."""
    folder.mkdir(parents=True)
    about = info(**changes)
    with closing(Record(folder)) as record:
        record.begin_attempt(about)
        for place, score in enumerate(scores):
            row = result(place, score)
            edit = f"{folder.name}{place}"
            keys = SampleKeys(0, row.source_sha256 or "", edit, f"verdict {edit}")
            record.add_sample(about.run_key, replace(_sample(row), reference=reference), keys)
            if score is None:
                record.add_failed_edit(edit, "boom", 0.1)
                continue
            record.add_edit(edit, png((place % 256, 0, 0)), 0.1)
            record.add_verdict(keys.verdict_key, Verdict(Status.SCORED, score))
        for place in range(len(scores), len(scores) + bad):
            record.add_bad_sample(about.run_key, BadSample(f"{place:05d}", place, None, "no picture"))
        if outcome != "running":
            record.end_attempt(outcome, 1.0, 0, 0)
    return folder


def store_unreadable(folder: Path, reason: str) -> Path:
    """A run whose judge never gave a score."""
    store(folder, [5.0])
    with closing(Record(folder)) as record:
        record.add_verdict(f"verdict {folder.name}0", failed(Status.JUDGE_FAILED, reason))
    return folder


def _sample(row: SampleResult) -> EditSample:
    return EditSample(
        sample_id=row.sample_id,
        index=row.index,
        category=row.category or "",
        instruction=row.instruction,
        description=row.description,
        source=LazyImage.from_bytes(png()),
        difficulty=row.difficulty,
        tags=row.tags,
    )
