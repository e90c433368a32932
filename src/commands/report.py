"""The command `report`: the report of a run from its record, with its page and tables."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from src.commands import NOT_COMPARABLE, console, print_lines, print_page, readable_errors


@readable_errors()
def report(
    run_dir: Annotated[Path, typer.Argument(help="Output directory of a run; it may be read-only.")],
    output_dir: Annotated[Path | None, typer.Option(help="Where the reports go instead of RUN_DIR.")] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a table with a row a sample and repeat as well.")
    ] = None,
    hub_results: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the YAML of the hub's evaluation results as well.")
    ] = None,
    hub_dataset: Annotated[
        str | None, typer.Option(metavar="ORG/NAME", help="The benchmark on the hub, where the run names none.")
    ] = None,
    official_scores: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the score files of the public benchmark's own script as well."),
    ] = None,
    other: Annotated[
        Path | None,
        typer.Option("--against", metavar="OTHER", help="Show another run on the page as well; exit 3 if refused."),
    ] = None,
    opens: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> None:
    """Show the report of a run from its record, and write it anew; loads no model."""
    from datetime import datetime

    from src.config import Config
    from src.config_file import checked
    from src.record.record import Record
    from src.reporting.console import print_report
    from src.reporting.frame import load_run, write_csv
    from src.reporting.hub_results import hub_entries, write_hub_results
    from src.reporting.official_scores import write_official_scores
    from src.reporting.page.against import against
    from src.reporting.sample_rows import recorded_report
    from src.reporting.write import write_reports

    with readable_errors(NOT_COMPARABLE):
        beside = against(run_dir, other) if other is not None else None
    with closing(Record(run_dir, for_reading=True)) as record:
        config = checked(Config, record.latest_run().config, f"the configuration stored in {run_dir}")
        places = config.moved_to(output_dir or run_dir).evaluation
        with record.unchanging():
            rebuilt = recorded_report(record, config.evaluation.metrics)
            print_report(rebuilt, console)
            paths = write_reports(rebuilt, places.results, datetime.now(), run_dir, beside)
        official: list[Path] = []
        if official_scores is not None:
            run = record.latest_run()
            official = write_official_scores(run, record.results(run.run_key), official_scores)
    if csv is not None:
        write_csv(load_run(run_dir), csv)
    if hub_results is not None:
        write_hub_results(hub_entries(rebuilt, hub_dataset), hub_results)
    print_lines(filter(None, [paths.json, paths.markdown, csv, hub_results, *official]))
    print_page(paths.page, opens=opens)
