"""Puts the report of `judge-bench` on disk, and reads what another judge has said from its record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from src.data.preferences import PreferencePair
from src.data.sample import BadSample
from src.record.record import Record
from src.record.results import SampleResult
from src.reporting.judge_bench.compared import compared_pairs
from src.reporting.judge_bench.report import OtherJudge
from src.reporting.judge_bench.tables import judge_bench_markdown
from src.reporting.page.judge_bench_page import judge_bench_page
from src.reporting.page.render import page_parts
from src.reporting.write import Renderer, ReportPaths, readable_json, write_together


def write_judge_bench(
    report: dict[str, Any],
    results: Sequence[SampleResult],
    data: Iterable[PreferencePair | BadSample],
    folder: Path,
) -> ReportPaths:
    """Writes `judge_bench_YYYYMMDD_HHMMSS.{md,json,html}`; a suffix `_2`, `_3` … keeps an existing one.

    Args:
        report: As `build_judge_bench` makes it.
        results: What it is made of.
        data: The pairs of the file once more, with their pictures.
        folder: Where the files go.

    Raises:
        OutputError: when the folder cannot be written.
    """
    pairs = list(compared_pairs(results))
    renderers: dict[str, Renderer] = {
        ".md": lambda path: judge_bench_markdown(report),
        ".json": lambda path: readable_json(report),
        ".html": lambda path: page_parts(judge_bench_page(report, pairs, data, folder), path),
    }
    stem = f"judge_bench_{datetime.now():%Y%m%d_%H%M%S}"
    paths = write_together(folder, stem, renderers, "`python main.py judge-bench … --output-dir DIR`")
    return ReportPaths(paths[".json"], paths[".md"], paths[".html"])


def read_other(folder: Path) -> OtherJudge:
    """What the latest measurement in a folder says.

    Raises:
        OutputError: the folder holds none.
    """
    with closing(Record(folder, for_reading=True)) as record:
        return OtherJudge(str(folder), list(record.results(record.latest_run().run_key)))
