"""Sends a command's log to the console, and to a file that also holds the error that ends the command."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from src.errors import OutputError
from src.terminal import LineFormatter, clean_all_records

if TYPE_CHECKING:
    from rich.console import Console

    from src.config import LoggingConfig

logger = logging.getLogger(__name__)

_ELSEWHERE = "shown_elsewhere"
"""Mark of a record that the console gets by other means."""


def log_to(settings: LoggingConfig, log_file: Path, console: Console) -> None:
    """Logs to the settings' file, else to `log_file`, and warnings to the console.

    Raises:
        OutputError: the file cannot be written.
    """
    handlers: list[logging.Handler] = []
    if settings.console_output:
        handlers.append(console_handler(logging.WARNING, console))
    if settings.file_output:
        path = settings.log_file or log_file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            written = logging.FileHandler(path, encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"the log {path} cannot be written: {error.strerror or error}; choose another place by "
                "logging.log_file, or another directory: --output-dir of a run, --set training.output_dir=DIR of a "
                "training"
            ) from error
        written.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handlers.append(written)
    clean_all_records()
    logging.basicConfig(level=settings.level, handlers=handlers, force=True)


def check_log(settings: LoggingConfig) -> None:
    """Looks whether the log that a config names could be written; nothing stays behind.

    A log that it does not name goes to the output directory, which is looked at by itself.

    Raises:
        OutputError: the file cannot be written.
    """
    if settings.log_file is None or not settings.file_output:
        return
    path = settings.log_file.absolute()
    try:
        if path.exists():
            path.open("ab").close()
            return
        there = next(parent for parent in path.parents if parent.exists())
        with tempfile.TemporaryDirectory(prefix=".editloop-", dir=there):
            pass
    except OSError as error:
        raise OutputError(
            f"the log {path} cannot be written: {error.strerror or error}; choose another place with logging.log_file"
        ) from error


def console_handler(level: int, console: Console) -> logging.Handler:
    """Returns a handler that shows records from `level` on beside whatever else the console shows."""
    from rich.logging import RichHandler

    shown = RichHandler(level, console=console, show_path=False, markup=False)
    shown.setFormatter(LineFormatter("%(message)s"))
    shown.addFilter(lambda record: not getattr(record, _ELSEWHERE, False))
    return shown


def log_end(level: int, text: str, *, traceback: bool = False) -> None:
    """Notes in the log's file why the command ends; the console gets it by other means.

    Args:
        level: Level of the record.
        text: Text of the record.
        traceback: Whether to add the traceback of the exception that is being handled.
    """
    if logging.getLogger().handlers:  # without a log, Python would print it
        logger.log(level, "%s", text, exc_info=traceback, extra={_ELSEWHERE: True})
