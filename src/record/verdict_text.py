"""Repeats and prompts of a verdict as the record keeps them, once each and small."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from src.data.verdict import SentPrompt, Verdict
from src.redaction import masked, withheld

_KEPT = [one.name for one in fields(Verdict) if one.name not in ("repeats", "prompts")]

_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def repeats_text(verdict: Verdict) -> str | None:
    """The repeats as JSON, with the places of their replies among those of the verdict; None where not known."""
    if verdict.repeats is None:
        return None
    places = {text: place for place, text in enumerate(verdict.replies)}
    return _to_json([_repeat(one, places) for one in verdict.repeats])


def _repeat(one: Verdict, places: dict[str, int]) -> dict[str, Any]:
    row = {name: value for name in _KEPT if (value := getattr(one, name)) not in (None, (), {}, "")}
    row["replies"] = [places[text] for text in one.replies]
    return row | ({"reason": masked(one.reason)} if one.reason else {})


def repeats_of(stored: Any, replies: Sequence[Any]) -> Any:
    """What `repeats_text` has stored, decoded from JSON, as data of verdicts.

    Raises:
        TypeError, LookupError: it is damaged.
    """
    return [{**one, "replies": [replies[place] for place in one["replies"]]} for one in stored]


def packed_prompts(prompts: Sequence[SentPrompt]) -> bytes | None:
    """The prompts, compressed, as those of one sample have much in common; without secrets."""
    text = withheld(_to_json([asdict(one) for one in prompts]))
    return zlib.compress(text.encode(errors="replace"), 9) if prompts else None


def unpacked_prompts(stored: Any) -> list[dict[str, Any]]:
    """What `packed_prompts` has stored; none where there is nothing, or nothing that can be read."""
    try:
        found: list[dict[str, Any]] = json.loads(zlib.decompress(stored)) if stored else []
    except (zlib.error, ValueError, TypeError):
        return []
    return found
