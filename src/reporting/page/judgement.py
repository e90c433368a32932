"""What a card says of a judgement: each of its repeats, how far they disagree, the replies and the prompts as sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from src.reporting.page.model import Repeat, Word
from src.reporting.statistics import disagreement


def judgement(row: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the `Outcome` of a sample as it stands in a report."""
    repeats = [_repeat(one) for one in row.get("repeats", ())]
    return {
        "disagreement": disagreement([one.score for one in repeats]),
        "replies": () if repeats else row["replies"],
        "repeats": repeats,
        "prompts": [list(_prompt(one)) for one in row.get("prompts", ())],
    }


def _repeat(one: Mapping[str, Any]) -> Repeat:
    told = {name: one[name] for name in ("status", "score", "dimensions", "replies", "seconds")}
    return Repeat(**told, reason=one["reason"] or "")


def _prompt(one: Mapping[str, Any]) -> Iterator[str]:
    """The texts of a prompt in the order in which they were sent, each part under a mark."""
    if one["system"]:
        yield from (Word("mark_system"), one["system"])
    yield Word("mark_user")
    for label in one["labels"]:
        if label:
            yield label
        yield Word("mark_image")
    yield one["text"]
