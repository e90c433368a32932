"""The report's table on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from src.reporting.report import DIFFICULTIES
from src.reporting.wording import (
    category_label,
    class_name,
    coverage,
    duration,
    incomplete_notice,
    judge_usage,
    left_out,
    near_copies,
    number,
    of_shard,
    one_line,
    work_done,
)

LABEL_WIDTH = 16
FAILURES_SHOWN = 5
WIDE = 100
"""The width in characters from which on columns stand two blanks apart."""


def print_report(report: dict[str, Any], console: Console) -> None:
    """Prints means by category and difficulty with intervals and coverage, what failed, and what it took.

    Fits terminals of 80 columns and more; longer texts are cut, and figures of a protocol wrapped. Texts from data are
    never read as markup.
    """
    editor, judge = class_name(report["editor"]), class_name(report["scorer"])
    _line(console, Text.assemble((editor, "bold"), " judged by ", (judge, "bold"), of_shard(report)))
    console.print(_table(report, wide=console.width >= WIDE))
    if "protocol" in report:
        _print_protocol(report["protocol"], console)
    for failure in report["failures"][:FAILURES_SHOWN]:
        _line(console, Text(_failure(failure), style="red"))
    if (more := len(report["failures"]) - FAILURES_SHOWN) > 0:
        _line(console, Text(f"… and {more} more reasons, all in the report", style="red"))
    if told := near_copies(report):
        _line(console, Text(told, style="yellow"))
    if report["left_out_by_selection"]:
        _line(console, Text(f"left out by selection: {left_out(report['left_out_by_selection'])}", style="yellow"))
    if notice := incomplete_notice(report):
        console.print(Text(notice, style="bold yellow"))
    _line(console, Text(_effort("edits", "edit", report["timings"]), style="dim"))
    _line(console, Text(_effort("verdicts", "judge", report["timings"]), style="dim"))
    if used := judge_usage(report["usage"]):
        _line(console, Text(f"judge: {used}", style="dim"))


def _print_protocol(told: dict[str, Any], console: Console) -> None:
    """The overall figures of each table on the protocol's own scale, and how far published tables may stand beside."""
    for table in told["tables"]:
        for row in table["rows"]:
            if row["name"].startswith("overall"):
                figures = [f"{name} {number(value, 2)}" for name, value in row["values"].items()]
                counted = f"{row['scored']} / {row['total']}"
                noted = f" ({row['note']})" if row["note"] else ""
                text = f"{told['name']}, {table['title']}, {row['name']}{noted}: {', '.join(figures)}; {counted} scored"
                console.print(Text(text, style="bold"))
    console.print(Text(told["comparable"], style="yellow"))


def _line(console: Console, text: Text) -> None:
    console.print(text, no_wrap=True, overflow="ellipsis")


def _table(report: dict[str, Any], *, wide: bool) -> Table:
    difficulties = [name for name in DIFFICULTIES if name in report["difficulty_statistics"]]
    table = Table(box=box.HORIZONTALS, show_edge=False, pad_edge=False, padding=(0, int(wide), 0, 0))
    table.add_column("category", no_wrap=True, max_width=LABEL_WIDTH)
    table.add_column("mean", justify="right", no_wrap=True, style="bold")
    table.add_column("95 % interval", justify="right", no_wrap=True, style="dim")
    table.add_column("", min_width=2, max_width=20)
    table.add_column("scored", justify="right", no_wrap=True)
    table.add_column("coverage", justify="right", no_wrap=True)
    for name in difficulties:
        table.add_column(name, justify="right", no_wrap=True)
    for name, values in report["category_statistics"].items():
        table.add_row(*_cells(category_label(name), values, report["category_by_difficulty"][name], difficulties))
    table.add_section()
    overall = _cells("all", report["overall_statistics"], report["difficulty_statistics"], difficulties)
    table.add_row(*overall, style="bold")
    return table


def _cells(
    label: str, values: Mapping[str, Any], groups: Mapping[str, Any], difficulties: Sequence[str]
) -> list[Text | ProgressBar]:
    interval = "[{:.2f}, {:.2f}]".format(*values["ci95"]) if values["ci95"] else ""
    complete = "" if values["num_samples"] == values["total"] else "yellow"
    means = [groups[name]["mean"] if name in groups else None for name in difficulties]
    return [
        Text(label, overflow="ellipsis"),
        Text(number(values["mean"], 2)),
        Text(interval),
        ProgressBar(total=10, completed=values["mean"] or 0, complete_style="cyan", finished_style="cyan"),
        Text(f"{values['num_samples']}/{values['total']}", style=complete),
        Text(coverage(values), style=complete),
        *(Text(number(mean, 2)) for mean in means),
    ]


def _failure(failure: Mapping[str, Any]) -> str:
    more = ", …" if failure["count"] > 1 else ""
    return one_line(f"{failure['count']} {failure['status']} ({failure['sample_ids'][0]}{more}): {failure['reason']}")


def _effort(work: str, stage: str, timings: Mapping[str, Any]) -> str:
    spread = timings[f"{stage}_seconds"]
    each = f", {duration(spread['mean'])} each" if spread else ""
    return f"{work}: {work_done(timings[f'{work}_made'], timings[f'{work}_reused'])}{each}"
