"""Frozen results to statistics to console, Markdown and JSON. Asks no model, reads no record but in `load_run`."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Finds `load_run` when it is asked for: the commands that need no table do not wait for it."""
    if name == "load_run":
        from src.reporting.frame import load_run

        return load_run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
