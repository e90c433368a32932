"""Renders a `Page` as one HTML file that needs no network and in which nothing runs but its own script."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from src.reporting.page.model import Page, Word
from src.reporting.page.parts import write_parts
from src.reporting.page.plain import Once, json_text, plain

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = (
    "dom.js",
    "parts.js",
    "state.js",
    "chart.js",
    "card.js",
    "gallery.js",
    "judgement.js",
    "viewer.js",
    "start.js",
)
"""The page's script, in the order in which its parts are joined."""
CHUNK = 128
"""Thumbnails in one data block of the page, which the script reads when the first of them is shown."""


def render_page(page: Page) -> str:
    """The page as one text; see `page_parts`."""
    return "".join(page_parts(page))


def page_parts(page: Page, path: Path | None = None) -> Iterator[str]:
    """Yields the page as HTML, with its style, script and thumbnails inside, so that it is never in memory as a whole.

    A Content-Security-Policy lets run only the script whose digest it states and what that script loads, which is the
    files of a page with very many cards, and load only pictures that are inside the page or lie beside it.

    Args:
        page: What it shows.
        path: Where it will lie; a page with `many` cards has files beside it.

    Raises:
        OSError: a file beside the page cannot be written.
    """
    style, script = _text("page.css"), _script()
    once = Once()
    cards = [plain(card, once) for card in page.cards]
    parts = write_parts(page.many, path) if page.many is not None and path is not None else None
    data = {
        "words": words(),
        "language": page.language,
        "chunk": CHUNK,
        "charts": [plain(chart, once) for chart in page.charts],
        "cards": cards,
        "lines": list(once.lines),
        **({"many": parts.data} if parts else {}),
    }
    template = _environment().get_template("page.html.j2")
    yield from template.generate(
        page=page,
        policy=_policy(style, script, loads=parts is not None),
        style=Markup(style),
        script=Markup(script),
        data=json_block(data),
        index=map(Markup, parts.blocks()) if parts else (),
        chunks=(json_block(once.thumbnails[start : start + CHUNK]) for start in range(0, len(once.thumbnails), CHUNK)),
    )


def json_block(value: Any) -> Markup:
    """JSON that can stand in a `<script type="application/json">`: no text in it can end the element."""
    return Markup(json_text(value))


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


def _policy(style: str, script: str, *, loads: bool) -> str:
    """The policy; `strict-dynamic` lets a script load others that was itself let in by its digest."""
    scripts = f"{_digest(script)} 'strict-dynamic'" if loads else _digest(script)
    return (
        f"default-src 'none'; img-src 'self' data:; script-src {scripts}; style-src {_digest(style)}; "
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
