from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from main import app
from src.data.inspect import inspect_benchmark, render_inspection
from src.errors import DataError
from tests.conftest import item

Write = Callable[..., Path]


def jpeg(mode: str) -> str:
    buffer = io.BytesIO()
    Image.new(mode, (16, 16)).save(buffer, "JPEG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_the_stored_formats_show_what_will_be_converted(write_benchmark: Write) -> None:
    path = write_benchmark([item(0), item(1, src_img_b64=jpeg("CMYK")), item(2, src_img_b64="AAAA")])
    assert inspect_benchmark(str(path)).image_kinds == {"PNG RGB": 1, "JPEG CMYK": 1}


def test_equal_source_images_are_counted_once(write_benchmark: Write) -> None:
    path = write_benchmark([item(0), item(1, src_img_b64=item(0)["src_img_b64"]), item(2)])
    assert inspect_benchmark(str(path)).distinct_sources == 2


def test_a_file_that_breaks_off_is_inspected_up_to_the_break(write_benchmark: Write) -> None:
    path = write_benchmark(5)
    path.write_bytes(path.read_bytes()[:-300])
    found = inspect_benchmark(str(path))
    assert found.items == 4
    assert "breaks off" in json.loads(found.to_json())["broken_off"]


def test_a_file_without_a_single_item_is_an_error(write_benchmark: Write) -> None:
    with pytest.raises(DataError, match="holds no items"):
        inspect_benchmark(str(write_benchmark([])))


def test_every_problem_and_the_break_are_printed_even_with_markup_in_them(write_benchmark: Write) -> None:
    path = write_benchmark([item(0, subset="[bold]x"), item(1, id="[red]/"), item(2)])
    path.write_bytes(path.read_bytes()[:-20])
    console = Console(file=io.StringIO(), width=200)
    render_inspection(inspect_benchmark(str(path)), console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[bold]x" in printed
    assert "the id '[red]/' is not safe" in printed
    assert "breaks off" in printed


@pytest.mark.parametrize(("problem", "code"), [("none", 0), ("bad item", 1), ("break", 1)])
def test_strict_inspection_fails_exactly_when_there_is_a_problem(
    write_benchmark: Write, problem: str, code: int
) -> None:
    path = write_benchmark([item(0), item(1, subset="" if problem == "bad item" else "物理"), item(2)])
    if problem == "break":
        path.write_bytes(path.read_bytes()[:-20])
    for arguments in (["--strict"], ["--strict", "--json"]):
        assert CliRunner().invoke(app, ["data", "inspect", str(path), *arguments]).exit_code == code
    done = CliRunner().invoke(app, ["data", "inspect", str(path)])
    assert done.exit_code == 0
    assert ("no problems" in done.stdout) == (code == 0)
