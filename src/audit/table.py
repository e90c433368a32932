"""The audit as a table on the console, as Markdown, and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from src.audit.check import Check
from src.audit.figures import CheckOutcome, Figure
from src.audit.run import Audit
from src.counted import counted
from src.errors import OutputError
from src.pipeline.display import waiting
from src.pipeline.tally import Tally
from src.reporting.markdown import escape
from src.reporting.wording import class_name, coverage, number, one_line
from src.terminal import clean_json

SCHEMA_VERSION = 2
REASONS_SHOWN = 5
SENSIBLE = 50
"""Samples below which even a judge that throws dice leaves many a check open."""
_STYLES = {
    CheckOutcome.PASS: "green",
    CheckOutcome.FAIL: "bold red",
    CheckOutcome.INCONCLUSIVE: "yellow",
    CheckOutcome.NOT_MEASURED: "dim",
}
_SIGNS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥"}


def describe_progress(tally: Tally) -> str:
    """Says in one line how far an audit has come."""
    if tally.loading:
        return f"loading {tally.loading} …"
    known, unscored = tally.verdicts_reused, tally.verdicts_failed
    judged = tally.verdicts_made + unscored
    counts = f"{counted(tally.read, 'sample')} read, {counted(judged, 'probe')} judged, "
    counts += f"{known} known already, {unscored} without a score"
    return ", ".join(filter(None, [counts, waiting(tally.seconds_to_wait())]))


def print_audit(audit: Audit, console: Console) -> None:
    """One row a check, then in words what failed and what was not possible."""
    table = Table(box=box.HORIZONTALS, show_edge=False, pad_edge=False, padding=0)
    for column in ("check", "measured", "", "95 % interval", "needed", "verdict"):
        table.add_column(column, no_wrap=True, justify="left" if column else "right")
    for check in audit.checks:
        verdict = Text(check.outcome, style=_STYLES[check.outcome])
        for row, cells in enumerate(_figures(check)):
            table.add_row("" if row else check.name, *map(Text, cells), Text() if row else verdict)
    console.print(Text(_headline(audit), style="bold"))
    console.print(table)
    for check in audit.checks:
        if line := _remark(check):
            console.print(Text(one_line(line), style=_STYLES[check.outcome]))
    for line in _unscored(audit):
        console.print(Text(line, style="yellow"))
    console.print(Text(_summary(audit), style="bold"))


def write_audit(audit: Audit, folder: Path) -> tuple[Path, Path]:
    """Writes `audit.json` and `audit.md`, over those of an earlier audit; the record has all that they are made of.

    Raises:
        OutputError: when the folder cannot be written.
    """
    paths = folder / "audit.json", folder / "audit.md"
    data = json.dumps(to_json(audit), ensure_ascii=False, indent=1, allow_nan=False)
    texts = clean_json(data), to_markdown(audit)
    for path, text in zip(paths, texts, strict=True):
        try:
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"{path} cannot be written: {reason}; make room, then the same command again") from error
    return paths


def to_json(audit: Audit) -> dict[str, Any]:
    """Returns the whole audit but the rows of single probes, which are in the record."""
    taken = ("timestamp", "run_key", "scorer", "judge_models", "statuses", "failures", "timings", "environment")
    return {
        "schema_version": SCHEMA_VERSION,
        "benchmark": audit.report["metadata"]["benchmark_config"],
        "targets": audit.targets,
        "samples": audit.samples,
        "passed": audit.passed,
        "checks": [{"outcome": check.outcome, **asdict(check)} for check in audit.checks],
        "probes": audit.probe_statistics,
        **{name: audit.report[name] for name in taken},
    }


def to_markdown(audit: Audit) -> str:
    """The table with all remarks, and the mean of each probe."""
    remarks = (*filter(None, map(_remark, audit.checks)), *_unscored(audit))
    sections = [
        ["# Audit"],
        [f"{escape(_headline(audit))}. {audit.report['timestamp']}."],
        [f"**{_summary(audit)}**"],
        ["| check | measured | | 95 % interval | needed | verdict |", f"|{'---|' * 6}", *map(_row, audit.checks)],
        [f"- {escape(remark)}" for remark in remarks],
        ["| probe | mean | 95 % interval | scored / all | coverage |", f"|{'---|' * 5}", *_probe_rows(audit)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _row(check: Check) -> str:
    columns = ("<br>".join(map(escape, column)) for column in zip(*_figures(check), strict=True))
    return f"| {check.name}: {check.question} | {' | '.join(columns)} | {check.outcome} |"


def _probe_rows(audit: Audit) -> Iterator[str]:
    for name, values in audit.probe_statistics.items():
        counts = f"{values['num_samples']} / {values['total']}"
        yield f"| {name} | {number(values['mean'], 2)} | {_interval(values['ci95'])} | {counts} | {coverage(values)} |"


def _headline(audit: Audit) -> str:
    benchmark = audit.report["metadata"]["benchmark_config"]["data_path"]
    scorer = class_name(audit.report["scorer"])
    return one_line(f"{scorer} on {counted(audit.samples, 'sample')} of {benchmark}; targets: {audit.targets}")


def _figures(check: Check) -> list[tuple[str, str, str, str]]:
    """Label, value, interval and requirement of each figure; a dash where there is none."""
    return [
        (figure.label, f"{figure.value:.2f}", _interval(figure.interval), _requirement(figure))
        for figure in check.figures
    ] or [("–", "", "", "")]


def _interval(ends: Sequence[float] | None) -> str:
    return "[{:.2f}, {:.2f}]".format(*ends) if ends else ""


def _requirement(figure: Figure) -> str:
    return f"{_SIGNS[figure.needed.sign]} {figure.needed.bound:.2g}" if figure.needed else ""


def _remark(check: Check) -> str | None:
    """What a person must know of this row beyond its numbers."""
    match check.outcome:
        case CheckOutcome.FAIL:
            return f"{check.name}: {check.meaning}"
        case CheckOutcome.INCONCLUSIVE:
            seen = max(figure.samples for figure in check.figures)
            enough = f": {SENSIBLE} and more are sensible" if seen < SENSIBLE else ""
            return f"{check.name}: the interval of {seen} samples holds both answers; audit more{enough}"
        case _:
            return f"{check.name}: {check.reason}" if check.reason else None


def _unscored(audit: Audit) -> Iterator[str]:
    """Yields the reasons why probes have no score, without those that a row of the table has reported already."""
    reported_reasons = {check.reason for check in audit.checks}
    failures = [
        entry for entry in audit.report["failures"] if f"{entry['status']}: {entry['reason']}" not in reported_reasons
    ]
    for failure in failures[:REASONS_SHOWN]:
        yield one_line(f"without a score: {failure['count']} {failure['status']}: {failure['reason']}")
    if len(failures) > REASONS_SHOWN:
        yield f"… and {len(failures) - REASONS_SHOWN} more reasons, all in audit.json"


def _summary(audit: Audit) -> str:
    counts = Counter(check.outcome for check in audit.checks)
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in CheckOutcome if counts[outcome])
