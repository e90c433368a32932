"""The command `drift`: does the judge of a run still say what it said?"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from src.commands import console, interruptible, log_to_console, print_lines, readable_errors
from src.commands.decimal_option import decimal_option

NOT_MEASURED = 3
"""Exit code where the drift cannot be measured; 1 says that the judge has drifted, 2 that the command is wrong."""


@readable_errors(NOT_MEASURED)
def drift(
    run_dir: Annotated[Path, typer.Argument(help="Output directory of a run whose pictures are there.")],
    samples: Annotated[int, typer.Option(min=2, help="How many scored samples the judge is asked about again.")] = 50,
    threshold: Annotated[
        float, decimal_option(low=0, high=10, help="Shift of the mean score beyond which the judge has drifted.")
    ] = 0.3,
    assignments: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=VALUE", help="Of the stored config, e.g. reward_model.params.timeout=300."),
    ] = [],  # noqa: B006 (typer copies defaults)
    output_dir: Annotated[
        Path | None, typer.Option(help="Where the answers go instead of the folder drift in RUN_DIR.")
    ] = None,
) -> None:
    """Ask the run's judge again about some edits; exit 1 if its scores have shifted, 3 if that cannot be measured."""
    from src.pipeline.display import waiting
    from src.pipeline.drift import FOLDER, measure_drift
    from src.pipeline.tally import Tally
    from src.reporting.drift import print_drift, write_drift

    def progress(tally: Tally) -> str:
        return (
            f"loading {tally.loading} …"
            if tally.loading
            else f"{tally.judged} anchors judged {waiting(tally.seconds_to_wait())}"
        )

    log_to_console(logging.WARNING)
    advice = "all answers are recorded. The same command goes on with them"
    with interruptible(advice), console.status("reading") as status:
        measured = measure_drift(
            run_dir,
            samples=samples,
            threshold=threshold,
            assignments=assignments,
            output_dir=output_dir,
            tick=lambda tally: status.update(progress(tally)),
        )
    print_drift(measured, console)
    print_lines(write_drift(measured, output_dir or run_dir / FOLDER))
    if not measured.measured:
        raise typer.Exit(NOT_MEASURED)
    if measured.beyond:
        raise typer.Exit(1)
