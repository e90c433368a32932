"""`TrainingRecord`: the benchmark's record of edits and verdicts, with a table of every completion of the policy."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from src.data.verdict import Status, Verdict
from src.record.record import Record
from src.record.rows import stored_verdict

BUSY_MILLISECONDS = 120_000
"""Milliseconds for which a process waits for the others that write into the same record."""
PLACES = 1_000_000
"""Places of a step's completions that each process has for itself."""
_CLAIMS = "CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, owner TEXT, seen REAL) WITHOUT ROWID"
_COMPLETIONS = """
CREATE TABLE IF NOT EXISTS completions (step INTEGER, position INTEGER, example_id TEXT, category TEXT, request TEXT,
    completion TEXT, reading TEXT, problem TEXT, edit_key TEXT, verdict_key TEXT, status TEXT, reason TEXT, reward REAL,
    PRIMARY KEY (step, position)) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class CompletionRow:
    """One completion of one step, and what became of it. A step that is done again replaces its rows."""

    step: int
    """The optimizer step that it was generated for, from 1."""
    position: int
    """Place among the completions of the step, from `PLACES` × rank; those of one prompt are neighbours."""
    example_id: str
    category: str
    request: str
    """The user's own instruction or question."""
    completion: str
    reading: str | None
    """The instruction or answer that was read from the completion."""
    problem: str | None
    """Why nothing could be read from the completion."""
    edit_key: str | None
    """Key of the edit in the record's folder `edits`; None where nothing was edited."""
    verdict_key: str | None
    status: Status | None
    """Status of the verdict; None where the completion could not be read."""
    reason: str | None
    """Reason why there is no score."""
    reward: float | None
    """The reward that the trainer was given, 0–10; None is masked."""


class TrainingRecord(Record):
    """The record of a training run, shared by its processes on one machine. Edits and verdicts have content keys.

    Raises:
        OutputError: on opening and writing, as `Record`.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder)
        self._write(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}", ())
        for table in (_COMPLETIONS, _CLAIMS):
            self._write(table, ())

    def verdict(self, verdict_key: str) -> Verdict | None:
        """Returns a final verdict; None where there is none, or a failed one that shall be tried again."""
        if not self.has_verdict(verdict_key):
            return None
        return stored_verdict(self._read("SELECT * FROM verdicts WHERE verdict_key = ?", (verdict_key,))[0])

    # Completions.

    def forget_completions(self, step: int, first: int, end: int | None = None) -> None:
        """Removes a step's completions from place `first` on, up to `end`: it is done again."""
        statement = "DELETE FROM completions WHERE step = ? AND position >= ? AND position < ?"
        self._write(statement, (step, first, 2**62 if end is None else end))

    def add_completions(self, rows: Sequence[CompletionRow]) -> None:
        """Stores the completions of a step."""
        places = ",".join("?" * len(fields(CompletionRow)))
        for row in rows:
            self._write(f"INSERT OR REPLACE INTO completions VALUES ({places})", astuple(row))

    def completions(self, step: int) -> list[CompletionRow]:
        """Returns the completions of a step, in order."""
        rows = self._read("SELECT * FROM completions WHERE step = ? ORDER BY position", (step,))
        return [CompletionRow(**{**row, "status": Status(row["status"]) if row["status"] else None}) for row in rows]

    # Claims; see `claims.py`.

    def claim(self, key: str, owner: str, now: float, stale: float) -> bool:
        """Gives the key to the owner, unless another has it and was seen after `stale`."""
        statement = (
            "INSERT INTO claims VALUES (?,?,?) ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, "
            "seen = excluded.seen WHERE claims.seen < ? OR claims.owner = excluded.owner"
        )
        return self._write(statement, (key, owner, now, stale)).rowcount > 0

    def renew_claims(self, owner: str, now: float) -> None:
        """Renews all claims of an owner that is still alive."""
        self._write("UPDATE claims SET seen = ? WHERE owner = ?", (now, owner))

    def end_claims(self, owner: str | None = None, key: str | None = None) -> None:
        """Frees a key of an owner, all of its keys, or those of everybody."""
        statement = "DELETE FROM claims WHERE (owner = ?1 OR ?1 IS NULL) AND (key = ?2 OR ?2 IS NULL)"
        self._write(statement, (owner, key))

    # Records of earlier runs.

    def adopt(self, other: TrainingRecord) -> None:
        """Takes over all that another record has done; what is here already stays. May be done again."""
        for row in other._read("SELECT * FROM edits WHERE reason IS NULL"):
            key = row["edit_key"]
            if other.has_edit(key) and not self.has_edit(key):
                _give(other.edit_path(key), self.pictures.place(key))
                self._insert("edits", row)
        for row in other._read("SELECT * FROM verdicts"):
            if other.has_verdict(row["verdict_key"]) and not self.has_verdict(row["verdict_key"]):
                self._insert("verdicts", row)

    def adopt_completions(self, other: TrainingRecord, rank: int | None) -> None:
        """Takes over the rows of another record; where it was that of one process alone, the rank says their place."""
        for row in other._read("SELECT * FROM completions"):
            moved = row["position"] if rank is None else row["position"] + rank * PLACES
            self._insert("completions", {**row, "position": moved})

    def _insert(self, table: str, row: Mapping[str, Any] | sqlite3.Row) -> None:
        names = row.keys()
        places = ",".join("?" * len(names))
        statement = f"INSERT OR REPLACE INTO {table} ({','.join(names)}) VALUES ({places})"
        self._write(statement, tuple(row[name] for name in names))


def _give(picture: Path, target: Path) -> None:
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)
    try:
        os.link(picture, part)
    except OSError:  # a file system without hard links
        shutil.copyfile(picture, part)
    os.replace(part, target)
