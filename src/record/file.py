"""The SQLite file of a record: how it is opened, also where nothing can be written, and how its faults are worded."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from src.errors import OutputError

FREE_SPACE = "free space, then give the same command again (a run goes on with --resume)"


def connect(path: Path) -> sqlite3.Connection:
    """Opens the file for reading and writing, from any thread."""
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    database.row_factory = sqlite3.Row
    database.text_factory = lambda data: data.decode(errors="replace")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    # A checkpoint waits for the disk: rather a log of tens of megabytes than a wait every hundred samples.
    database.execute("PRAGMA wal_autocheckpoint=10000")
    return database


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """The file itself, or a copy for as long as it is read: SQLite reads no log of commits that it cannot write to."""
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="editloop") as folder:
        try:
            for part in (path, path.with_name(f"{path.name}-wal")):
                if part.exists():
                    shutil.copyfile(part, Path(folder) / part.name)
        except OSError as error:
            raise OutputError(
                f"{path}, which cannot be written to, cannot be copied to {folder}: {error.strerror or error}; "
                "free space there, or name another place for it by TMPDIR"
            ) from error
        yield Path(folder) / path.name


def existing(path: Path) -> AbstractContextManager[Path]:
    """A record that is there, to be read: see `readable`.

    Raises:
        OutputError: there is none.
    """
    if path.parent.is_file():
        raise OutputError(f"{path.parent} is a file; name the output directory of a run, which holds a {path.name}")
    if not path.is_file():
        raise OutputError(f"{path.parent} holds no {path.name}: it is not the output directory of a run")
    return readable(path)


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into `OutputError`s that name the file and what to do."""
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter: of a damaged schema
        advice = FREE_SPACE if "full" in str(error) else "is it a record of EditLoop, and writable?"
        raise OutputError(f"{path}: {error}; {advice}") from error
