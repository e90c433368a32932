"""Puts a report on disk: JSON, Markdown and a page, atomically, never over an older one."""

from __future__ import annotations

import json
import os
from dataclasses import astuple, dataclass
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any

from src.errors import OutputError
from src.reporting.markdown import render_markdown
from src.reporting.page.render import render_page
from src.reporting.page.run_page import run_page
from src.terminal import clean_json


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Where a report was written."""

    json: Path
    markdown: Path
    page: Path


def write_reports(report: dict[str, Any], results_dir: Path, now: datetime, run_dir: Path) -> ReportPaths:
    """Writes `evaluation_report_YYYYMMDD_HHMMSS.{json,md,html}`; a suffix `_2`, `_3` … keeps an existing one.

    Args:
        report: As `build_report` makes it.
        results_dir: Where the files go.
        now: The time in their names.
        run_dir: Output directory of the run, whose edits the page shows.

    Raises:
        OutputError: when the folder cannot be written.
    """
    try:
        results_dir.mkdir(parents=True, exist_ok=True)
        paths = _free_paths(results_dir, f"evaluation_report_{now:%Y%m%d_%H%M%S}")
        _write(paths.markdown, render_markdown(report))
        _write(paths.json, clean_json(_json(report)))
        _write(paths.page, render_page(run_page(report, run_dir, results_dir)))
    except OSError as error:
        raise OutputError(
            f"the report cannot be written to {results_dir}: {error.strerror or error}; "
            "make room, or name another place: `python main.py report RUN_DIR --output-dir DIR`"
        ) from error
    return paths


def _free_paths(folder: Path, stem: str) -> ReportPaths:
    names = chain([stem], (f"{stem}_{number}" for number in count(2)))
    choices = (ReportPaths(*(folder / f"{name}.{kind}" for kind in ("json", "md", "html"))) for name in names)
    return next(paths for paths in choices if not any(path.exists() for path in astuple(paths)))


def _json(report: dict[str, Any]) -> str:
    """JSON that people can read: indented, but for the samples, of which each has a line of its own."""
    head = json.dumps(report | {"samples": []}, ensure_ascii=False, indent=1, allow_nan=False)
    rows = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in report["samples"])
    # No text inside the report can hold this line: JSON escapes its line breaks.
    return head.replace('\n "samples": []', f'\n "samples": [\n{rows}\n ]', 1)


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        # A lone surrogate cannot be UTF-8; its escape \udXXX is valid JSON for the same text.
        part.write_bytes(text.encode("utf-8", "backslashreplace"))
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
