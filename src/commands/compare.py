"""The commands `compare` and `leaderboard`: runs beside each other, from their records alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from src.commands import NOT_COMPARABLE, console, print_lines, print_page, readable_errors
from src.commands.decimal_option import decimal_option
from src.errors import ConfigError
from src.reporting.mismatch import Difference

Allowed = Annotated[
    list[Difference], typer.Option("--allow", help="Compare although this differs; marked on every table. Repeatable.")
]
OutputDir = Annotated[Path, typer.Option(help="Where the files are written.")]
Opens = Annotated[bool, typer.Option("--open", help="Show the page in the browser.")]
COMPARISONS = Path("outputs/comparisons")


@contextmanager
def _usage_errors(option: str) -> Iterator[None]:
    """Makes an error of an option's value one of usage, with the exit code 2."""
    try:
        yield
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def compare(
    folders: Annotated[
        list[Path], typer.Argument(metavar="RUN_A RUN_B …", help="Output directories of runs, or one folder of many.")
    ],
    allow: Allowed = [],  # noqa: B006 (typer copies defaults)
    tie_width: Annotated[
        float,
        decimal_option("--tie", low=0, high=10, help="Scores within this of each other are a tie."),
    ] = 0.5,
    fail_if_worse: Annotated[
        float | None,
        decimal_option(
            low=0,
            high=10,
            help="Exit with 1 if RUN_B is worse than RUN_A by more than this: if its 95 % interval says so.",
        ),
    ] = None,
    category: Annotated[
        list[str], typer.Option("--category", help="What --fail-if-worse judges, instead of all samples; repeatable.")
    ] = [],  # noqa: B006
    page: Annotated[bool, typer.Option(help="Write the page with all pictures as well; it takes the longest.")] = True,
    opens: Opens = False,
    output_dir: OutputDir = COMPARISONS,
) -> None:
    """Compare runs sample by sample, in pairs; exit 1 where --fail-if-worse says worse, 3 where that cannot be said."""
    from src.reporting.comparison import compare as compare_runs
    from src.reporting.comparison_console import print_comparison
    from src.reporting.comparison_markdown import render_comparison
    from src.reporting.gate import gate, refuse_unknown_categories
    from src.reporting.page.comparison_page import comparison_page
    from src.reporting.page.render import page_parts
    from src.reporting.stored_runs import runs_to_compare
    from src.reporting.write import Renderer, report_json, write_together

    if category and fail_if_worse is None:
        raise typer.BadParameter("--category says what --fail-if-worse judges, which is missing")
    if fail_if_worse is not None and len(folders) != 2:
        raise typer.BadParameter("--fail-if-worse takes two runs: BASE NEW")
    with readable_errors(NOT_COMPARABLE):
        runs = runs_to_compare(folders)
        with _usage_errors("--category"):
            refuse_unknown_categories(runs, category)
        found = compare_runs(runs, allow, tie_width)
        gates = gate(found.pairs[0], fail_if_worse, category) if fail_if_worse is not None else []
        print_comparison(found.report, console)
        renderers: dict[str, Renderer] = {
            ".md": lambda path: render_comparison(found.report),
            ".json": lambda path: report_json(found.report),
        }
        if page:
            renderers[".html"] = lambda path: page_parts(comparison_page(runs, found.report, output_dir), path)
        stem = f"comparison_{datetime.now():%Y%m%d_%H%M%S}"
        _print_paths(write_together(output_dir, stem, renderers, "`python main.py compare … --output-dir DIR`"), opens)
        for result in gates:
            print_lines([result.sentence()], style="bold red" if result.worse else "green")
        if any(result.worse for result in gates):
            raise typer.Exit(1)


@readable_errors()
def leaderboard(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Every run at or below it is shown.")],
    opens: Opens = False,
    output_dir: OutputDir = COMPARISONS,
) -> None:
    """Show all runs below a folder, one table for each benchmark and judge."""
    from src.reporting.leaderboard import build_leaderboard
    from src.reporting.leaderboard_console import print_leaderboard
    from src.reporting.page.leaderboard_page import leaderboard_page
    from src.reporting.page.render import page_parts
    from src.reporting.write import Renderer, readable_json, write_together

    report = build_leaderboard(folder)
    print_leaderboard(report, console)
    stem = f"leaderboard_{datetime.now():%Y%m%d_%H%M%S}"
    renderers: dict[str, Renderer] = {
        ".json": lambda path: readable_json(report),
        ".html": lambda path: page_parts(leaderboard_page(report), path),
    }
    again = "`python main.py leaderboard DIR --output-dir DIR`"
    _print_paths(write_together(output_dir, stem, renderers, again), opens)


def _print_paths(paths: Mapping[str, Path], opens: bool) -> None:
    """Shows where the files lie, the page as a link and at last."""
    print_lines(path for ending, path in paths.items() if ending != ".html")
    if ".html" in paths:
        print_page(paths[".html"], opens=opens)
