"""What the record of a shard notes of the benchmark, and how its run becomes a part of another record."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from src.record.file import connect, readable, sqlite_errors
from src.record.pictures import EditPictures
from src.record.record import EDITS_FOLDER, RECORD_NAME, Record

_TABLE = "CREATE TABLE IF NOT EXISTS shards (run_key TEXT PRIMARY KEY, items INTEGER, content TEXT)"
"""Only records of shards have it."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a shard's run has read of its benchmark, the samples of other shards included."""

    items: int
    digest: str


def note_content(output_dir: Path, run_key: str, content: Content) -> None:
    """Notes what a run has read, when it has read all."""
    with _opened(output_dir / RECORD_NAME) as database:
        database.execute(_TABLE)
        database.execute("INSERT OR REPLACE INTO shards VALUES (?,?,?)", (run_key, content.items, content.digest))


def read_content(output_dir: Path, run_key: str) -> Content | None:
    """What a run has read; None where it never came to the end of the benchmark, or is no shard."""
    with readable(output_dir / RECORD_NAME) as path, _opened(path) as database:
        if not _columns(database, "shards"):
            return None
        row = database.execute("SELECT items, content FROM shards WHERE run_key = ?", (run_key,)).fetchone()
        return Content(row["items"], row["content"]) if row else None


def join_run(source_dir: Path, source_key: str, target: Record, run_key: str) -> int:
    """Copies the samples of a run with their edits and verdicts into the latest attempt of another record's run.

    Pictures are linked where the file system can, else copied.

    Args:
        source_dir: Output directory of the run; it is only read.
        source_key: The key of the run.
        target: The record that takes it in.
        run_key: The key of the run that it becomes a part of.

    Returns:
        The number of finished edits whose picture is not there.

    Raises:
        OutputError: a record cannot be read or written.
        OSError: a picture cannot be written.
    """
    with readable(source_dir / RECORD_NAME) as path, _opened(target.output_dir / RECORD_NAME) as database:
        database.execute("ATTACH DATABASE ? AS part", (str(path),))
        edits = _copy_rows(database, source_key, run_key)
    pictures = EditPictures(source_dir / EDITS_FOLDER)
    found = {key: pictures.find(key) for key in edits}
    for key, picture in found.items():
        if picture is not None:
            _place(picture, target.pictures.place(key))
    return sum(picture is None for picture in found.values())


def _copy_rows(database: sqlite3.Connection, source_key: str, run_key: str) -> list[str]:
    """Copies the rows; returns the keys of the finished edits."""
    attempt = database.execute("SELECT MAX(attempt) FROM attempts WHERE run_key = ?", (run_key,)).fetchone()[0]
    of_run = "IN (SELECT {} FROM part.samples WHERE run_key = :source)"
    rows = {
        "samples": "run_key = :source",
        "edits": f"edit_key {of_run.format('edit_key')}",
        "verdicts": f"verdict_key {of_run.format('verdict_key')}",
        "replaced_verdicts": "attempt IN (SELECT attempt FROM part.attempts WHERE run_key = :source)",
    }
    changed = {"run_key": ":run_key", "attempt": ":attempt"}
    values = {"source": source_key, "run_key": run_key, "attempt": attempt}
    database.execute("BEGIN IMMEDIATE")
    for table, condition in rows.items():
        names = _columns(database, table)
        taken = ", ".join(changed.get(name, name) for name in names)
        statement = f"SELECT {taken} FROM part.{table} WHERE {condition}"
        database.execute(f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) {statement}", values)
    finished = f"SELECT edit_key FROM part.edits WHERE reason IS NULL AND {rows['edits']}"
    keys = [row["edit_key"] for row in database.execute(finished, values)]
    database.execute("COMMIT")
    return keys


def _columns(database: sqlite3.Connection, table: str) -> list[str]:
    return [row["name"] for row in database.execute(f"PRAGMA main.table_info({table})")]


def _place(source: Path, target: Path) -> None:
    """Puts a picture at its place, atomically."""
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)
    try:
        os.link(source, part)
    except OSError:  # another file system, or one without hard links
        try:
            shutil.copyfile(source, part)
        except OSError:
            part.unlink(missing_ok=True)
            raise
    os.replace(part, target)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with sqlite_errors(path), closing(connect(path)) as database:
        yield database
