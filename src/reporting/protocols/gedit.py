"""GEdit-Bench's tables: means by task and over the tasks, for each language, and for the intersection subset."""

from __future__ import annotations

from collections.abc import Sequence

from src.data.verdict import Status
from src.reporting.protocols.tables import ProtocolRow, ProtocolTable, dimension, grouped, macro_row, mean_row
from src.reporting.statistics import SCORES

TASKS = (
    *("background_change", "color_alter", "material_alter", "motion_change", "ps_human", "style_change"),
    *("subject-add", "subject-remove", "subject-replace", "text_change", "tone_transfer"),
)
METRICS = (
    dimension("SC", SCORES, "semantic_consistency"),
    dimension("PQ", SCORES, "perceptual_quality"),
    dimension("O", SCORES, "protocol_score"),
)


def gedit_tables(rows: Sequence[ProtocolRow], as_published: bool) -> list[ProtocolTable]:
    """The full set and the intersection subset, each language apart.

    What cannot be read of an item, its language among it, is in the tables if all others are in one language.
    """
    languages = list(dict.fromkeys(_language(row) for row in rows if row.status is not Status.BAD_SAMPLE))
    tables = []
    for language in languages or [""]:
        told = [row for row in rows if _language(row) == language or (_unreadable(row) and len(languages) <= 1)]
        both = [row for row in told if str(row.attributes.get("Intersection_exist", "")).lower() == "true"]
        named = f", {language}" if language else ""
        tables += [
            _table(f"{title}{named}", some) for title, some in (("full set", told), ("intersection", both)) if some
        ]
    return tables


def _language(row: ProtocolRow) -> str:
    return str(row.attributes.get("instruction_language", ""))


def _unreadable(row: ProtocolRow) -> bool:
    return row.status is Status.BAD_SAMPLE and not _language(row)


def _table(title: str, rows: Sequence[ProtocolRow]) -> ProtocolTable:
    tasks = [mean_row(name, group, METRICS) for name, group in grouped(rows, TASKS).items()]
    whole = [macro_row(tasks, METRICS, len(TASKS), "tasks"), mean_row("overall, micro", rows, METRICS)]
    return ProtocolTable(title, METRICS, (*tasks, *whole))
