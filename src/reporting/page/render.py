"""Renders a `Page` as one HTML file that needs no network and in which nothing runs but its own script."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from src.reporting.page.model import Outcome, Page, Picture, Word

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("dom.js", "state.js", "chart.js", "card.js", "gallery.js", "judgement.js", "viewer.js", "start.js")
"""The page's script, in the order in which its parts are joined."""
CHUNK = 128
"""Thumbnails in one data block of the page, which the script reads when the first of them is shown."""

_DANGEROUS = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def render_page(page: Page) -> str:
    """The page as one text; see `page_parts`."""
    return "".join(page_parts(page))


def page_parts(page: Page) -> Iterator[str]:
    """Yields the page as HTML, with its style, script and thumbnails inside, so that it is never in memory as a whole.

    A Content-Security-Policy lets run only the script whose digest it states, and load only pictures that are inside
    the page or lie beside it.
    """
    style, script = _text("page.css"), _script()
    once = _Once()
    cards = [_plain(card, once) for card in page.cards]
    data = {
        "words": words(),
        "language": page.language,
        "chunk": CHUNK,
        "charts": [_plain(chart, once) for chart in page.charts],
        "cards": cards,
        "lines": list(once.lines),
    }
    template = _environment().get_template("page.html.j2")
    yield from template.generate(
        page=page,
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
        data=json_block(data),
        chunks=(json_block(once.thumbnails[start : start + CHUNK]) for start in range(0, len(once.thumbnails), CHUNK)),
    )


def json_block(value: Any) -> Markup:
    """JSON that can stand in a `<script type="application/json">`: no text in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_DANGEROUS))


@cache
def words() -> dict[str, list[str]]:
    """The page's own texts, English and Chinese, by key."""
    found: dict[str, list[str]] = json.loads(_text("words.json"))
    return found


@cache
def _text(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    parts = "\n".join(_text(name) for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}\n}})();\n'


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; img-src 'self' data:; script-src {_digest(script)}; style-src {_digest(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["word"] = _word
    return environment


def _word(text: str) -> Markup | str:
    """A `Word` as an element that the script translates; any other text as it is, to be escaped."""
    if not isinstance(text, Word):
        return text
    return Markup('<span data-word="{}">{}</span>').format(str(text), words()[text][0])


@dataclass
class _Once:
    """What the page holds once, and its cards name by number."""

    thumbnails: list[str] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    """The lines of all prompts, which have most of them in common."""

    def prompt(self, texts: Sequence[str]) -> list[Any]:
        """The numbers of the lines, and words as they are."""
        shown: list[Any] = []
        for text in [texts] if isinstance(texts, str) else texts:
            numbers = (self.lines.setdefault(line, len(self.lines)) for line in text.split("\n"))
            shown.extend([_plain(text, self)] if isinstance(text, Word) else numbers)
        return shown


def _plain(value: Any, once: _Once) -> Any:
    """Data of JSON; thumbnails and prompts are moved, and what is empty is left out."""
    if isinstance(value, Word):
        return {"word": str(value)}
    if isinstance(value, str | int | float):
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
        return {str(key): _plain(item, once) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item, once) for item in value]
    return value


def _fields(value: Any, once: _Once) -> Iterator[tuple[str, Any]]:
    for each in fields(value):
        item = getattr(value, each.name)
        if item is None or item is False or (each.name == "thumbnail" and isinstance(value, Picture)):
            continue
        if isinstance(item, str | Mapping | Sequence) and not item:
            continue
        is_prompts = each.name == "prompts" and isinstance(value, Outcome)
        yield each.name, list(map(once.prompt, item)) if is_prompts else _plain(item, once)
