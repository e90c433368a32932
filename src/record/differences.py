"""Where two identities differ, named by dotted paths and worded for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

ABSENT = object()
SHOWN_CHARACTERS = 60


def differing_values(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The paths at which two mappings of JSON data differ, each with both values as text: `params.steps`, `8`, `4`."""
    old, new = dict(_leaves(first)), dict(_leaves(second))
    return [
        (name, _worded(old.get(name, ABSENT)), _worded(new.get(name, ABSENT)))
        for name in {**old, **new}
        if old.get(name, ABSENT) != new.get(name, ABSENT)
    ]


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else key)
    else:
        yield name, value


def _worded(value: Any) -> str:
    if value is ABSENT:
        return "not set"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
