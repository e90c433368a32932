"""The tables of the record, and how a record of an older version becomes one of this."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from src.data.image import content_hash
from src.errors import OutputError
from src.record.pictures import EditPictures

SCHEMA_VERSION = 7

_SCHEMA = """
CREATE TABLE runs (run_key TEXT PRIMARY KEY, config TEXT, editor TEXT, scorer TEXT, environment TEXT, touched TEXT,
    left_out TEXT DEFAULT '{}');
CREATE TABLE attempts (attempt INTEGER PRIMARY KEY, run_key TEXT, started TEXT, seconds REAL, outcome TEXT,
    edits_reused INTEGER DEFAULT 0, verdicts_reused INTEGER DEFAULT 0);
CREATE TABLE samples (run_key TEXT, sample_id TEXT, position INTEGER, category TEXT, difficulty TEXT, tags TEXT,
    instruction TEXT, description TEXT, seed INTEGER, source_sha256 TEXT, edit_key TEXT, verdict_key TEXT,
    bad_reason TEXT, attempt INTEGER, expected TEXT, cluster TEXT, attributes TEXT,
    PRIMARY KEY (run_key, sample_id)) WITHOUT ROWID;
CREATE TABLE edits (edit_key TEXT PRIMARY KEY, attempt INTEGER, reason TEXT, bytes INTEGER, seconds REAL, sha256 TEXT,
    source_size TEXT, size TEXT, change REAL) WITHOUT ROWID;
CREATE TABLE verdicts (verdict_key TEXT PRIMARY KEY, attempt INTEGER, status TEXT, score REAL, dimensions TEXT,
    reason TEXT, replies TEXT, usage TEXT, seconds REAL, model TEXT, repeats TEXT, prompts BLOB) WITHOUT ROWID;
"""

_INDEXES = """
CREATE INDEX IF NOT EXISTS samples_in_order ON samples (run_key, position);
CREATE INDEX IF NOT EXISTS edits_of_attempts ON edits (attempt) WHERE reason IS NULL;
CREATE INDEX IF NOT EXISTS verdicts_of_attempts ON verdicts (attempt, status);
"""
"""What is asked of a whole run is answered without its texts, which are most of a record."""

REPLACED = "CREATE TABLE IF NOT EXISTS replaced_verdicts (attempt INTEGER, usage TEXT)"
"""What verdicts have cost that a later one took the place of; records of before get the table when they are written."""

_FROM_1 = """
ALTER TABLE runs ADD COLUMN left_out TEXT DEFAULT '{}';
ALTER TABLE edits ADD COLUMN sha256 TEXT;
ALTER TABLE edits ADD COLUMN source_size TEXT;
ALTER TABLE edits ADD COLUMN size TEXT;
"""
_FROM_2 = "ALTER TABLE samples ADD COLUMN expected TEXT;"

_FROM_3 = """
ALTER TABLE verdicts ADD COLUMN repeats TEXT;
ALTER TABLE verdicts ADD COLUMN prompts BLOB;
"""
"""See `verdict_text.py`; in verdicts of before, both are NULL. Version 5 adds indexes alone, and sub-folders of edits
(`pictures.py`), in which versions before would not look."""
_FROM_4 = ""

_FROM_5 = """
ALTER TABLE samples ADD COLUMN cluster TEXT;
ALTER TABLE samples ADD COLUMN attributes TEXT;
"""
"""What public benchmarks say of a sample; NULL where one says nothing."""

_FROM_6 = "ALTER TABLE edits ADD COLUMN change REAL;"
"""How far an edit differs from its source; NULL where that was not measured."""


def create_or_migrate(database: sqlite3.Connection, edits: EditPictures, path: Path) -> None:
    """Gives an empty database its tables, and an older record what it lacks; killed in the middle, it is as it was.

    Raises:
        OutputError: when the record was written by a later version.
    """
    if _version(database) == SCHEMA_VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        _migrate(database, _version(database), edits, path)  # which another process may have done by now
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _migrate(database: sqlite3.Connection, version: int, edits: EditPictures, path: Path) -> None:
    if not 0 <= version <= SCHEMA_VERSION:
        raise OutputError(
            f"{path} has record version {version}, this EditLoop writes {SCHEMA_VERSION}; use another directory"
        )
    if version == SCHEMA_VERSION:
        return
    script = (
        "".join((_FROM_1, _FROM_2, _FROM_3, _FROM_4, _FROM_5, _FROM_6)[version - 1 :]) if version else _SCHEMA
    ) + _INDEXES
    for statement in script.split(";"):
        database.execute(statement)
    if version == 1:
        digests = _digests(database, edits)
        database.executemany("UPDATE edits SET sha256 = ? WHERE edit_key = ?", digests)
    database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _digests(database: sqlite3.Connection, edits: EditPictures) -> list[tuple[str, str]]:
    """Digest and key of each edit whose picture is there in its full length."""
    found = []
    for key, size in database.execute("SELECT edit_key, bytes FROM edits WHERE reason IS NULL"):
        picture = edits.path(key)
        if picture.is_file() and picture.stat().st_size == size:
            found.append((content_hash(picture.read_bytes()), key))
    return found
