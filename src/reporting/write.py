"""Puts a report on disk: JSON, Markdown and a page, atomically, never over an older one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any

from src.errors import OutputError
from src.reporting.markdown import render_markdown
from src.reporting.page.against import Against
from src.reporting.page.render import page_parts
from src.reporting.page.run_page import run_page
from src.terminal import clean_json

Renderer = Callable[[Path], Iterable[str]]
"""Makes a text, or yields its parts, for a file at this path."""


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """The paths of a written report."""

    json: Path
    markdown: Path
    page: Path


def write_reports(
    report: dict[str, Any], results_dir: Path, now: datetime, run_dir: Path, against: Against | None = None
) -> ReportPaths:
    """Writes `evaluation_report_YYYYMMDD_HHMMSS.{json,md,html}`; a suffix `_2`, `_3` … keeps an existing one.

    Args:
        report: As `build_report` or `recorded_report` makes it.
        results_dir: Where the files go.
        now: The time in their names.
        run_dir: Output directory of the run, whose edits the page shows.
        against: Another run, which the page shows as well.

    Raises:
        OutputError: when the folder cannot be written.
    """
    stem = f"evaluation_report_{now:%Y%m%d_%H%M%S}"
    renderers: dict[str, Renderer] = {
        ".md": lambda path: render_markdown(report),
        ".json": lambda path: report_json(report),
        ".html": lambda path: page_parts(run_page(report, run_dir, results_dir, against), path),
    }
    paths = write_together(results_dir, stem, renderers, "`python main.py report RUN_DIR --output-dir DIR`")
    return ReportPaths(paths[".json"], paths[".md"], paths[".html"])


def write_together(folder: Path, stem: str, renderers: Mapping[str, Renderer], elsewhere: str) -> dict[str, Path]:
    """Writes files of one name and several endings; a suffix `_2`, `_3` … to the name keeps those that are there.

    Args:
        folder: Made if it is not there.
        stem: The name without its ending.
        renderers: By ending, with its dot: what makes the text, and may store pictures in the folder. The last one is
            written last.
        elsewhere: The command that writes the same to another place.

    Raises:
        OutputError: when the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = _free_paths(folder, stem, renderers)
        for ending, render in renderers.items():
            _write(paths[ending], render(paths[ending]))
    except OSError as error:
        raise OutputError(
            f"the report cannot be written to {folder}: {error.strerror or error}; "
            f"make room, or name another place: {elsewhere}"
        ) from error
    return paths


def _free_paths(folder: Path, stem: str, endings: Iterable[str]) -> dict[str, Path]:
    names = chain([stem], (f"{stem}_{number}" for number in count(2)))
    candidates = ({ending: folder / f"{name}{ending}" for ending in endings} for name in names)
    return next(paths for paths in candidates if not any(path.exists() for path in paths.values()))


def report_json(report: dict[str, Any]) -> Iterator[str]:
    """Yields JSON that people can read: indented, but for the samples, of which each has a line of its own.

    The prompts of each sample are left to the page and the record: they would be most of the file.
    """
    head = readable_json(report | {"samples": []})
    # No text inside the report can hold this line: JSON escapes its line breaks.
    before, _, after = head.partition('\n "samples": []')
    yield f'{before}\n "samples": [\n'
    for place, row in enumerate(report["samples"]):
        told = {name: value for name, value in row.items() if name != "prompts"}
        text = clean_json(json.dumps(told, ensure_ascii=False, allow_nan=False))
        yield f",\n{text}" if place else text
    yield f"\n ]{after}"


def readable_json(report: dict[str, Any]) -> str:
    """Indented JSON without a control character."""
    return clean_json(json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False))


def _write(path: Path, text: Iterable[str]) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        # A lone surrogate cannot be UTF-8; its escape \udXXX is valid JSON for the same text.
        with part.open("wb") as file:
            for piece in [text] if isinstance(text, str) else text:
                file.write(piece.encode("utf-8", "backslashreplace"))
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
