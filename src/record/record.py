"""The durable record of one output directory: an SQLite file and a folder of edits named by their keys.

Every finished edit and verdict is committed at once (WAL, `synchronous=NORMAL`): killing the process at any moment
loses only work in flight; a power cut may lose the last commits but never corrupts the file. An edit's picture is in
place before its row, so a row always has its picture.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from src.data.expected import expected_edit
from src.data.image import content_hash
from src.data.sample import BadSample, EditSample
from src.data.verdict import Status, Verdict
from src.errors import OutputError
from src.record.file import connect, existing, sqlite_errors
from src.record.pictures import EditPictures
from src.record.queries import ATTEMPTS, FOUND, RESULTS, claimed
from src.record.results import RunInfo, SampleResult
from src.record.rows import WHOLE_VERDICT, read_run_info, sample_result, usage
from src.record.schema import REPLACED, create_or_migrate
from src.record.verdict_text import packed_prompts, repeats_text
from src.redaction import masked, withheld

logger = logging.getLogger(__name__)

RECORD_NAME = "record.sqlite"
EDITS_FOLDER = "edits"

DONE = (Status.SCORED, Status.NOT_APPLICABLE, Status.REFUSED)
"""Verdicts that a resumed run keeps; failed ones are tried again."""

Sizes = tuple[tuple[int, int] | None, tuple[int, int]]
"""Width and height of a source, if there is one, and of its edit."""

_ROWS_AT_ONCE = 64
_KEEP_USAGE = "INSERT INTO replaced_verdicts SELECT attempt, usage FROM verdicts WHERE verdict_key"

_to_json = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class SampleKeys:
    """The content keys of one sample in one run."""

    seed: int
    source_sha256: str
    edit_key: str
    verdict_key: str


@dataclass(frozen=True, slots=True)
class WorkLeft:
    """What a run still has to do for one sample."""

    edit: bool
    verdict: bool
    """False as well where a lost picture is made again: its verdict stands if it comes out the same."""
    lost: str | None = None
    """SHA-256 of the picture that the edit once had, if it has to be made again."""


class Record:
    """One output directory's record. Safe to use from several threads; one process at a time (see `output.py`).

    Args:
        output_dir: The directory.
        for_reading: It must hold a record, which is read also where nothing can be written.

    Raises:
        OutputError: on opening, when the file is not a record of this version; on writing, when the disk is full.
    """

    def __init__(self, output_dir: Path, *, for_reading: bool = False) -> None:
        self.output_dir = output_dir
        self.edits_dir = output_dir / EDITS_FOLDER
        self.pictures = EditPictures(self.edits_dir)
        self._path = path = output_dir / RECORD_NAME
        self._lock = threading.Lock()
        self._attempt = 0
        self._resources = ExitStack()
        try:
            with sqlite_errors(path):
                opened = self._resources.enter_context(existing(path)) if for_reading else path
                self._database = self._resources.enter_context(closing(connect(opened)))
                create_or_migrate(self._database, self.pictures, path)
                if not for_reading:
                    self._database.execute(REPLACED)
                    self.edits_dir.mkdir(exist_ok=True)
        except BaseException:
            self._resources.close()
            raise

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        with self._lock:  # SQLite crashes where it is closed within a statement of another thread
            self._resources.close()

    def _write(self, statement: str, values: tuple[Any, ...]) -> sqlite3.Cursor:
        kept = tuple(withheld(value) if isinstance(value, str) else value for value in values)
        with self._lock, sqlite_errors(self._path):
            return self._database.execute(statement, kept)

    def _read(self, statement: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        with self._lock, sqlite_errors(self._path):
            return self._database.execute(statement, values).fetchall()

    # Runs and attempts.

    def begin_attempt(self, info: RunInfo) -> None:
        """Starts a run, or goes on with it when its key is known."""
        now = datetime.now(UTC).astimezone().isoformat(timespec="milliseconds")
        texts = [_to_json(part) for part in (info.config, info.editor, info.scorer, info.environment)]
        self._write("INSERT OR REPLACE INTO runs VALUES (?,?,?,?,?,?,'{}')", (info.run_key, *texts, now))
        begun = "INSERT INTO attempts (run_key, started, outcome) VALUES (?,?,'running')"
        self._attempt = self._write(begun, (info.run_key, now)).lastrowid or 0

    def note_left_out(self, run_key: str, categories: Mapping[str, int]) -> None:
        """Notes how many items of each category the run's selection passed over."""
        self._write("UPDATE runs SET left_out = ? WHERE run_key = ?", (_to_json(categories), run_key))

    def end_attempt(self, outcome: str, seconds: float, edits_reused: int, verdicts_reused: int) -> None:
        """Closes the attempt with its outcome; see `Attempt.outcome`."""
        self._write(
            "UPDATE attempts SET outcome=?, seconds=?, edits_reused=?, verdicts_reused=? WHERE attempt=?",
            (outcome, seconds, edits_reused, verdicts_reused, self._attempt),
        )

    def latest_run(self) -> RunInfo:
        """The run that was started or resumed last.

        Raises:
            OutputError: when the record holds no run.
        """
        runs = self.runs(most=1)
        if not runs:
            raise OutputError(f"{self._path} holds no run yet")
        return runs[0]

    def runs(self, most: int = -1) -> list[RunInfo]:
        """The runs that were started or resumed last, the last one first; all of them unless `most` is given."""
        return [self._run_info(row) for row in self._read("SELECT * FROM runs ORDER BY touched DESC LIMIT ?", (most,))]

    @contextmanager
    def unchanging(self) -> Iterator[None]:
        """Within the block, all that is read is of one moment, whatever another process writes meanwhile."""
        self._read("BEGIN")
        try:
            yield
        finally:
            self._read("COMMIT")

    def _run_info(self, row: sqlite3.Row) -> RunInfo:
        try:
            return read_run_info(row, self._read(ATTEMPTS, (row["run_key"],)))
        except (ValueError, IndexError) as error:
            raise OutputError(f"{self._path}: the row of a run is damaged ({error}); run without --resume") from error

    # Samples.

    def add_sample(self, run_key: str, sample: EditSample, keys: SampleKeys) -> None:
        """Notes that the run includes this sample, and under which keys its work is found."""
        self._write(
            "INSERT OR REPLACE INTO samples VALUES (?,?,?,?,?,?,?,?,?,?,?,?,NULL,?,?,?,?)",
            (
                *(run_key, sample.sample_id, sample.index, sample.category, sample.difficulty),
                *(_to_json(sample.tags), sample.instruction, sample.description),
                *(keys.seed, keys.source_sha256, keys.edit_key, keys.verdict_key, self._attempt),
                *(_to_json(expected_edit(sample)), sample.cluster),
                _to_json(dict(sample.attributes)) if sample.attributes else None,
            ),
        )

    def add_bad_sample(self, run_key: str, bad: BadSample) -> None:
        """Notes an item that cannot be run, with its reason."""
        self._write(
            "INSERT OR REPLACE INTO samples VALUES (?,?,?,?,?,?,?,?,NULL,NULL,NULL,NULL,?,?,NULL,NULL,NULL)",
            (
                *(run_key, bad.sample_id, bad.index, bad.category, bad.difficulty),
                *(_to_json(bad.tags), bad.instruction, bad.description, bad.reason, self._attempt),
            ),
        )

    def named_samples(self) -> list[tuple[str, str]]:
        """Category and id of every sample of any run of this record that could be edited."""
        rows = self._read("SELECT DISTINCT category, sample_id FROM samples WHERE edit_key IS NOT NULL")
        return [(row["category"], row["sample_id"]) for row in rows]

    def forget_unseen_samples(self, run_key: str) -> None:
        """Removes samples that this attempt did not meet: the benchmark file has changed since the last one."""
        self._write("DELETE FROM samples WHERE run_key = ? AND attempt <> ?", (run_key, self._attempt))

    def results(self, run_key: str) -> Iterator[SampleResult]:
        """Every sample of a run with its edit and verdict, in file order; few of them are in memory at a time."""
        with self._lock, sqlite_errors(self._path):
            cursor = self._database.execute(f"{RESULTS} ORDER BY s.position", (run_key,))
        while rows := self._next(cursor):
            yield from map(self._result, rows)

    def result(self, run_key: str, sample_id: str) -> SampleResult | None:
        """One sample of a run with its edit and verdict; None where the run has not come to it."""
        rows = self._read(f"{RESULTS} AND s.sample_id = ?", (run_key, sample_id))
        return self._result(rows[0]) if rows else None

    def _next(self, cursor: sqlite3.Cursor) -> list[sqlite3.Row]:
        with self._lock, sqlite_errors(self._path):
            return cursor.fetchmany(_ROWS_AT_ONCE)

    def _result(self, row: sqlite3.Row) -> SampleResult:
        try:
            return sample_result(row, self.pictures)
        except IndexError as error:  # a column has lost its name
            raise OutputError(f"{self._path} is damaged ({error}); run without --resume") from error

    def sample_ids(self, run_key: str) -> list[str]:
        """The ids of the samples of a run, in file order."""
        statement = "SELECT sample_id FROM samples WHERE run_key = ? ORDER BY position"
        return [str(row[0]) for row in self._read(statement, (run_key,))]

    def claimed(self, run_key: str, *, judged: bool) -> dict[int, tuple[str, str]]:
        """The samples with which nothing is left to do by their rows: category and id by their place in the file.

        Whether files and settings still agree with these rows is not looked at: `work_left` decides.

        Args:
            run_key: Of the run.
            judged: Whether they need a verdict; else an edit suffices.
        """
        with self._lock, sqlite_errors(self._path):
            return claimed(self._database, run_key, DONE, judged=judged)

    def verdict_keys(self, run_key: str) -> dict[str, str]:
        """The key of the verdict of each sample of a run that could be edited, by the sample's id."""
        rows = self._read(
            "SELECT sample_id, verdict_key FROM samples WHERE run_key = ? AND bad_reason IS NULL", (run_key,)
        )
        return {row["sample_id"]: row["verdict_key"] for row in rows}

    # Edits.

    def edit_path(self, edit_key: str) -> Path:
        """The path of the picture of an edit: where it is, else where it would be written."""
        return self.pictures.path(edit_key)

    def has_edit(self, edit_key: str) -> bool:
        """Whether the edit is finished and its picture still the very one that was stored."""
        rows = self._read("SELECT bytes, sha256 FROM edits WHERE edit_key = ? AND reason IS NULL", (edit_key,))
        return bool(rows) and self._is_whole(edit_key, rows[0]["bytes"], rows[0]["sha256"])

    def _is_whole(self, edit_key: str, size: int, sha256: str) -> bool:
        path = self.edit_path(edit_key)
        try:
            return path.stat().st_size == size and content_hash(path.read_bytes()) == sha256
        except OSError:
            return False

    def add_edit(self, edit_key: str, png: bytes, seconds: float, sizes: Sizes | None = None) -> None:
        """Stores a finished edit: first its picture, atomically, then its row.

        Args:
            edit_key: Under which it is found.
            png: The picture.
            seconds: That it took to make.
            sizes: Widths and heights of the source and of the edit.
        """
        try:
            self.pictures.store(edit_key, png)
        except OSError as error:
            path = self.edit_path(edit_key)
            raise OutputError(
                f"the edit cannot be written to {path}: {error.strerror or error}; free space, then --resume"
            ) from error
        texts = [None if size is None else _to_json(size) for size in sizes or (None, None)]
        values = (edit_key, self._attempt, len(png), seconds, content_hash(png), *texts)
        self._write("INSERT OR REPLACE INTO edits VALUES (?,?,NULL,?,?,?,?,?,NULL)", values)

    def add_failed_edit(self, edit_key: str, reason: str, seconds: float) -> None:
        """Notes that the editor failed on a sample; a resumed run tries again."""
        self._write(
            "INSERT INTO edits (edit_key, attempt, reason, seconds) VALUES (?,?,?,?) ON CONFLICT (edit_key) DO UPDATE"
            " SET attempt = excluded.attempt, reason = excluded.reason, seconds = excluded.seconds",
            (edit_key, self._attempt, masked(reason), seconds),
        )

    def note_change(self, edit_key: str, change: float) -> None:
        """Notes how far a finished edit differs from its source (`picture_change`)."""
        self._write("UPDATE edits SET change = ? WHERE edit_key = ? AND reason IS NULL", (change, edit_key))

    def drop_picture(self, edit_key: str) -> None:
        """Deletes the picture of a judged edit (for runs that keep no pictures)."""
        self.pictures.drop(edit_key)

    # Verdicts.

    def has_verdict(self, verdict_key: str) -> bool:
        """Whether the verdict is final; a failed one will be tried again."""
        final = f"v.status IN ({','.join('?' * len(DONE))}) AND {WHOLE_VERDICT}"
        statement = f"SELECT 1 FROM verdicts v WHERE v.verdict_key = ? AND {final}"
        return bool(self._read(statement, (verdict_key, *DONE)))

    def forget_verdicts(self, edit_key: str) -> None:
        """Removes what any judge said of an edit: it was said of a picture that is no more."""
        keys = "SELECT verdict_key FROM samples WHERE edit_key = ?"
        self._write(f"{_KEEP_USAGE} IN ({keys})", (edit_key,))
        self._write(f"DELETE FROM verdicts WHERE verdict_key IN ({keys})", (edit_key,))

    def work_left(self, keys: SampleKeys, *, keep_pictures: bool) -> WorkLeft:
        """What is not done yet; a judged edit needs its picture only where pictures are kept."""
        found = self._read(FOUND, (keys.verdict_key, keys.edit_key))[0]
        judged = found["status"] in DONE
        if judged and not keep_pictures:
            return WorkLeft(edit=False, verdict=False)
        made = found["sha256"] is not None and found["reason"] is None
        whole = made and self._is_whole(keys.edit_key, found["bytes"], found["sha256"])
        return WorkLeft(edit=not whole, verdict=not judged, lost=None if whole else found["sha256"])

    def paid_usage(self, run_key: str) -> list[dict[str, float]]:
        """The usage of every verdict that the attempts of a run have made, also of those that were replaced."""
        made = "SELECT usage FROM verdicts WHERE attempt IN (SELECT attempt FROM attempts WHERE run_key = :run)"
        rows = self._read(f"{made} UNION ALL {made.replace('verdicts', 'replaced_verdicts')}", {"run": run_key})
        return [usage(row["usage"]) for row in rows]

    def add_verdict(self, verdict_key: str, verdict: Verdict) -> None:
        """Stores a verdict, whatever its status; what an earlier one under its key has cost is not forgotten."""
        self._write(f"{_KEEP_USAGE} = ?", (verdict_key,))
        self._write(
            "INSERT OR REPLACE INTO verdicts VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                *(verdict_key, self._attempt, verdict.status, verdict.score, _to_json(verdict.dimensions)),
                *(verdict.reason and masked(verdict.reason), _to_json(verdict.replies), _to_json(verdict.usage)),
                *(verdict.seconds, verdict.model, repeats_text(verdict), packed_prompts(verdict.prompts)),
            ),
        )
