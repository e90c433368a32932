"""Plain rows of an image and an instruction: JSON Lines, CSV, folders."""

from __future__ import annotations

import base64
import contextlib
import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from main import app
from src.data.convert.run import Conversion, build_converter, convert
from src.data.inspect import inspect_benchmark
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.errors import DataError
from tests.conftest import png

RED, BLUE = png((200, 0, 0)), png((0, 0, 200))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    (made / "pictures").mkdir(parents=True)
    (made / "pictures" / "red.png").write_bytes(RED)
    (made / "pictures" / "blue.png").write_bytes(BLUE)
    return made


def converted(source: Path, **params: Any) -> tuple[Conversion, list[EditSample]]:
    output = source.parent / "out" / "benchmark.jsonl"
    result = convert(build_converter("plain", params), str(source), output)
    samples = list(load_samples(str(output), Selection()))
    assert all(isinstance(sample, EditSample) for sample in samples), samples
    return result, samples  # type: ignore[return-value]


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def table(path: Path, *rows: dict[str, str], encoding: str = "utf-8", delimiter: str = ",") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_json_lines_with_paths_data_uris_and_further_fields(folder: Path) -> None:
    uri = f"data:image/png;base64,{base64.b64encode(BLUE).decode()}"
    rows = [
        {
            "image": "pictures/red.png",
            "instruction": "make it blue",
            "category": "lighting",
            "difficulty": 3,
            "id": "a",
        },
        {"image": uri, "instruction": "make it red", "tags": ["x", "y"], "reference": "pictures/red.png"},
    ]
    result, (first, second) = converted(jsonl(folder / "my.jsonl", *rows), category="colour")
    assert (result.items, result.images, result.bad) == (2, 2, [])
    assert (first.sample_id, first.category, first.instruction, first.difficulty) == (
        "a",
        "lighting",
        "make it blue",
        "3",
    )
    assert first.source.read_bytes() == RED
    assert (second.category, second.tags, second.source.read_bytes()) == ("colour", ("x", "y"), BLUE)
    assert second.reference is not None
    assert second.reference.read_bytes() == RED


@pytest.mark.parametrize(
    ("name", "encoding", "delimiter"), [("a.csv", "utf-8", ","), ("a.CSV", "utf-8-sig", ","), ("a.tsv", "utf-8", "\t")]
)
def test_tables_with_and_without_a_mark_of_their_encoding(
    folder: Path, name: str, encoding: str, delimiter: str
) -> None:
    rows = [
        {
            "file": "pictures/red.png",
            "caption": 'say "hi", then\ngo',
            "category": "因果",
            "tags": "a; b",
            "difficulty": "",
        },
        {"file": "pictures/blue.png", "caption": "下雨", "category": "", "tags": "", "difficulty": "hard"},
    ]
    source = table(folder / name, *rows, encoding=encoding, delimiter=delimiter)
    _, (first, second) = converted(source, image="file", instruction="caption", category="物理")
    assert (first.instruction, first.category, first.tags, first.difficulty) == (
        'say "hi", then\ngo',
        "因果",
        ("a", "b"),
        None,
    )
    assert (second.instruction, second.category, second.tags, second.difficulty) == ("下雨", "物理", (), "hard")


def test_a_folder_of_pictures_with_texts_beside_them(folder: Path) -> None:
    (folder / "pictures" / "red.txt").write_text("make it blue\n", encoding="utf-8")
    result, (only,) = converted(folder, category="colour")
    assert (only.sample_id, only.instruction, only.category) == ("red", "make it blue", "colour")
    assert result.bad == ["row 0: pictures/blue.png: its instruction blue.txt does not exist"]


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv"])
def test_a_folder_with_a_table_of_file_names(folder: Path, name: str) -> None:
    row = {"file_name": "pictures/red.png", "instruction": "make it blue"}
    (jsonl if name.endswith("jsonl") else table)(folder / name, row)
    _, (only,) = converted(folder, category="colour")
    assert only.source.read_bytes() == RED


def test_each_bad_row_is_named_and_the_good_ones_are_kept(folder: Path) -> None:
    good = {"image": "pictures/red.png", "instruction": "go", "category": "c"}
    bad = [
        {**good, "image": "../secret.png"},
        {**good, "image": "/etc/passwd"},
        {**good, "image": "pictures/none.png"},
        {**good, "instruction": " "},
        {**good, "category": None},
        {"instruction": "go", "category": "c"},
        {**good, "image": 5},
    ]
    result, samples = converted(jsonl(folder / "my.jsonl", *bad, good))
    assert len(samples) == 1
    assert len(result.bad) == len(bad)
    for problem, words in zip(
        result.bad,
        ("leads out", "leads out", "`image`", "`instruction`", "--set category=NAME", "`image`", "`image`"),
        strict=True,
    ):
        assert words in problem


def test_a_link_out_of_the_folder_is_followed_only_when_told(folder: Path) -> None:
    (folder.parent / "elsewhere.png").write_bytes(BLUE)
    (folder / "link.png").symlink_to(folder.parent / "elsewhere.png")
    source = jsonl(folder / "my.jsonl", {"image": "link.png", "instruction": "go", "category": "c"})
    with pytest.raises(DataError, match="leads out"):
        converted(source)
    assert converted(source, follow_links=True)[1][0].source.read_bytes() == BLUE


@pytest.mark.parametrize(
    ("text", "message"),
    [(b"", "no rows"), (b"image,instruction\n", "no rows"), (b"image,instruction\n\xff\xfe,go\n", "UTF-8")],
)
def test_a_table_that_cannot_be_read_is_an_error_with_advice(folder: Path, text: bytes, message: str) -> None:
    (folder / "a.csv").write_bytes(text)
    with pytest.raises(DataError, match=message):
        converted(folder / "a.csv", category="c")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300) | st.text(alphabet='image,instruction\n"\r\t;\0物', max_size=200).map(str.encode))
def test_no_bytes_of_a_table_are_more_than_an_error_or_bad_rows(folder: Path, data: bytes) -> None:
    (folder / "a.csv").write_bytes(b"image,instruction,category\n" + data)
    with contextlib.suppress(DataError):
        converted(folder / "a.csv")


def test_from_rows_to_a_sound_benchmark_by_the_command(folder: Path, tmp_path: Path) -> None:
    source = table(folder / "my.csv", {"image": "pictures/red.png", "instruction": "make it rain"})
    output = tmp_path / "benchmark.jsonl"
    arguments = ["data", "convert", "--from", "plain", "--set", "category=物理", str(source), str(output)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert inspect_benchmark(str(output)).is_sound
