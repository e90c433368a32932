"""The command `merge`: the shards of a run become the run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from src.commands import console, log_to_console, print_lines, print_page, readable_errors
from src.errors import EditLoopError


@readable_errors()
def merge(
    folders: Annotated[
        list[Path], typer.Argument(metavar="RUN…", help="Output directories of the shards of one run (--shard).")
    ],
    output: Annotated[Path, typer.Option("--output", "--output-dir", help="Output directory of the whole run.")],
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Take what is there; the run then counts as not complete.")
    ] = False,
) -> None:
    """Join the shards of a run into the run that they are, and write its reports; loads no model."""
    import logging

    from src.pipeline.merge import merge as join
    from src.reporting.console import print_report

    log_to_console(logging.WARNING)
    with console.status("merging"):
        outcome = join(folders, output, allow_missing=allow_missing)
    print_report(outcome.report, console)
    print_lines([outcome.paths.json, outcome.paths.markdown])
    print_page(outcome.paths.page)
    if outcome.nothing_scored:
        raise EditLoopError(f"no sample was scored; the reasons are in {outcome.paths.markdown}")
