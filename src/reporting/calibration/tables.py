"""A calibration as tables, on the console and as Markdown alike."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from src.counted import counted
from src.errors import OutputError
from src.reporting.calibration.prediction_powered import FEWEST_TO_TUNE
from src.reporting.markdown import escape
from src.reporting.wording import category_label, class_name, number
from src.terminal import clean_json


@dataclass(frozen=True)
class Table:
    """A table with what has to be said below it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def calibration_tables(report: dict[str, Any]) -> list[Table]:
    """The tables of a calibration; every figure has its 95 % interval, or the notes say why there is none."""
    of_pairs = report["labels"]["kind"] == "choices"
    tables = [_order(report, of_pairs), _means(report, of_pairs), _agreement(report)]
    return tables if of_pairs else [*tables, _recalibration(report["recalibration"])]


def headline(report: dict[str, Any]) -> str:
    """What was compared, in one line."""
    labels = report["labels"]
    editors = " and ".join(class_name(run["editor"]) for run in report["runs"])
    left = f", {labels['without_score']} of them without a score" if labels["without_score"] else ""
    raters = counted(labels["raters"], "rater")
    those = f"{counted(labels['labels'], 'label')} of {counted(labels['samples'], 'sample')}"
    judge = class_name(report["scorer"])
    return f"{those}{left} by {raters}; {editors} judged by {judge}"


def _groups(report: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, figures in report["categories"].items():
        yield category_label(name), figures
    yield "all", report["overall"]


def _order(report: dict[str, Any], of_pairs: bool) -> Table:
    figures = ("accuracy",) if of_pairs else ("accuracy", "tau_b", "rho")
    titles = {"accuracy": "accuracy", "tau_b": "tau-b", "rho": "rho"}
    rows = [
        [name, str(group["samples"]), *(_measured(group[figure]) for figure in figures)]
        for name, group in _groups(report)
    ]
    correlations = "" if of_pairs else " Correlations are Kendall's tau-b and Spearman's rho."
    width = number(report["tie_width"], 2)
    notes = [
        f"Accuracy is that of pairs and counts ties (arXiv 2305.14324); its tie width is chosen on other source "
        f"pictures than it is measured on; on all labels the best width is {width}.{correlations}",
        f"The labels are of {counted(report['overall']['sources'], 'source picture')}, "
        "by which all intervals are clustered.",
        *_notes(report, figures),
    ]
    return Table("Order", ["category", "n", *(titles[figure] for figure in figures)], rows, notes)


def _means(report: dict[str, Any], of_pairs: bool) -> Table:
    if of_pairs:
        names = {"preference_of_people": "people", "preference_of_judge": "judge"}
        rows = [
            [name, *(_measured(group[figure]) for figure in names), f"{group['ties_of_people']:.0%}"]
            for name, group in _groups(report)
        ]
        notes = ["Share of choices for run b, ties counted half.", *_notes(report, [*names])]
        return Table("Preference for run b", ["category", *names.values(), "ties of people"], rows, notes)
    figures = ("mean_of_labels", "mean_prediction_powered")
    rows = [
        [
            name,
            *(_measured(group[figure]) for figure in figures),
            number(group["mean_prediction_powered"]["judge_weight"], 2),
            number(group["mean_of_judge"], 2),
        ]
        for name, group in _groups(report)
    ]
    columns = ["category", "mean of labels", "powered mean", "λ", "judge's mean"]
    notes = [
        "The powered mean is the prediction-powered one (PPI++, arXiv 2311.01453): the mean of the labels, moved by λ "
        "times what the judge says more of the edits without a label; it is valid where the labelled edits are a "
        f"random part of the run. λ is 0 with fewer than {FEWEST_TO_TUNE} source pictures.",
        *_notes(report, figures),
    ]
    return Table("Mean", columns, rows, notes)


def _agreement(report: dict[str, Any]) -> Table:
    rows = [[level, _measured(found), str(found["n"])] for level, found in report["agreement"].items()]
    notes = dict.fromkeys(found["note"] for found in report["agreement"].values() if found["note"])
    return Table("Agreement of raters", ["level", "Krippendorff's alpha", "samples of several raters"], rows, [*notes])


def _recalibration(found: dict[str, Any]) -> Table:
    ends = found["scores"][0], found["scores"][-1]
    scores = sorted({*ends, *(score for score in range(11) if ends[0] < score < ends[1])})
    errors = [("rising map", "error"), ("judge's score", "error_of_scores"), ("mean label", "error_of_mean")]
    said = ", ".join(f"{name} {number(found[key], 2)}" for name, key in errors)
    notes = [f"Root mean square error on source pictures that were held out: {said}.", found["note"]]
    labels = np.interp(scores, found["scores"], found["labels"])
    rows = [[number(score, 2), number(label, 2)] for score, label in zip(scores, labels, strict=True)]
    return Table("Recalibration", ["judge says", "people say"], rows, [*filter(None, notes)])


def _notes(report: dict[str, Any], figures: Sequence[str]) -> list[str]:
    """Why figures or intervals are missing, each reason once with its groups."""
    reasons: dict[str, dict[str, None]] = {}
    for name, group in _groups(report):
        for figure in figures:
            if group[figure]["note"]:
                reasons.setdefault(group[figure]["note"], {})[name] = None
    return [f"{', '.join(names)}: {reason}." for reason, names in reasons.items()]


def _measured(found: dict[str, Any]) -> str:
    interval = " [{:.2f}, {:.2f}]".format(*found["ci95"]) if found["ci95"] else ""
    return f"{number(found['value'], 2)}{interval}"


def print_calibration(report: dict[str, Any], console: Console) -> None:
    """Shows the tables on a terminal; texts from data are never read as markup."""
    console.print(Text(headline(report), style="bold"))
    for table in calibration_tables(report):
        console.print()
        console.print(Text(table.title, style="bold"))
        shown = RichTable(box=box.HORIZONTALS, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for place, column in enumerate(table.columns):
            shown.add_column(column, justify="left" if place == 0 else "right", no_wrap=True)
        for row in table.rows:
            shown.add_row(*map(Text, row))
        console.print(shown)
        for note in table.notes:
            console.print(Text(note, style="dim"))


def render_markdown(report: dict[str, Any]) -> str:
    """Renders the tables as Markdown, in which texts from data show literally."""
    lines = ["# Calibration to people", "", escape(headline(report)) + "."]
    lines += ["", f"Labels: {escape(report['labels']['file'])}. Written {report['timestamp']}."]
    for table in calibration_tables(report):
        lines += ["", f"## {table.title}", "", f"| {' | '.join(table.columns)} |", f"|{'---|' * len(table.columns)}"]
        lines += [f"| {' | '.join(map(escape, row))} |" for row in table.rows]
        for note in table.notes:
            lines += ["", escape(note)]
    return "\n".join(lines) + "\n"


def write_calibration(report: dict[str, Any], folder: Path) -> list[Path]:
    """Writes `calibration.json` and `calibration.md`, over earlier ones.

    Raises:
        OutputError: the folder cannot be written.
    """
    texts = {
        folder / "calibration.json": clean_json(json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False)),
        folder / "calibration.md": render_markdown(report),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_bytes(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"the calibration cannot be written to {folder}: {reason}; use --output-dir DIR") from error
    return list(texts)
