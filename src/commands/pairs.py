"""`data pairs`: preference pairs of finished runs, for `train-judge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from src.commands import print_lines, readable_errors
from src.commands.decimal_option import decimal_option
from src.counted import counted


@readable_errors()
def pairs(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="A .jsonl file; images go to a folder beside it.")],
    run_dirs: Annotated[list[Path], typer.Argument(metavar="RUN RUN_B", help="Output directories of runs.")],
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Choices of people between two runs, as label makes them.")
    ] = None,
    least_gap: Annotated[
        float, decimal_option(low=0, help="Without labels: the least difference of two scores that makes a pair.")
    ] = 1.0,
) -> None:
    """Write preference pairs of two or more runs of a benchmark, by labels of people or by the runs' scores."""
    from src.pipeline.run_pairs import write_run_pairs
    from src.reporting.stored_runs import runs_to_compare

    written = write_run_pairs(runs_to_compare(run_dirs), output, labels, least_gap)
    left_out = f"{written.left_out} left out, for want of a source or an edit that can be read"
    print_lines([f"{output}: {counted(written.pairs, 'pair')}; {left_out}"])
