"""The report's table on a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from src.reporting.markdown import interval, number

ENGLISH = {"物理": "physical", "环境": "environment", "社会": "social", "因果": "causal", "指代": "referential"}
BAR_WIDTH = 10


def print_report(report: dict[str, Any], console: Console) -> None:
    """Prints means by category and difficulty with coverage and intervals, and what failed. Fits 80 columns."""
    difficulties = list(report["difficulty_statistics"])
    table = Table(title="EditLoop evaluation", title_style="bold", header_style="bold")
    table.add_column("category", no_wrap=True)
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, style="cyan")
    table.add_column("95 % interval", no_wrap=True, style="dim")
    table.add_column("scored", justify="right", no_wrap=True)
    for difficulty in difficulties[:4]:
        table.add_column(escape(difficulty), justify="right", no_wrap=True)
    for name, values in report["category_statistics"].items():
        by_difficulty = report["category_by_difficulty"][name]
        table.add_row(*_row(_label(name), values, by_difficulty, difficulties))
    table.add_section()
    overall = report["overall_statistics"]
    table.add_row(*_row("all", overall, report["difficulty_statistics"], difficulties), style="bold")
    console.print(table)
    for failure in report["failures"]:
        examples = ", ".join(failure["sample_ids"])
        text = f"{failure['count']} {failure['status']}: {failure['reason']} ({examples})"
        console.print(f"[red]{escape(text)}[/red]", highlight=False)
    for name in report["empty_categories"]:
        console.print(f"[yellow]no sample of category {escape(name)}[/yellow]", highlight=False)


def _label(name: str) -> str:
    gloss = ENGLISH.get(name)
    return f"{escape(name)} {gloss}" if gloss else escape(name)


def _row(label: str, values: dict[str, Any], groups: dict[str, Any], difficulties: list[str]) -> list[str]:
    mean = values.get("mean")
    filled = round((mean or 0.0) / 10 * BAR_WIDTH)
    scored = f"{values['num_samples']}/{values['total']}"
    incomplete = values["num_samples"] < values["total"]
    cells = [number(groups[name].get("mean"), 2) if name in groups else "" for name in difficulties[:4]]
    return [
        label,
        number(mean, 2),
        "█" * filled + "·" * (BAR_WIDTH - filled),
        escape(interval(values["ci95"])),
        f"[red]{scored}[/red]" if incomplete else scored,
        *cells,
    ]
