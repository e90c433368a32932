"""A comparison on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from src.reporting.comparison_wording import (
    Figures,
    groups,
    interval,
    letters,
    mark,
    p_value,
    power,
    record,
    run_label,
    sign_test_note,
    signed,
    student_interval,
)
from src.reporting.console import LABEL_WIDTH, WIDE
from src.reporting.multiplicity import SIGNIFICANT
from src.reporting.wording import coverage, number, one_line


def print_comparison(report: Mapping[str, Any], console: Console) -> None:
    """Prints the runs with their groups; of two runs also categories and difficulties, of more only all samples.

    Texts from data are never read as markup.
    """
    for entry in report["marks"]:
        _say(console, f"{entry['kind']}: {one_line(entry['text'])}", "yellow")
    for text in report["warnings"]:
        _say(console, one_line(text), "yellow")
    wide = console.width >= WIDE
    console.print(_runs(report, wide=wide))
    _say(console, f"+/=/−: samples with a difference above, within and below ±{report['tie_width']:g}", "dim")
    _say(console, letters(report), "dim")
    pairs = report["pairs"]
    shown = list(groups(pairs[0])) if len(pairs) == 1 else [(_title(pair), pair["overall"]) for pair in pairs]
    if len(pairs) == 1:
        pair = pairs[0]
        console.print(_differences(_title(pair), shown, report, wide=wide))
        _say(console, sign_test_note(found for _, found in shown), "dim")
        for name, found in shown:
            if found["note"]:
                _say(console, f"{name}: {found['note']}", "dim")
        _say(console, power(pair), "dim")
    else:
        console.print(_differences("all samples", shown, report, wide=wide))
        _say(console, sign_test_note(found for _, found in shown), "dim")
        _say(console, "Categories and difficulties of each pair are in the report.", "dim")


def _say(console: Console, text: str, style: str) -> None:
    if text:
        console.print(Text(text, style=style), soft_wrap=True)


def _title(pair: Mapping[str, Any]) -> str:
    return f"{one_line(pair['second'])} − {one_line(pair['first'])}"


def _new_table(title: str, report: Mapping[str, Any], label: str, figures: Sequence[str]) -> Table:
    shown = Text.assemble(title, *([("  ", ""), (mark(report), "yellow")] if mark(report) else []))
    table = Table(
        title=shown, title_justify="left", box=box.HORIZONTALS, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )
    table.add_column(label, overflow="ellipsis", no_wrap=True, max_width=2 * LABEL_WIDTH)
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _runs(report: Mapping[str, Any], *, wide: bool) -> Table:
    figures = ["group", f"mean of {report['runs'][0]['common']}", "own mean [95 %]", "scored", "coverage"]
    table = _new_table("runs, the best first", report, "run", figures)
    if wide:
        table.add_column("editor", overflow="ellipsis", no_wrap=True)
    for run in report["runs"]:
        own = run["own"]
        cells = [run_label(run), run["group"], number(run["mean_of_common"], 2)]
        cells += [f"{number(own['mean'], 2)} {interval(own['ci95'])}", f"{own['num_samples']}/{own['total']}"]
        table.add_row(*map(Text, [*cells, coverage(own), *([run["editor"]] if wide else [])]))
    return table


def _differences(title: str, rows: Sequence[tuple[str, Figures]], report: Mapping[str, Any], *, wide: bool) -> Table:
    bootstrap = ["bootstrap"] if wide else []
    figures = ["pairs", "missing", "difference [95 %]", *bootstrap, "p Holm", "+/=/−"]
    table = _new_table(title, report, "", figures)
    for name, found in rows:
        told = found["p_holm"] is not None and found["p_holm"] < SIGNIFICANT
        cells = [one_line(name), str(found["pairs"]), f"{found['first_missing']}/{found['second_missing']}"]
        cells.append(f"{signed(found['difference'])} {student_interval(found)}")
        cells += [interval(found["bootstrap95"], "+")] if wide else []
        cells += [p_value(found["p_holm"]), record(found).replace(" ", "")]
        table.add_row(*map(Text, cells), style="bold" if told else None)
    return table
