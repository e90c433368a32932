"""A leaderboard on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from src.counted import counted
from src.reporting.comparison_wording import interval, run_label
from src.reporting.console import LABEL_WIDTH, WIDE
from src.reporting.wording import class_name, coverage, number, one_line


def print_leaderboard(report: Mapping[str, Any], console: Console) -> None:
    """Prints a table for each benchmark and judge, and what is not in any of them. Texts are never read as markup."""
    for board in report["boards"]:
        console.print(_table(board, wide=console.width >= WIDE))
    told = (
        "Runs that share a letter cannot be told apart (p ≥ 0.05 by Holm over all pairs of their table, "
        "or too few samples for a test)."
    )
    console.print(Text(told, style="dim"), soft_wrap=True)
    for entry in report["skipped"]:
        text = f"not shown: {one_line(entry['folder'])}: {one_line(entry['reason'])}"
        console.print(Text(text, style="yellow"), soft_wrap=True)


def _table(board: Mapping[str, Any], *, wide: bool) -> Table:
    data = ", ".join(map(one_line, board["data"]))
    title = Text(
        f"{counted(board['samples'], 'sample')} of {data}, judged by {class_name(board['judgement'])}",
        overflow="ellipsis",
    )
    table = Table(title=title, title_justify="left", box=box.HORIZONTALS, show_edge=False, pad_edge=False)
    table.add_column("run", overflow="ellipsis", no_wrap=True, max_width=None if wide else 2 * LABEL_WIDTH)
    for name in ("group", "mean [95 %]", "scored", "coverage"):
        table.add_column(name, justify="right", no_wrap=True)
    if wide:
        table.add_column("editor", overflow="ellipsis", no_wrap=True)
    for run in board["runs"]:
        overall = run["overall"]
        cells = [run_label(run), run["group"], f"{number(overall['mean'], 2)} {interval(overall['ci95'])}"]
        cells += [f"{overall['num_samples']}/{overall['total']}", coverage(overall)]
        table.add_row(*map(Text, [*cells, *([run["editor"]] if wide else [])]))
    return table
