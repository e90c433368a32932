"""Numbers that people write, in files and in options of commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from main import app
from src.plain_decimal import plain_decimal


@pytest.mark.parametrize(("text", "value"), [("7", 7.0), (" -0.5 ", -0.5), ("+.5", 0.5), ("1.", 1.0), ("1e-3", 0.001)])
def test_plain_numbers_are_read(text: str, value: float) -> None:
    assert plain_decimal(text) == value


@pytest.mark.parametrize("text", ["1_0", "７", "nan", "inf", "-Infinity", "", " ", "1,5", "0x10", "1 0", ".", "7\n8"])
def test_what_only_python_takes_for_a_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no plain number"):
        plain_decimal(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_that_python_writes_is_read_as_itself(value: float) -> None:
    assert plain_decimal(repr(value)) == value


@pytest.mark.parametrize(
    "arguments",
    [
        ("drift", "RUN", "--threshold"),
        ("compare", "RUN", "OTHER", "--tie"),
        ("compare", "RUN", "OTHER", "--fail-if-worse"),
        ("data", "pairs", "OUT.jsonl", "RUN", "OTHER", "--least-gap"),
        ("calibrate", "RUN", "--scale", "0"),
    ],
)
@pytest.mark.parametrize("number", ["1_0", "nan", "inf"])
def test_an_option_takes_plain_numbers_only(tmp_path: Path, arguments: tuple[str, ...], number: str) -> None:
    done = CliRunner().invoke(app, [*arguments, number], env={"COLUMNS": "200"})
    assert (done.exit_code, f"'{number}' is no plain number" in done.output) == (2, True), done.output
