"""`calibrate` and `label`: the commands that bring people's opinion of edits in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from src.commands import console, interruptible, print_lines, readable_errors
from src.commands.decimal_option import decimal_option
from src.errors import ConfigError

if TYPE_CHECKING:
    from src.reporting.stored_runs import StoredRun

SCORES_FILE, CHOICES_FILE = "labels.jsonl", "labels_choices.jsonl"
"""Names of the files of labels in the folder of the (first) run, where --labels names no other place."""

RunDir = Annotated[Path, typer.Argument(help="Output directory of a run; it may be read-only.")]
SecondRun = Annotated[
    Path | None, typer.Argument(help="Of a second run of the same benchmark, to choose between both.")
]


@readable_errors()
def calibrate(
    run_dir: RunDir,
    run_b: SecondRun = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV or JSONL with id and score or winner; default: label's.")
    ] = None,
    scale: Annotated[tuple[float, float], decimal_option(metavar="LOW HIGH", help="Of the scores in the file.")] = (
        0,
        10,
    ),
    output_dir: Annotated[Path | None, typer.Option(help="For calibration.json and .md; default: RUN_DIR/results.")] = (
        None
    ),
) -> None:
    """Compare labels of people with a run's scores: order, ties, agreement, recalibration, corrected means."""
    from src.reporting.calibration.calibrate import calibrate as compare
    from src.reporting.calibration.labels import read_labels
    from src.reporting.calibration.tables import print_calibration, write_calibration

    low, high = scale
    if not low < high:
        raise ConfigError(f"--scale {low:g} {high:g}: the lowest score comes first")
    runs = _runs(run_dir, run_b)
    file = labels or labels_file(run_dir, run_b)
    report = compare(runs, read_labels(file, scale), file)
    print_calibration(report, console)
    print_lines(write_calibration(report, output_dir or run_dir / "results"))


@readable_errors()
def label(
    run_dir: RunDir,
    run_b: SecondRun = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSONL file for the answers; default: in RUN_DIR.")
    ] = None,
    rater: Annotated[str, typer.Option(metavar="NAME", help="Who labels; each rater has answers of their own.")] = "me",
    limit: Annotated[int | None, typer.Option(min=1, help="Label only the first N of the random order.")] = None,
    seed: Annotated[int, typer.Option(help="Of the order of the samples, and of left and right.")] = 0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8200,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Score the edits of a run, or choose between two runs, blind, on a page of this machine; Ctrl-C ends it."""
    import webbrowser

    from src.serving.label.label import LabelOptions, label_edits

    def ready(address: str) -> None:
        print_lines([f"labels go to {file}; the page, for this machine alone:"])
        typer.echo(address)  # with its token, which the console would withhold
        if open_page:
            webbrowser.open(address)

    runs = _runs(run_dir, run_b)
    file = labels or labels_file(run_dir, run_b)
    with interruptible("every answer is stored. Go on with the same command"):
        label_edits(runs, LabelOptions(file, rater, seed, limit, port), ready)


def labels_file(run_dir: Path, run_b: Path | None) -> Path:
    """Returns the file in which labels are kept unless another place is named."""
    return run_dir / (SCORES_FILE if run_b is None else CHOICES_FILE)


def _runs(run_dir: Path, run_b: Path | None) -> list[StoredRun]:
    from src.reporting.stored_runs import latest_run, runs_to_compare

    return [latest_run(run_dir)] if run_b is None else runs_to_compare([run_dir, run_b])
