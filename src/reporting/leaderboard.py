"""All runs below a folder as plain data: one board for each benchmark and judge, since nothing else can be ranked."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from src.counted import counted, some
from src.errors import ComparisonError, OutputError
from src.record.results import SampleResult
from src.reporting.comparability import judgement_identity, same_expectation, same_sample, samples_identity
from src.reporting.comparison import overall_difference, scores_by_category, statuses_of, summary_of
from src.reporting.multiplicity import SIGNIFICANT, group_letters, holm
from src.reporting.report import NO_NAME
from src.reporting.stored_runs import StoredRun, all_runs, describe_editor, find_records, short_names
from src.shard import Shard

SCHEMA_VERSION = 1


@dataclass
class _Board:
    """Runs of the same samples by the same judge."""

    samples: str
    judgement: dict[str, Any]
    runs: list[StoredRun] = field(default_factory=list)

    def has_room_for(self, run: StoredRun, judgement: dict[str, Any]) -> bool:
        """Whether an unfinished run has only samples of this board, by the same judge."""
        known = self.runs[0].by_id
        return judgement == self.judgement and all(
            row.sample_id in known
            and same_sample(row, known[row.sample_id])
            and same_expectation(row, known[row.sample_id])
            for row in run.results
        )


def build_leaderboard(folder: Path) -> dict[str, Any]:
    """Every run of every record at or below a folder, the best first within its board.

    Raises:
        ComparisonError: no run has a score.
        OutputError: the folder is not there.
    """
    skipped: list[dict[str, str]] = []
    runs = list(_runs(folder, skipped))
    if not runs:
        told = "".join(f"\n  {entry['folder']}: {entry['reason']}" for entry in skipped)
        raise ComparisonError(f"no run at or below {folder} has a scored sample{told}")
    boards = _boards(_named(runs))
    boards.sort(key=lambda board: -len(board.runs))
    return {
        "schema_version": SCHEMA_VERSION,
        "timestamp": datetime.now().astimezone().isoformat(timespec="seconds"),
        "folder": str(folder),
        "boards": [_board(board) for board in boards],
        "skipped": skipped,
    }


def _runs(folder: Path, skipped: list[dict[str, str]]) -> Iterator[StoredRun]:
    """The whole runs that have a score; notes the others and why they are not shown."""
    whole: set[str] = set()
    shards: dict[str, list[StoredRun]] = {}
    for place in find_records(folder):
        try:
            found = [replace(run, results=tuple(map(_slim, run.results)), read_whole=None) for run in all_runs(place)]
        except OutputError as error:
            skipped.append({"folder": str(place), "reason": str(error)})
            continue
        for run in found:
            if run.is_audit:
                continue
            if run.shard is not None:
                shards.setdefault(Shard.of_run_key(run.info.run_key)[0], []).append(replace(run, results=()))
                continue
            whole.add(run.info.run_key)
            if any(score is not None for score in run.scores):
                yield run
            else:
                skipped.append({"folder": str(place), "reason": f"run {run.info.run_key:.8} has no scored sample"})
    skipped.extend(_unmerged(parts) for key, parts in shards.items() if key not in whole)


def _unmerged(parts: Sequence[StoredRun]) -> dict[str, str]:
    """Says of shards whose whole run is not there why they are not shown."""
    ordered = sorted(parts, key=lambda run: run.shard.number if run.shard else 0)
    reason = (
        f"{counted(len(parts), 'shard')} of a run ({some(str(run.shard) for run in ordered)}): only whole runs are "
        "ranked; join the shards by `python main.py merge RUN… --output DIR`"
    )
    return {"folder": str(ordered[0].folder), "reason": reason}


def _slim(row: SampleResult) -> SampleResult:
    """The row without what no table shows: a folder may hold hundreds of runs."""
    nothing = dict.fromkeys(("edit_key", "image_path", "source_size", "edit_size", "edit_seconds", "judge_seconds"))
    return replace(row, dimensions={}, tags=(), **nothing)  # type: ignore[arg-type]


def _named(runs: Sequence[StoredRun]) -> list[StoredRun]:
    """The runs under the shortest names of their folders; those of one folder are told apart by their keys."""
    folders = list(dict.fromkeys(run.folder for run in runs))
    names = dict(zip(folders, short_names(folders), strict=True))
    several = {folder for folder, count in Counter(run.folder for run in runs).items() if count > 1}
    return [
        replace(run, name=names[run.folder] + (f" ({run.info.run_key:.8})" if run.folder in several else ""))
        for run in runs
    ]


def _boards(runs: Sequence[StoredRun]) -> list[_Board]:
    boards: dict[str, _Board] = {}
    for run in sorted(runs, key=lambda run: run.interrupted):
        judgement = judgement_identity(run.info, run.results)
        if run.interrupted and (
            board := next((one for one in boards.values() if one.has_room_for(run, judgement)), None)
        ):
            board.runs.append(run)
            continue
        samples = samples_identity(run.results)
        key = json.dumps([samples, judgement], sort_keys=True)
        boards.setdefault(key, _Board(samples, judgement)).runs.append(run)
    return list(boards.values())


def _board(board: _Board) -> dict[str, Any]:
    largest = max(board.runs, key=lambda run: len(run.results))
    own = {run.name: summary_of(run, run.results, len(largest.results)) for run in board.runs}
    ordered = sorted(board.runs, key=lambda run: (run.interrupted, -(own[run.name].mean or 0.0)))
    letters = _letters(ordered)
    categories = dict(Counter(row.category or NO_NAME for row in largest.results))
    return {
        "samples_identity": board.samples,
        "samples": len(largest.results),
        "categories": categories,
        "data": sorted({str(run.info.config["benchmark"].get("data_path")) for run in board.runs}),
        "judgement": board.judgement,
        "runs": [
            {
                "name": run.name,
                "folder": str(run.folder),
                "run_key": run.info.run_key,
                "editor": describe_editor(run.info),
                "editor_identity": run.info.editor,
                "started": run.info.attempts[0].started if run.info.attempts else None,
                "interrupted": run.interrupted,
                "group": letters[run.name],
                "overall": asdict(own[run.name]),
                "categories": scores_by_category(run, categories),
                "statuses": statuses_of(run),
            }
            for run in ordered
        ],
    }


def _letters(runs: Sequence[StoredRun]) -> dict[str, str]:
    """The groups of a board, by Holm over all its pairs."""
    pairs = list(itertools.combinations(runs, 2))
    adjusted = holm([overall_difference(*pair).p for pair in pairs])
    different = [
        (first.name, second.name)
        for (first, second), p in zip(pairs, adjusted, strict=True)
        if p is not None and p < SIGNIFICANT
    ]
    return group_letters([run.name for run in runs], different)
