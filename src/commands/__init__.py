"""What all commands of `main.py` share: how errors and interruptions end them, their options, and what they show."""

from __future__ import annotations

import logging
import signal
import webbrowser
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.style import Style
from rich.text import Text

from src.errors import EditLoopError
from src.run_log import console_handler, log_end
from src.terminal import SafeConsole, clean_all_records

GO_ON = "Go on with the same command and --resume"

NOT_COMPARABLE = 3
"""The exit code for runs that cannot be compared; of `compare`, 1 says that the new one is worse."""

BUDGET_SPENT = 4
"""The exit code of a run that stopped before all was done as its budget was spent; its work is recorded."""

ConfigPath = Annotated[Path, typer.Option("--config", help="YAML file of the run.")]
Assignments = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override, e.g. benchmark.limit=5.")]

console = SafeConsole()
error_console = SafeConsole(stderr=True)


@contextmanager
def readable_errors(exit_code: int = 1) -> Iterator[None]:
    """Prints the errors that EditLoop raises on purpose without a traceback, and exits; logs all others too.

    Args:
        exit_code: Of every error, also of those that are not on purpose.
    """
    try:
        yield
    except EditLoopError as error:
        log_end(logging.ERROR, str(error))
        error_console.print(f"[bold red]error:[/bold red] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(exit_code) from error
    except (typer.Exit, typer.BadParameter):
        raise
    except Exception as error:
        log_end(logging.ERROR, "the command failed", traceback=True)
        if exit_code == 1:
            raise
        error_console.print_exception()
        raise typer.Exit(exit_code) from error


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
    shard: str | None = None,
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
    if shard is not None:
        options["benchmark.shard"] = shard
    return options


def print_lines(lines: Iterable[object], style: str | None = None) -> None:
    """Shows each line as it is and as soon as it comes, however long it is and whatever looks like markup in it."""
    for line in lines:
        console.print(str(line), style=style, highlight=False, markup=False, soft_wrap=True)


def print_page(path: Path, *, opens: bool = False) -> None:
    """Shows where a page lies, as a link in terminals that know links, and opens it in the browser if that is asked."""
    console.print(Text(str(path), Style(link=path.resolve().as_uri())), soft_wrap=True)
    if opens and not webbrowser.open(path.resolve().as_uri()):
        print_lines([f"no browser was found; open {path.resolve()} in one"])


def log_to_console(level: int = logging.INFO) -> None:
    """Logs a command that writes no file, from this level on, to the console for errors."""
    clean_all_records()
    logging.basicConfig(level=level, handlers=[console_handler(level, error_console)], force=True)
