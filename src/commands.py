"""What each command of `main.py` does. Heavy imports happen inside, so that `--help` answers at once."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer
from rich.markup import escape

from src.errors import ConfigError, EditLoopError
from src.run_log import console_handler, log_end, log_to
from src.terminal import SafeConsole, clean_all_records, clean_json

if TYPE_CHECKING:
    from src.pipeline.forecast import GivenRates
    from src.pipeline.tally import Tally
    from src.reporting.write import ReportPaths

GO_ON = "Go on with the same command and --resume"

console = SafeConsole()
error_console = SafeConsole(stderr=True)


@contextmanager
def readable_errors() -> Iterator[None]:
    """Prints the errors that EditLoop raises on purpose without a traceback, and exits with 1; logs all others too."""
    try:
        yield
    except EditLoopError as error:
        log_end(logging.ERROR, str(error))
        error_console.print(f"[bold red]error:[/bold red] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except typer.Exit:
        raise
    except Exception:
        log_end(logging.ERROR, "the command failed", traceback=True)
        raise


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """Ends the command on Ctrl-C with a sentence and exit code 130; from then on Ctrl-C ends the process at once."""
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        log_end(logging.WARNING, f"interrupted; {advice}")
        error_console.print(f"interrupted; {advice}", highlight=False, soft_wrap=True)
        raise typer.Exit(130) from None


def config_options(
    *,
    limit: int | None = None,
    categories: Sequence[str] = (),
    difficulties: Sequence[str] = (),
    output_dir: Path | None = None,
    resume: bool = False,
) -> dict[str, Any]:
    """The command line's options as values of the config, by key; what is not given is not there."""
    options: dict[str, Any] = {}
    if limit is not None:
        options["benchmark.limit"] = limit
    if categories:
        options["benchmark.categories"] = list(categories)
    if difficulties:
        options["benchmark.difficulties"] = list(difficulties)
    if output_dir is not None:
        options["evaluation.output_dir"] = str(output_dir)
        options |= {f"evaluation.{folder}": None for folder in ("results_dir", "images_dir", "logs_dir")}
        options["logging.log_file"] = None
    if resume:
        options["evaluation.resume_from_checkpoint"] = True
    return options


def evaluate(config_path: Path, overrides: Sequence[str], options: Mapping[str, Any]) -> None:
    """Runs the benchmark, shows its table and says where the reports are."""
    with readable_errors():
        from src.config import load_config
        from src.pipeline.display import RunDisplay
        from src.pipeline.evaluation import evaluate as run
        from src.reporting.console import print_report

        config = load_config(config_path, overrides, options)
        log_to(config.logging, config.evaluation.log_file, console)
        with interruptible(f"all finished work is recorded. {GO_ON}"), RunDisplay(console) as display:
            outcome = run(config, display.tick)
        print_report(outcome.report, console)
        _show_paths(outcome.paths)
        if outcome.report["overall_statistics"]["num_samples"] == 0:
            raise EditLoopError(f"no sample was scored; the reasons are in {outcome.paths.markdown}")


def report(run_dir: Path, output_dir: Path | None) -> None:
    """Shows the report of a finished or broken-off run from its record, and writes it there or below `output_dir`."""
    with readable_errors():
        from src.config import Config
        from src.config_file import checked
        from src.pipeline.evaluation import latest_report
        from src.pipeline.record import Record
        from src.reporting.console import print_report
        from src.reporting.write import write_reports

        with closing(Record(run_dir, for_reading=True)) as record:
            config = checked(Config, record.latest_run().config, f"the configuration stored in {run_dir}")
            rebuilt = latest_report(record, config)
        print_report(rebuilt, console)
        places = config.moved_to(output_dir or run_dir).evaluation
        _show_paths(write_reports(rebuilt, places.results, datetime.now()))


def check(
    config_path: Path,
    overrides: Sequence[str],
    options: Mapping[str, Any],
    edit_seconds: float | None,
    judge_seconds: float | None,
) -> None:
    """Checks config, data and models, says what a run or a training would do, and runs nothing."""
    with readable_errors():
        from src.pipeline.forecast import GivenRates

        for line in _checked(config_path, overrides, options, GivenRates(edit_seconds, judge_seconds)):
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def _checked(
    config_path: Path, overrides: Sequence[str], options: Mapping[str, Any], given: GivenRates
) -> Iterator[str]:
    """A file with a section `policy` is a training, any other a run."""
    from src.config import load_config
    from src.config_file import read_yaml
    from src.pipeline.check import check_run
    from src.training.config import load_training_config

    if "policy" not in read_yaml(config_path, overrides):
        yield from check_run(load_config(config_path, overrides, options), given)
        return
    if options or given.stated:
        raise ConfigError(f"{config_path} is a training: of the options of check it takes --set alone")
    from src.training.check import check_training

    yield from check_training(load_training_config(config_path, overrides), config_path)


