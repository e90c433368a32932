"""The tables of the record, and how a record of an older version becomes one of this."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from src.data.image import content_hash
from src.errors import OutputError

SCHEMA_VERSION = 3

_SCHEMA = """
CREATE TABLE runs (run_key TEXT PRIMARY KEY, config TEXT, editor TEXT, scorer TEXT, environment TEXT, touched TEXT,
    left_out TEXT DEFAULT '{}');
CREATE TABLE attempts (attempt INTEGER PRIMARY KEY, run_key TEXT, started TEXT, seconds REAL, outcome TEXT,
    edits_reused INTEGER DEFAULT 0, verdicts_reused INTEGER DEFAULT 0);
CREATE TABLE samples (run_key TEXT, sample_id TEXT, position INTEGER, category TEXT, difficulty TEXT, tags TEXT,
    instruction TEXT, description TEXT, seed INTEGER, source_sha256 TEXT, edit_key TEXT, verdict_key TEXT,
    bad_reason TEXT, attempt INTEGER, expected TEXT, PRIMARY KEY (run_key, sample_id)) WITHOUT ROWID;
CREATE TABLE edits (edit_key TEXT PRIMARY KEY, attempt INTEGER, reason TEXT, bytes INTEGER, seconds REAL, sha256 TEXT,
    source_size TEXT, size TEXT) WITHOUT ROWID;
CREATE TABLE verdicts (verdict_key TEXT PRIMARY KEY, attempt INTEGER, status TEXT, score REAL, dimensions TEXT,
    reason TEXT, replies TEXT, usage TEXT, seconds REAL, model TEXT) WITHOUT ROWID;
"""

REPLACED = "CREATE TABLE IF NOT EXISTS replaced_verdicts (attempt INTEGER, usage TEXT)"
"""What verdicts have cost that a later one took the place of; records of before get the table when they are written."""

_FROM_1 = """
ALTER TABLE runs ADD COLUMN left_out TEXT DEFAULT '{}';
ALTER TABLE edits ADD COLUMN sha256 TEXT;
ALTER TABLE edits ADD COLUMN source_size TEXT;
ALTER TABLE edits ADD COLUMN size TEXT;
"""
_FROM_2 = "ALTER TABLE samples ADD COLUMN expected TEXT"


def create_or_migrate(database: sqlite3.Connection, edits_dir: Path, path: Path) -> None:
    """Gives an empty database its tables, and an older record what it lacks.

    Raises:
        OutputError: when the record was written by a later version.
    """
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        _run(database, _SCHEMA)
    elif version == 1:
        _run(database, _FROM_1 + _FROM_2, _digests(database, edits_dir))
    elif version == 2:
        _run(database, _FROM_2)
    elif version != SCHEMA_VERSION:
        raise OutputError(
            f"{path} has record version {version}, this EditLoop writes {SCHEMA_VERSION}; use another directory"
        )


def _run(database: sqlite3.Connection, script: str, digests: list[tuple[str, str]] | None = None) -> None:
    """One transaction: killed in the middle, the record is as it was."""
    database.execute("BEGIN IMMEDIATE")
    for statement in script.split(";"):
        database.execute(statement)
    database.executemany("UPDATE edits SET sha256 = ? WHERE edit_key = ?", digests or [])
    database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    database.execute("COMMIT")


def _digests(database: sqlite3.Connection, edits_dir: Path) -> list[tuple[str, str]]:
    """Digest and key of each edit whose picture is there in its full length."""
    found = []
    for key, size in database.execute("SELECT edit_key, bytes FROM edits WHERE reason IS NULL"):
        picture = edits_dir / f"{key}.png"
        if picture.is_file() and picture.stat().st_size == size:
            found.append((content_hash(picture.read_bytes()), key))
    return found
