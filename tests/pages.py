"""Reads pages as the tests need them: the data inside, and what is around it."""

from __future__ import annotations

import json
import re
from typing import Any

_BLOCK = re.compile(r'<script type="application/json" (?:id|class)="(data|thumbnails)">(.*?)</script>', re.DOTALL)


def page_data(page: str) -> dict[str, Any]:
    """The data that the page's script reads."""
    found: dict[str, Any] = json.loads(_BLOCK.search(page).group(2))  # type: ignore[union-attr]
    return found


def thumbnails(page: str) -> list[str]:
    """The data URIs of the page's thumbnails, in order."""
    return [uri for kind, text in _BLOCK.findall(page) if kind == "thumbnails" for uri in json.loads(text)]


def around_the_data(page: str) -> str:
    """The page without its data blocks."""
    return _BLOCK.sub("", page)


def pictures(card: dict[str, Any]) -> list[dict[str, Any]]:
    """Every picture of a card: inputs, outcomes, reference."""
    outcomes = [outcome["picture"] for outcome in card.get("outcomes", []) if "picture" in outcome]
    return [*card.get("inputs", []), *outcomes, *([card["reference"]] if "reference" in card else [])]
