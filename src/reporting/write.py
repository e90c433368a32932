"""Puts a report on disk: JSON and Markdown, atomically, never over an older one."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from src.errors import OutputError
from src.reporting.markdown import render_markdown


@dataclass(frozen=True)
class ReportPaths:
    """Where a report was written."""

    json: Path
    markdown: Path


def write_reports(report: dict[str, Any], results_dir: Path, now: datetime) -> ReportPaths:
    """Writes `evaluation_report_YYYYMMDD_HHMMSS.{json,md}`; a suffix `_2`, `_3` … keeps an existing one.

    Raises:
        OutputError: when the folder cannot be written.
    """
    stem = f"evaluation_report_{now:%Y%m%d_%H%M%S}"
    try:
        results_dir.mkdir(parents=True, exist_ok=True)
        number = 1
        while (results_dir / f"{stem}.json").exists():
            number += 1
            stem = f"evaluation_report_{now:%Y%m%d_%H%M%S}_{number}"
        paths = ReportPaths(results_dir / f"{stem}.json", results_dir / f"{stem}.md")
        _write(paths.markdown, render_markdown(report))
        _write(paths.json, json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False))
    except OSError as error:
        raise OutputError(
            f"the report cannot be written to {results_dir}: {error.strerror or error}; "
            "free or choose another place, then `python main.py report DIR`"
        ) from error
    return paths


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
