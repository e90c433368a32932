"""Finished and unfinished runs as they are found on disk: what comparisons and leaderboards are made of."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from src.counted import counted
from src.data.verdict import Status
from src.errors import ComparisonError, OutputError
from src.record.record import RECORD_NAME, Record
from src.record.results import RunInfo, SampleResult
from src.reporting.wording import class_name, incomplete, one_line
from src.shard import Shard

logger = logging.getLogger(__name__)

_SET_ASIDE = "previous"
"""The folder of an output directory that keeps the records of earlier runs."""


@dataclass(frozen=True)
class StoredRun:
    """One run of a record, with all its samples."""

    name: str
    """What tables call it: no two runs of a table share it."""
    folder: Path
    info: RunInfo
    results: tuple[SampleResult, ...]
    """All samples; where `read_whole` is there, without their longest texts."""
    read_whole: Callable[[str], SampleResult] | None = None
    """Reads one of the samples again, with all that is known of it."""

    def whole(self, sample_id: str) -> SampleResult:
        """A sample of the run with its prompts, replies, repeats and usage."""
        return self.read_whole(sample_id) if self.read_whole is not None else self.by_id[sample_id]

    @cached_property
    def by_id(self) -> dict[str, SampleResult]:
        """The samples by id."""
        return {row.sample_id: row for row in self.results}

    @property
    def scores(self) -> list[float | None]:
        """The score of each sample; None for failures. The scorer has averaged repeated judgements."""
        return [score_of(row) for row in self.results]

    @property
    def interrupted(self) -> bool:
        """Whether the run ended before all its samples were read and judged."""
        outcome = self.info.attempts[-1].outcome if self.info.attempts else None
        return incomplete(outcome, sum(row.status is None for row in self.results)) is not None

    @property
    def shard(self) -> Shard | None:
        """Which part of a run it is; None where it is a whole one."""
        return Shard.of_run_key(self.info.run_key)[1]

    @property
    def is_audit(self) -> bool:
        """Whether it probed a scorer instead of asking an editor."""
        return "targets" in self.info.editor


def score_of(row: SampleResult | None) -> float | None:
    """The score of a sample, or None where there is none for whatever reason."""
    return row.score if row is not None and row.status is Status.SCORED else None


def find_records(folder: Path) -> list[Path]:
    """Every output directory of a run at or below a folder, in the order of their names.

    Runs that a later one has set aside (`previous`) are left out.

    Raises:
        OutputError: the folder is not there.
    """
    if not folder.is_dir():
        raise OutputError(f"{folder} is not a folder; name the output directory of a run, or a folder of several")
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != _SET_ASIDE)
        if RECORD_NAME in files:
            found.append(Path(place))
    return found


def latest_run(folder: Path) -> StoredRun:
    """The run of an output directory that was started or resumed last, without the longest texts of its samples.

    Raises:
        OutputError: there is none, or its record cannot be read.
    """
    with closing(Record(folder, for_reading=True)) as record:
        return _stored_run(folder, record, record.latest_run())


def all_runs(folder: Path) -> Iterator[StoredRun]:
    """Every run of an output directory, the last one first; only one at a time is in memory.

    Raises:
        OutputError: the record cannot be read.
    """
    with closing(Record(folder, for_reading=True)) as record:
        for info in record.runs():
            yield _stored_run(folder, record, info)


def _stored_run(folder: Path, record: Record, info: RunInfo) -> StoredRun:
    results = tuple(map(_slim, record.results(info.run_key)))
    return StoredRun(str(folder), folder, info, results, _WholeSamples(folder, info.run_key))


def _slim(row: SampleResult) -> SampleResult:
    """The row without its longest texts, which would be most of what is in memory of a large run."""
    return replace(row, replies=(), repeats=None, prompts=(), usage={})


class _WholeSamples:
    """Reads samples of a run, from the first call on over one connection, which ends with this object."""

    def __init__(self, folder: Path, run_key: str) -> None:
        self._folder = folder
        self._run_key = run_key

    @cached_property
    def _record(self) -> Record:
        return Record(self._folder, for_reading=True)

    def __call__(self, sample_id: str) -> SampleResult:
        found = self._record.result(self._run_key, sample_id)
        if found is None:
            raise OutputError(f"{self._folder} no longer holds the sample {sample_id}; run the command again")
        return found


def runs_to_compare(folders: Sequence[Path]) -> list[StoredRun]:
    """The latest run of each folder; of a single folder, those of all output directories below it.

    Raises:
        ComparisonError: there are fewer than two, or one is named twice.
        OutputError: a record cannot be read.
    """
    places = list(folders)
    if len(places) == 1 and not (places[0] / RECORD_NAME).is_file():
        places = find_records(places[0])
        runs = [run for run in map(latest_run, places) if not run.is_audit]
        below = f"{folders[0]} holds {counted(len(runs), 'run')}"
    else:
        resolved = [place.resolve() for place in places]
        if twice := next((place for place in places if resolved.count(place.resolve()) > 1), None):
            raise ComparisonError(f"{twice} is named twice; a run cannot be compared with itself")
        runs = [latest_run(place) for place in places]
        below = f"{len(runs)} run is named"
    if len(runs) < 2:
        raise ComparisonError(f"{below}; name at least two output directories, or a folder that holds several")
    names = short_names([run.folder for run in runs])
    return [replace(run, name=name) for run, name in zip(runs, names, strict=True)]


def short_names(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell all folders apart."""
    parts = [folder.resolve().parts for folder in folders]
    for length in range(1, max(map(len, parts), default=1) + 1):
        names = ["/".join(path[-length:]) for path in parts]
        if len(set(names)) == len(names):
            break
    return names if parts else []


def describe_editor(info: RunInfo) -> str:
    """The editor's class and, where it has one, its model: `QwenImageEditModel (assets/miniature/editor)`."""
    model = (info.editor.get("params") or {}).get("model_name")
    name = class_name(info.editor)
    return f"{name} ({one_line(model)})" if model else name
