from __future__ import annotations

import io
import json
import logging
import re
import warnings
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from src.config import LoggingConfig
from src.run_log import log_to
from src.terminal import SafeConsole, clean, clean_json

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\rforged\u202e"
ALLOWED = re.compile("[^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*")


@given(st.text())
def test_clean_text_holds_no_control_character_and_else_what_it_held(text: str) -> None:
    assert ALLOWED.fullmatch(clean(text))
    if ALLOWED.fullmatch(text):
        assert clean(text) == text


def test_a_console_shows_hostile_text_without_obeying_it_wherever_it_stands() -> None:
    shown = io.StringIO()
    console = SafeConsole(file=shown, force_terminal=True, width=200)
    table = Table(HOSTILE)
    table.add_row(HOSTILE, style="red")
    table.add_row(Text(HOSTILE))
    for renderable in (HOSTILE, Text(HOSTILE), table):
        console.print(renderable)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue())
    assert ALLOWED.fullmatch(plain), ascii(plain)
    assert plain.count("forged") == 5


def test_a_message_cannot_forge_a_line_of_the_log(tmp_path: Path) -> None:
    log_to(LoggingConfig(console_output=False), tmp_path / "x.log", SafeConsole())
    logging.getLogger("tests").warning("reply: %s", "8\n2026-01-01 00:00:00,000 INFO src: all is well\x1b[2J")
    logging.getLogger("tests").warning("next")
    text = (tmp_path / "x.log").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if not line.startswith(" ")] == [
        line for line in text.splitlines() if " WARNING tests: " in line
    ]
    assert "all is well␛[2J" in text


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_clean_json_says_the_same_and_controls_nothing(value: object) -> None:
    text = clean_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert ALLOWED.fullmatch(text)
    assert json.loads(text) == value


def test_no_handler_of_a_library_shows_what_controls_a_terminal(tmp_path: Path) -> None:
    shown = io.StringIO()
    library = logging.getLogger("a_library_with_a_handler_of_its_own")
    library.addHandler(handler := logging.StreamHandler(shown))
    library.propagate = False
    console = SafeConsole(file=io.StringIO())
    factory = logging.getLogRecordFactory()
    logging.captureWarnings(False)  # pytest has taken back what an earlier test may have turned on
    try:
        log_to(LoggingConfig(console_output=False), tmp_path / "x.log", console)
        library.warning("truncated: %s", HOSTILE)
        warnings.showwarning(UserWarning(f"odd picture: {HOSTILE}"), UserWarning, "x.py", 1)  # pytest takes others
    finally:
        library.removeHandler(handler)
        logging.setLogRecordFactory(factory)
        logging.captureWarnings(False)
    assert "forged" in shown.getvalue()
    assert ALLOWED.fullmatch(shown.getvalue())
    assert "odd picture: ␛" in (tmp_path / "x.log").read_text(encoding="utf-8")
