"""`TrainingRecord`: the benchmark's record of edits and verdicts, with a table of every completion of the policy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from src.pipeline.record import Record
from src.rewards.verdict import Status, Verdict

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
    """Its place among this process's completions of the step; those of one prompt are neighbours."""
    example_id: str
    category: str
    request: str
    """What the user wants."""
    completion: str
    reading: str | None
    """The instruction or answer that was read from the completion."""
    problem: str | None
    """Why there is none."""
    edit_key: str | None
    """Of the edit in the record's folder `edits`."""
    verdict_key: str | None
    status: Status | None
    """Of the verdict; None where the completion could not be read."""
    reason: str | None
    """Why there is no score."""
    reward: float | None
    """What the trainer was given; None is masked."""


class TrainingRecord(Record):
    """The record of one process of a training run. Edits and verdicts are found by their content keys.

    Raises:
        OutputError: on opening and writing, as `Record`.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder)
        self._write(_COMPLETIONS, ())

    def verdict(self, verdict_key: str) -> Verdict | None:
        """A final verdict; None where there is none, or a failed one that shall be tried again."""
        if not self.has_verdict(verdict_key):
            return None
        row = self._read("SELECT * FROM verdicts WHERE verdict_key = ?", (verdict_key,))[0]
        return Verdict(
            status=Status(row["status"]),
            score=row["score"],
            dimensions=json.loads(row["dimensions"]),
            reason=row["reason"],
            replies=tuple(json.loads(row["replies"])),
            usage=json.loads(row["usage"]),
            seconds=row["seconds"],
            model=row["model"],
        )

    def add_completions(self, rows: Sequence[CompletionRow]) -> None:
        """Stores the completions of a step."""
        places = ",".join("?" * len(fields(CompletionRow)))
        for row in rows:
            self._write(f"INSERT OR REPLACE INTO completions VALUES ({places})", astuple(row))

    def completions(self, step: int) -> list[CompletionRow]:
        """The completions of a step, in order."""
        rows = self._read("SELECT * FROM completions WHERE step = ? ORDER BY position", (step,))
        return [CompletionRow(**{**row, "status": Status(row["status"]) if row["status"] else None}) for row in rows]
