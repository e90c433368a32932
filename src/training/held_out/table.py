"""The table of a finished training on the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from src.training.train import TrainingOutcome


def print_gains(outcome: TrainingOutcome, console: Console) -> None:
    """Prints before and after by each scorer, and on how many samples; then where the policy and the metrics are."""
    if outcome.gains:
        table = Table(title="Held-out samples, before and after training (0–10)", box=box.SIMPLE)
        for column in ("scorer", "samples", "before → after", "difference [95 %]"):
            table.add_column(column, justify="left" if column == "scorer" else "right", no_wrap=True)
        for gain in outcome.gains:
            interval = f" [{gain.ci95[0]:+.2f}, {gain.ci95[1]:+.2f}]" if gain.ci95 else ""
            table.add_row(
                gain.scorer,
                f"{gain.samples} ({gain.coverage:.0%})",
                f"{_figure(gain.before)} → {_figure(gain.after)}",
                f"{_figure(gain.difference, '+')}{interval}",
            )
        console.print(table)
    for path in (outcome.policy, outcome.history):
        console.print(f"{path}", highlight=False, markup=False, soft_wrap=True)


def _figure(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.2f}"
