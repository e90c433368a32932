"""What each command of `main.py` does. Heavy imports happen inside, so that `--help` answers at once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer
from rich.console import Console
from rich.markup import escape

from src.errors import EditLoopError, OutputError

if TYPE_CHECKING:
    from src.config import Config

console = Console()
error_console = Console(stderr=True)


@contextmanager
def readable_errors() -> Iterator[None]:
    """Prints the errors that EditLoop raises on purpose without a traceback, and exits with 1."""
    try:
        yield
    except EditLoopError as error:
        error_console.print(f"[bold red]error:[/bold red] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


def config_overrides(
    assignments: Sequence[str],
    *,
    limit: int | None,
    categories: Sequence[str],
    difficulties: Sequence[str],
    output_dir: Path | None,
    resume: bool,
) -> list[str]:
    """The command line's options as `section.key=value` overrides, after those of `--set`."""
    overrides = list(assignments)
    if limit is not None:
        overrides.append(f"benchmark.limit={limit}")
    if categories:
        overrides.append(f"benchmark.categories=[{', '.join(categories)}]")
    if difficulties:
        overrides.append(f"benchmark.difficulties=[{', '.join(difficulties)}]")
    if output_dir is not None:
        overrides.append(f"evaluation.output_dir={str(output_dir)!r}")
        overrides += [f"evaluation.{folder}=null" for folder in ("results_dir", "images_dir", "logs_dir")]
    if resume:
        overrides.append("evaluation.resume_from_checkpoint=true")
    return overrides


def evaluate(config_path: Path, overrides: Sequence[str]) -> None:
    """Runs the benchmark, shows its table and says where the reports are."""
    with readable_errors():
        from src.config import load_config
        from src.pipeline.display import RunDisplay
        from src.pipeline.evaluation import evaluate as run

        config = load_config(config_path, overrides)
        start_logging(config)
        try:
            with RunDisplay(console) as display:
                outcome = run(config, display.tick)
        except KeyboardInterrupt:
            error_console.print("interrupted; all finished work is recorded. Go on with the same command and --resume")
            raise typer.Exit(130) from None
        _show(outcome.report, [outcome.paths.json, outcome.paths.markdown])
        if outcome.report["overall_statistics"]["num_samples"] == 0:
            raise EditLoopError(f"no sample was scored; the reasons are in {outcome.paths.markdown}")


def report(output_dir: Path) -> None:
    """Rebuilds the reports of a finished or broken-off run from its record."""
    with readable_errors():
        from src.config import parse_config
        from src.pipeline.evaluation import report_run
        from src.pipeline.record import Record

        with closing(Record(output_dir, must_exist=True)) as record:
            config = parse_config(record.latest_run().config, f"the configuration stored in {output_dir}")
            outcome = report_run(record, config.moved_to(output_dir))
        _show(outcome.report, [outcome.paths.json, outcome.paths.markdown])


def check(config_path: Path, overrides: Sequence[str]) -> None:
    """Checks config, data and models, says what a run would do, and runs nothing."""
    with readable_errors():
        from src.config import load_config
        from src.pipeline.check import check_run

        config = load_config(config_path, overrides)
        for line in check_run(config):
            console.print(line, highlight=False, markup=False)


def inspect_data(data_path: str, language: Literal["en", "zh"], as_json: bool) -> None:
    """Prints what a benchmark file holds and every problem in it."""
    with readable_errors():
        from src.data.inspect import inspect_benchmark, render_inspection

        inspection = inspect_benchmark(data_path, language)
        if as_json:
            typer.echo(inspection.to_json())
        else:
            render_inspection(inspection, console)


def _show(report: dict, paths: Sequence[Path]) -> None:
    from src.reporting.console import print_report

    print_report(report, console)
    for path in paths:
        console.print(f"{path}", highlight=False, markup=False, soft_wrap=True)


def start_logging(config: Config) -> None:
    """Logs to the run's file, and warnings to the console beside the progress display."""
    from rich.logging import RichHandler

    settings = config.logging
    handlers: list[logging.Handler] = []
    if settings.console_output:
        shown = RichHandler(logging.WARNING, console=console, show_path=False, markup=False)
        handlers.append(shown)
    if settings.file_output:
        path = settings.log_file or config.evaluation.log_file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            written = logging.FileHandler(path, encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"the log {path} cannot be written: {error.strerror or error}; choose another place with --output-dir"
            ) from error
        written.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handlers.append(written)
    logging.basicConfig(level=settings.level, handlers=handlers, force=True)
