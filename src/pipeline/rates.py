"""What one edit or one judgement takes (seconds, usage, bytes), found in the records of earlier runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from src.record.record import RECORD_NAME
from src.record.results import RunInfo

Work = Literal["edit", "judgement"]
Found = TypeVar("Found")

RECORDS_LOOKED_AT = 50
"""How many of the newest records beside a run's output directory are looked at."""

_ROWS: dict[Work, str] = {
    "edit": "FROM edits w JOIN samples s ON s.edit_key = w.edit_key WHERE s.run_key = ? AND w.reason IS NULL",
    "judgement": "FROM verdicts w JOIN samples s ON s.verdict_key = w.verdict_key WHERE s.run_key = ?",
}
_EACH_AMOUNT = ", json_each(w.usage) j WHERE json_valid(w.usage) AND j.type IN ('integer', 'real') AND"
_AT_ONCE: dict[Work, str] = {"edit": "edits", "judgement": "verdicts"}


@dataclass(frozen=True)
class Rate:
    """What is known of the speed of one stage."""

    seconds: float
    """Seconds for which a worker is busy with one sample: its share of a batch where a model works in batches."""
    source: str
    """Says to people where the figure comes from."""
    at_once: float = 1.0
    """Samples that were worked on at the same time, at least: the busy seconds of all workers ÷ the run's wall time."""


@dataclass(frozen=True)
class Measured:
    """The means over what an earlier run has made."""

    means: dict[str, float]
    count: int
    """How many pieces of work they are over."""
    source: str
    """The folder and the day, for people."""


def earlier_rate(work: Work, info: RunInfo, output_dir: Path) -> Rate | None:
    """The rate in the records of the same editor (for edits) or the same scorer and judge (for judgements).

    Looked at are `output_dir`, its earlier runs in `previous`, and the folders beside it, newest first. The records are
    only read; one that cannot be read is passed over.

    Args:
        work: Which of the two.
        info: The run that is planned.
        output_dir: Where its results will go.
    """

    def rate(database: sqlite3.Connection, run_key: str, source: str) -> Rate | None:
        statement = f"SELECT COUNT(*), AVG(w.seconds) {_ROWS[work]} AND w.seconds > 0"
        count, seconds = database.execute(statement, (run_key,)).fetchone()
        return Rate(seconds, f"mean of {count} in {source}", _at_once(database, work, run_key)) if count else None

    return _found(work, info, output_dir, rate)


def earlier_usage(info: RunInfo, output_dir: Path) -> Measured | None:
    """What a judgement of the same scorer and judge used on average: calls, tokens …; found as `earlier_rate` is."""

    def usage(database: sqlite3.Connection, run_key: str, source: str) -> Measured | None:
        statement = (
            f"SELECT j.key, AVG(j.value), COUNT(*) {_ROWS['judgement'].replace('WHERE', _EACH_AMOUNT)} GROUP BY j.key"
        )
        amounts = {name: (mean, count) for name, mean, count in database.execute(statement, (run_key,))}
        most = max((count for _, count in amounts.values()), default=0)
        return Measured({name: mean for name, (mean, _) in amounts.items()}, most, source) if most else None

    return _found("judgement", info, output_dir, usage)


def earlier_edit_bytes(info: RunInfo, output_dir: Path) -> Measured | None:
    """How large (`bytes`) an edited picture of the same editor was on average; found as `earlier_rate` is."""

    def size(database: sqlite3.Connection, run_key: str, source: str) -> Measured | None:
        mean, count = database.execute(f"SELECT AVG(w.bytes), COUNT(*) {_ROWS['edit']}", (run_key,)).fetchone()
        return Measured({"bytes": mean}, count, source) if count else None

    return _found("edit", info, output_dir, size)


def _found(
    work: Work, info: RunInfo, output_dir: Path, look: Callable[[sqlite3.Connection, str, str], Found | None]
) -> Found | None:
    """What `look` finds first, given a database, a run in it that did the work alike, and words for where that is."""
    for folder in _folders(output_dir):
        try:
            with closing(sqlite3.connect(f"{(folder / RECORD_NAME).resolve().as_uri()}?mode=ro", uri=True)) as database:
                for run_key, touched in _runs_alike(database, work, info):
                    if found := look(database, run_key, f"{folder}, {touched[:10]}"):
                        return found
        except (sqlite3.DatabaseError, ValueError):  # no record of ours, or one that is being made
            continue
    return None


def _runs_alike(database: sqlite3.Connection, work: Work, info: RunInfo) -> Iterator[tuple[str, str]]:
    runs = database.execute("SELECT run_key, editor, scorer, touched FROM runs ORDER BY touched DESC").fetchall()
    for run_key, editor, scorer, touched in runs:
        same = json.loads(editor) == _stored(info.editor) if work == "edit" else _asks_alike(json.loads(scorer), info)
        if same:
            yield run_key, touched


def _folders(output_dir: Path) -> Iterator[Path]:
    beside = [*output_dir.glob(f"previous/*/{RECORD_NAME}"), *output_dir.parent.glob(f"*/{RECORD_NAME}")]
    newest = sorted(beside, key=lambda record: record.stat().st_mtime, reverse=True)[:RECORDS_LOOKED_AT]
    own = output_dir / RECORD_NAME
    return (record.parent for record in ([own] if own.is_file() else []) + [one for one in newest if one != own])


def _stored(identity: Any) -> Any:
    """Returns an identity as a record gives it back, which went through JSON."""
    return json.loads(json.dumps(identity))


def _asks_alike(scorer: dict[str, Any], info: RunInfo) -> bool:
    """Whether scorer and judge are the same; the version of a prompt hardly changes how long an answer takes."""
    ours = _stored(info.scorer)
    return all(scorer.get(name) == ours.get(name) for name in scorer.keys() | ours.keys() if name != "prompts")


def _at_once(database: sqlite3.Connection, work: Work, run_key: str) -> float:
    statement = (
        f"SELECT SUM(w.seconds) / a.seconds FROM attempts a JOIN {_AT_ONCE[work]} w ON w.attempt = a.attempt "
        "WHERE a.run_key = ? AND a.seconds > 0 GROUP BY a.attempt"
    )
    return max((share for (share,) in database.execute(statement, (run_key,)) if share), default=1.0)
