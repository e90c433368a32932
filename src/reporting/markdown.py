"""The report as Markdown."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

_SPECIAL = re.compile(r"([\\`*_\[\]|#~])")


def render_markdown(report: dict[str, Any]) -> str:
    """The whole report but its per-sample rows of scored samples; texts from data are escaped."""
    sections = [
        _head(report),
        _section("Categories", _statistics_table("category", report["category_statistics"])),
        _section("Categories by difficulty", _difficulty_table(report)),
        _section("Difficulties", _statistics_table("difficulty", report["difficulty_statistics"])),
        _section("Tags", _statistics_table("tag", report["tag_statistics"])),
        _section("Failures", _failures(report)),
        _section("Editor and judge", _identities(report)),
        _section("Time", _times(report)),
        _section("Configuration", [_fenced(report["metadata"]["config"])]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def escape(text: object) -> str:
    """Text that Markdown and HTML show literally, on one line."""
    return _SPECIAL.sub(r"\\\1", html.escape(" ".join(str(text).split()), quote=False))


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def interval(values: Sequence[float] | None) -> str:
    """A 95 % interval, or nothing."""
    return f"[{values[0]:.2f}, {values[1]:.2f}]" if values else ""


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *lines]) if lines else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return head + [f"| {' | '.join(row)} |" for row in rows]


def _head(report: dict[str, Any]) -> str:
    overall, summary = report["overall_statistics"], report["summary"]
    statuses = ", ".join(f"{count} {name}" for name, count in report["statuses"].items())
    lines = [
        "# Evaluation report",
        "",
        f"Generated {report['timestamp']} by EditLoop {escape(report['environment'].get('editloop', ''))}.",
        "",
        f"**Mean {number(overall.get('mean'))}** of 10 {interval(overall['ci95'])} (95 % interval), "
        f"**coverage {overall['coverage']:.1%}** ({overall['num_samples']} of {overall['total']} samples scored: "
        f"{statuses}).",
    ]
    if summary["best_category"]:
        best, worst = summary["best_category"], summary["worst_category"]
        lines += [
            "",
            f"Best {escape(best['name'])} ({number(best['score'])}), worst {escape(worst['name'])} "
            f"({number(worst['score'])}).",
        ]
    if report["empty_categories"]:
        lines += ["", f"Without a single sample: {escape(', '.join(report['empty_categories']))}."]
    lines += ["", "Failed samples are in no mean; coverage says how many remain."]
    return "\n".join(lines)


def _statistics_table(kind: str, groups: dict[str, Any]) -> list[str]:
    if not groups:
        return []
    metrics = [name for name in ("mean", "std", "median", "min", "max") if name in next(iter(groups.values()))]
    columns = [kind, *metrics, "95 % interval", "scored / all", "coverage"]
    rows = [
        [
            escape(name),
            *(number(values[metric]) for metric in metrics),
            interval(values["ci95"]),
            f"{values['num_samples']} / {values['total']}",
            f"{values['coverage']:.1%}",
        ]
        for name, values in groups.items()
    ]
    return _table(columns, rows)


def _difficulty_table(report: dict[str, Any]) -> list[str]:
    difficulties = list(report["difficulty_statistics"])
    rows = [
        [escape(name), *(_cell(groups.get(difficulty)) for difficulty in difficulties)]
        for name, groups in report["category_by_difficulty"].items()
    ]
    return _table(["category", *map(escape, difficulties)], rows) if rows else []


def _cell(values: dict[str, Any] | None) -> str:
    return f"{number(values.get('mean'), 2)} ({values['num_samples']}/{values['total']})" if values else ""


def _failures(report: dict[str, Any]) -> list[str]:
    rows = [
        [failure["status"], str(failure["count"]), escape(failure["reason"]), escape(", ".join(failure["sample_ids"]))]
        for failure in report["failures"]
    ]
    return _table(["status", "samples", "reason", "for example"], rows) if rows else []


def _identities(report: dict[str, Any]) -> list[str]:
    identities = {"editor": report["editor"], "scorer": report["scorer"], "environment": report["environment"]}
    return [_fenced(identities)]


def _times(report: dict[str, Any]) -> list[str]:
    timings = report["timings"]
    rows = [
        [name, *(number(spread[key], 2) for key in ("total", "mean", "median", "p95"))]
        for name, spread in (("editing", timings["edit_seconds"]), ("judging", timings["judge_seconds"]))
        if spread
    ]
    lines = _table(["seconds", "total", "mean", "median", "95th percentile"], rows) if rows else []
    attempts = [
        [attempt["started"], attempt["outcome"], number(attempt["seconds"], 1)]
        + [f"{attempt[f'{kind}_made']} made, {attempt[f'{kind}_reused']} reused" for kind in ("edits", "verdicts")]
        for attempt in report["attempts"]
    ]
    return [*lines, "", *_table(["attempt", "outcome", "seconds", "edits", "verdicts"], attempts)]


def _fenced(data: Any) -> str:
    """JSON in a fence that is longer than any run of backticks inside."""
    text = json.dumps(data, ensure_ascii=False, indent=2)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}json\n{text}\n{fence}"
