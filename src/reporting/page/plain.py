"""What a page is made of as JSON data: thumbnails and prompts are held once, and what is empty is left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from typing import Any

from src.reporting.page.model import Outcome, Picture, Word

_AS_IT_IS = (str, int, float)
_CAN_BE_EMPTY = (str, Mapping, Sequence)
_DANGEROUS = {sign: f"\\u{ord(sign):04x}" for sign in ("<", ">", "&", "\u2028", "\u2029")}


def json_text(value: Any) -> str:
    """JSON that can stand in a `<script>`: no text in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign, escape in _DANGEROUS.items():  # five passes are many times as fast as one `translate`
        text = text.replace(sign, escape)
    return text


@dataclass
class Once:
    """What a page holds once, and its cards name by number."""

    thumbnails: list[str] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    """The lines of all prompts, which have most of them in common."""

    def prompt(self, texts: Sequence[str]) -> list[Any]:
        """The numbers of the lines, and words as they are."""
        shown: list[Any] = []
        for text in [texts] if isinstance(texts, str) else texts:
            numbers = (self.lines.setdefault(line, len(self.lines)) for line in text.split("\n"))
            shown.extend([plain(text, self)] if isinstance(text, Word) else numbers)
        return shown


def plain(value: Any, once: Once) -> Any:
    """Data of JSON; thumbnails and prompts are moved, and what is empty is left out."""
    if type(value) in _AS_IT_IS:  # most values: a page of a hundred thousand samples has ten million
        return value
    if isinstance(value, Word):
        return {"word": str(value)}
    if isinstance(value, _AS_IT_IS):
        return value
    if isinstance(value, Picture):
        shown = dict(_fields(value, once))
        if value.thumbnail:
            shown["thumbnail"] = len(once.thumbnails)
            once.thumbnails.append(value.thumbnail)
        return shown
    if is_dataclass(value):
        return dict(_fields(value, once))
    if isinstance(value, Mapping):
        return {str(key): plain(item, once) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [plain(item, once) for item in value]
    return value


def _fields(value: Any, once: Once) -> Iterator[tuple[str, Any]]:
    for name in value.__dataclass_fields__:
        item = getattr(value, name)
        if item is None or item is False or (name == "thumbnail" and isinstance(value, Picture)):
            continue
        if not item and isinstance(item, _CAN_BE_EMPTY):
            continue
        is_prompts = name == "prompts" and isinstance(value, Outcome)
        yield name, list(map(once.prompt, item)) if is_prompts else plain(item, once)
