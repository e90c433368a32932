"""docs/architecture.md names files and functions that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
ROWS = [row for row in PAGE.partition("## Where is …?")[2].splitlines() if row.startswith("| ") and "`" in row]


def named_files(text: str) -> list[Path]:
    """The files that a text names, below `src` or the root."""
    paths = [folder / name for name in re.findall(r"`([a-z_/0-9]+\.py)`", text) for folder in (ROOT / "src", ROOT)]
    return [path for path in paths if path.is_file()]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:[a-z_0-9]+/)+[a-z_0-9]*(?:\.py)?)`", PAGE))))
def test_every_file_and_folder_that_the_page_names_is_there(name: str) -> None:
    ours = {path.name for path in (ROOT / "src").iterdir()} | {"src", "tests", "docs"}
    if name.partition("/")[0] in ours:
        assert (ROOT / "src" / name).exists() or (ROOT / name).exists()


@pytest.mark.parametrize("row", ROWS[:9])
def test_every_function_that_the_table_names_is_in_a_file_of_its_row(row: str) -> None:
    _, _, files, there, _ = row.split("|")
    texts = [path.read_text(encoding="utf-8") for path in named_files(files)]
    names = [name for name in re.findall(r"`(\w+)`", there) if name != "None"]
    assert names
    assert not [name for name in names if not any(re.search(rf"(def|class) {name}\b", text) for text in texts)]


@pytest.mark.parametrize(("heading", "most"), [("The life of a sample", 17), ("The life of a completion", 11)])
def test_a_walk_enters_no_file_twice(heading: str, most: int) -> None:
    section = PAGE.partition(f"## {heading}")[2].partition("\n## ")[0]
    steps = re.findall(r"^\d+\. (.*)", section, re.MULTILINE)
    first = [re.search(r"`([a-z_/0-9]+\.py)`", step) for step in steps]
    names = [found[1] for found in first if found]
    assert len(names) == len(set(names)) == most