def audit(
    config_path: Path,
    overrides: Sequence[str],
    options: Mapping[str, Any],
    output_dir: Path | None,
    edits: Path | None,
) -> None:
    """Audits the config's scorer without labels; exits with 1 when a check fails or none passes."""
    with readable_errors():
        from src.audit.run import audit as run
        from src.audit.table import print_audit, write_audit
        from src.config import load_config

        config = load_config(config_path, overrides, options)
        config = config.moved_to(output_dir or config.evaluation.output_dir / "audit")
        log_to(config.logging, config.evaluation.log_file, console)
        advice = "all finished work is recorded. The same command goes on with it"
        with interruptible(advice), console.status("reading") as status:
            finished = run(config, edits, lambda tally: status.update(_audit_progress(tally)))
        print_audit(finished, console)
        for path in write_audit(finished, config.evaluation.output_dir):
            console.print(f"{path}", highlight=False, markup=False, soft_wrap=True)
        if not finished.passed:
            raise typer.Exit(1)


def _audit_progress(tally: Tally) -> str:
    if tally.loading:
        return f"loading {tally.loading} …"
    known, unscored = tally.verdicts_reused, tally.verdicts_failed
    judged = tally.verdicts_made + unscored
    return f"{tally.read} samples read, {judged} probes judged, {known} known already, {unscored} without a score"


def train(config_path: Path, overrides: Sequence[str], resume: bool) -> None:
    """Trains a policy, and says where it is and what training changed."""
    with readable_errors():
        from src.training.config import load_training_config
        from src.training.held_out.table import print_gains
        from src.training.tracking.progress import TrainingProgress
        from src.training.train import train as run

        config = load_training_config(config_path, overrides)
        log_to(config.logging, config.training.output_dir / "logs" / "training.log", console)
        progress = TrainingProgress(console)
        with interruptible(f"edits and verdicts are recorded. {GO_ON}"), progress.shown():
            outcome = run(config, resume=resume, callbacks=[progress.callback()])
        if outcome is not None:
            print_gains(outcome, console)


def inspect_data(
    data_path: str, language: Literal["en", "zh"], *, as_json: bool, follow_links: bool, strict: bool
) -> None:
    """Prints what a benchmark file holds and every problem in it; with `strict`, a problem makes the exit code 1."""
    with readable_errors():
        from src.data.inspect import inspect_benchmark, render_inspection

        inspection = inspect_benchmark(data_path, language, follow_links=follow_links)
        if as_json:
            typer.echo(clean_json(inspection.to_json()))
        else:
            render_inspection(inspection, console)
        if strict and not inspection.is_sound:
            raise typer.Exit(1)


def convert_data(source_format: str, source: str, output: Path, assignments: Sequence[str]) -> None:
    """Converts a data file, says what became of it and names every bad row."""
    with readable_errors():
        from src.config_file import apply_override
        from src.data.convert.run import build_converter, convert

        params: dict[str, Any] = {}
        for assignment in assignments:
            apply_override(params, assignment)
        result = convert(build_converter(source_format, params), source, output)
        for problem in [*result.bad, *filter(None, [result.broken_off])]:
            console.print(f"[red]{escape(problem)}[/red]", highlight=False, soft_wrap=True)
        console.print(
            f"{output}: {result.items} items and {result.images} images from {result.rows} rows, {len(result.bad)} bad",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def serve_editor(
    config_path: Path,
    overrides: Sequence[str],
    host: str,
    port: int,
    capacity: int,
    max_wait: float,
    decoded_megabytes: int,
    hosts: Sequence[str],
    token: str | None,
    request_seconds: float,
) -> None:
    """Serves the config's editor over HTTP until it is stopped."""
    with readable_errors():
        from src.config import load_served_model
        from src.serving.serve import ServingOptions
        from src.serving.serve import serve_editor as serve

        clean_all_records()
        logging.basicConfig(level="INFO", handlers=[console_handler(logging.INFO, error_console)], force=True)
        names = frozenset(name.lower() for name in hosts)
        options = ServingOptions(
            host, port, capacity, max_wait, decoded_megabytes, names, token or None, request_seconds
        )
        serve(load_served_model(config_path, overrides), options)


def merge_lora(
    base: str,
    adapter: Path,
    output: Path,
    revision: str | None,
    dtype: Literal["auto", "bfloat16", "float16", "float32"],
    device: str,
    push_to_hub: str | None,
) -> None:
    """Merges an adapter into its base model and prints the proof."""
    with readable_errors():
        from src.training.lora.merge import merge_lora as merge

        proof = merge(base, adapter, output, revision=revision, dtype=dtype, device=device, push_to_hub=push_to_hub)
        for line in [*proof.lines(), str(output)]:
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def _show_paths(paths: ReportPaths) -> None:
    for path in (paths.json, paths.markdown):
        console.print(f"{path}", highlight=False, markup=False, soft_wrap=True)
