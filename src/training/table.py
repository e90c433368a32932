"""What a finished training shows on the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from src.training.train import TrainingOutcome


def print_gains(outcome: TrainingOutcome, console: Console) -> None:
    """Before and after by each scorer, then where the policy and the metrics are."""
    if outcome.gains:
        table = Table(title="Held-out samples, before and after training (0–10)")
        for column in ("scorer", "samples", "coverage", "before", "after", "difference", "95 % interval"):
            table.add_column(column, justify="left" if column == "scorer" else "right")
        for gain in outcome.gains:
            interval = f"{gain.ci95[0]:+.2f} … {gain.ci95[1]:+.2f}" if gain.ci95 else "–"
            figures = [_figure(gain.before), _figure(gain.after), _figure(gain.difference, "+")]
            table.add_row(gain.scorer, str(gain.samples), f"{gain.coverage:.0%}", *figures, interval)
        console.print(table)
    for path in (outcome.policy, outcome.history):
        console.print(f"{path}", highlight=False, markup=False, soft_wrap=True)


def _figure(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.2f}"
