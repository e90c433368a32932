"""What is asked of the record's tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from src.record.rows import WHOLE_VERDICT

ATTEMPTS = """
SELECT a.*, (SELECT COUNT(*) FROM edits e WHERE e.attempt = a.attempt AND e.reason IS NULL) AS edits_made,
    (SELECT COUNT(*) FROM verdicts v WHERE v.attempt = a.attempt) AS verdicts_made
FROM attempts a WHERE run_key = ? ORDER BY attempt
"""

RESULTS = """
SELECT s.*, e.reason AS edit_reason, e.edit_key AS known_edit, e.seconds AS edit_seconds,
    e.source_size, e.size AS edit_size, e.change,
    v.status, v.score, v.dimensions, v.reason, v.replies, v.usage, v.seconds, v.model, v.repeats, v.prompts
FROM samples s LEFT JOIN edits e ON e.edit_key = s.edit_key LEFT JOIN verdicts v ON v.verdict_key = s.verdict_key
WHERE s.run_key = ?
"""

FOUND = f"""
SELECT CASE WHEN {WHOLE_VERDICT} THEN v.status END AS status, e.reason, e.bytes, e.sha256
FROM (SELECT ? AS verdict_key, ? AS edit_key) k
LEFT JOIN verdicts v ON v.verdict_key = k.verdict_key LEFT JOIN edits e ON e.edit_key = k.edit_key
"""


def claimed(
    database: sqlite3.Connection, run_key: str, final: Sequence[str], *, judged: bool
) -> dict[int, tuple[str, str]]:
    """See `Record.claimed`; a hundred thousand rows are joined here, where it takes a third of a second.

    Args:
        database: The record's.
        run_key: Of the run.
        final: The statuses of verdicts that are not tried again.
        judged: Whether samples need a verdict; else an edit suffices.
    """
    cursor = database.cursor()
    cursor.row_factory = None
    done = {
        key
        for (key,) in cursor.execute(
            f"SELECT verdict_key FROM verdicts WHERE status IN ({','.join('?' * len(final))})", final
        )
    }
    if not judged:
        done |= {key for (key,) in cursor.execute("SELECT edit_key FROM edits WHERE reason IS NULL")}
    noted = "SELECT position, category, sample_id, verdict_key, edit_key FROM samples WHERE run_key = ?"
    return {
        place: (category, sample_id)
        for place, category, sample_id, verdict, edit in cursor.execute(noted, (run_key,))
        if (verdict in done or edit in done) and isinstance(category, str)
    }
