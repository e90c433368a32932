"""What reaches a terminal or a log: text of others (data, replies, names) neither controls it nor forges a line."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from src.redaction import masked

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, other line ends, and what turns the direction of writing."""
_PICTURES = 0x2400
"""First code point of Unicode's pictures of control characters: ESC is shown as ␛."""
_CONTINUED = "\n    "


def clean(text: str) -> str:
    """The text without secrets, and with every control character but tab and line feed made visible."""
    return _CONTROL.sub(_visible, masked(text))


def clean_json(text: str) -> str:
    """JSON that says the same, with every control character but its own line ends escaped."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    return chr(_PICTURES + code) if code < 0x20 else "␡" if code == 0x7F else "\ufffd"


class SafeConsole(Console):
    """A console that cleans whatever it shows; its own colours and cursor movements stay."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Renders the clean text: here, before it is wrapped, a secret is still in one piece."""
        return super().render_str(clean(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Renders as rich does, with every text cleaned."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(clean(segment.text), segment.style)


class LineFormatter(logging.Formatter):
    """Every record begins a line of its own; what follows in the same record is indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Formats the record, with its traceback if it has one, and cleans it."""
        return clean(super().format(record)).replace("\n", _CONTINUED)


class CleanRecord(logging.LogRecord):
    """A record whose message is clean for every handler: libraries bring handlers of their own, and quote prompts."""

    def getMessage(self) -> str:
        """Returns the clean message."""
        return clean(super().getMessage())


def clean_all_records() -> None:
    """Cleans the message of every record of any logger from now on, and turns Python's warnings into records."""
    logging.setLogRecordFactory(CleanRecord)
    logging.captureWarnings(True)
