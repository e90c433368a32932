"""The page of a leaderboard: a table and a chart for each benchmark and judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.data.categories import category_label
from src.reporting.comparison_wording import interval, run_label
from src.reporting.page.model import Cell, Chart, ChartRow, Page, Table, Word
from src.reporting.page.run_page import as_yaml, statistics_mark
from src.reporting.wording import class_name, coverage, number, one_line

RUNS_IN_A_CHART = 8


def leaderboard_page(report: Mapping[str, Any]) -> Page:
    """Builds the page of a leaderboard from its JSON data."""
    boards = report["boards"]
    return Page(
        title=Word("leaderboard"),
        subtitle=f"{one_line(report['folder'])} · {report['timestamp']}",
        charts=[_chart(board) for board in boards],
        tables=[*(table for board in boards for table in (_table(board), _by_category(board))), *_skipped(report)],
        details={f"{_title(board)} ({place})": as_yaml(board["judgement"]) for place, board in enumerate(boards, 1)},
    )


def _title(board: Mapping[str, Any]) -> str:
    data = ", ".join(map(one_line, board["data"]))
    return f"{board['samples']} × {data}, {class_name(board['judgement'])}"


def _chart(board: Mapping[str, Any]) -> Chart:
    """The best runs by category."""
    runs = board["runs"][:RUNS_IN_A_CHART]
    rows = [
        ChartRow(
            one_line(category_label(name)),
            [statistics_mark(run["categories"][name]) if name in run["categories"] else None for run in runs],
        )
        for name in board["categories"]
    ]
    return Chart(_title(board), rows, [one_line(run["name"]) for run in runs])


def _table(board: Mapping[str, Any]) -> Table:
    rows: list[list[Cell]] = []
    for run in board["runs"]:
        overall = run["overall"]
        figures = [f"{number(overall['mean'], 2)} {interval(overall['ci95'])}"]
        figures += [f"{overall['num_samples']} / {overall['total']}", coverage(overall)]
        rows.append([run_label(run), run["editor"], run["group"], *figures])
    columns = [Word(name) for name in ("run", "editor", "group", "own_mean", "scored_all", "coverage")]
    return Table(_title(board), columns, rows, note=Word("letters_note"), numeric=3)


def _by_category(board: Mapping[str, Any]) -> Table:
    categories = list(board["categories"])
    rows: list[list[Cell]] = [
        [run_label(run), *(number(run["categories"].get(category, {}).get("mean"), 2) for category in categories)]
        for run in board["runs"]
    ]
    columns = [Word("run"), *(one_line(category_label(name)) for name in categories)]
    return Table(Word("by_category"), columns, rows, numeric=len(categories))


def _skipped(report: Mapping[str, Any]) -> list[Table]:
    rows: list[list[Cell]] = [[one_line(entry["folder"]), one_line(entry["reason"])] for entry in report["skipped"]]
    return [Table(Word("not_shown"), [Word("run"), Word("reason")], rows)] if rows else []
