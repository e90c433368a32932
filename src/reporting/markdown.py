"""The report as Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from src.counted import counted
from src.data.verdict import Status
from src.reporting.wording import (
    category_label,
    class_name,
    coverage,
    duration,
    incomplete_notice,
    judge_usage,
    left_out,
    near_copies,
    number,
    of_shard,
    one_line,
    work_done,
)

_SHOWN_SIZES = 10
_SPECIAL = re.compile(r"([\\`*\[\]|#~$]|(?<![^\W_])_|_(?![^\W_]))")


def render_markdown(report: dict[str, Any]) -> str:
    """The whole report but its rows of single samples; texts from data show literally."""
    sections = [
        ["# Evaluation report", "", f"Generated {report['timestamp']}, run `{report['run_key']}`."],
        section("Summary", _summary(report)),
        section("Protocol", _protocol(report["protocol"]) if "protocol" in report else []),
        section("Categories", _statistics_table("category", report["category_statistics"])),
        section("Categories by difficulty", _difficulty_table(report)),
        section("Difficulties", _statistics_table("difficulty", report["difficulty_statistics"])),
        section("Tags", _statistics_table("tag", report["tag_statistics"])),
        section("Failures", _failures(report["failures"])),
        section("Bad samples", _bad_samples(report["samples"]) if Status.BAD_SAMPLE in report["statuses"] else []),
        section("Sizes of sources and edits", _sizes(report["sizes"])),
        section("Near-copies", list(filter(None, [escape(near_copies(report) or "")]))),
        section("Editor and judge", _fenced({"editor": report["editor"], "scorer": report["scorer"]})),
        section("Time", _times(report["timings"])),
        section("What the judge used", _usage(report["usage"])),
        section("Attempts", _attempts(report["attempts"])),
        section("Environment", _fenced(report["environment"])),
        section("Configuration", _fenced(report["config"])),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def escape(text: object) -> str:
    """Text that Markdown and HTML show literally, on one line."""
    return _SPECIAL.sub(r"\\\1", html.escape(one_line(text), quote=False))


def section(title: str, lines: Sequence[str]) -> list[str]:
    """A headline and what stands below it, or nothing where nothing does."""
    return [f"## {title}", "", *lines] if lines else []


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table, or nothing when it has no rows."""
    body = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}", *body] if body else []


def _summary(report: dict[str, Any]) -> list[str]:
    overall, summary = report["overall_statistics"], report["summary"]
    lines = [
        f"- Editor {escape(class_name(report['editor']))}, judged by {escape(class_name(report['scorer']))}",
        f"- Samples: {overall['total']} in {counted(summary['num_categories'], 'category', 'categories')}"
        + of_shard(report),
        f"- Mean: **{_mean(overall)}** of 10",
        f"- Coverage: **{coverage(overall)}** ({_statuses(report)})",
    ]
    if report["left_out_by_selection"]:
        lines.append(f"- Left out by selection: {escape(left_out(report['left_out_by_selection']))}")
    if summary["best_category"]:
        for word, entry in (("Best", summary["best_category"]), ("Worst", summary["worst_category"])):
            lines.append(f"- {word} category: {escape(category_label(entry['name']))} ({number(entry['score'])})")
    if notice := incomplete_notice(report):
        lines += ["", f"**{escape(notice[0].upper() + notice[1:])}.**"]
    lines += ["", "Samples without a score are in no mean; coverage is the share that has one."]
    lines.append(
        "Brackets hold the 95 % interval of the mean, which does not leave the scale from 0 to 10 "
        "(Wilson's score interval with the effective sample size of Korn and Graubard)."
    )
    if overall["clusters"]:
        shared = "source image" if all(entry["source"] for entry in report["sizes"]) else "source image or prompt"
        images = counted(overall["clusters"], shared, shared.replace("image", "images").replace("prompt", "prompts"))
        scores = counted(overall["num_samples"], "score")
        lines.append(
            f"Samples that share a {shared} count as one cluster ({images} for {scores}; "
            "cluster-robust standard error, arXiv 2411.00640)."
        )
    return lines


def _statuses(report: dict[str, Any]) -> str:
    counts = report["statuses"] | ({"unfinished": report["unfinished"]} if report["unfinished"] else {})
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "no samples"


def _mean(values: dict[str, Any], digits: int = 3) -> str:
    """The mean, with its interval if there is one."""
    mean = number(values["mean"], digits)
    return f"{mean} [{', '.join(f'{end:.{digits}f}' for end in values['ci95'])}]" if values["ci95"] else mean


def _statistics_table(kind: str, groups: dict[str, dict[str, Any]]) -> list[str]:
    metrics = [name for name in ("std", "median", "min", "max") if all(name in values for values in groups.values())]
    rows = [
        [
            *(escape(category_label(name)), _mean(values), *(number(values[metric]) for metric in metrics)),
            *(f"{values['num_samples']} / {values['total']}", coverage(values)),
        ]
        for name, values in groups.items()
    ]
    return markdown_table([kind, "mean", *metrics, "scored / all", "coverage"], rows)


def _protocol(told: dict[str, Any]) -> list[str]:
    """What the protocol is, what is as published and what is not, and its tables."""
    low, high = told["scale"]
    lines = [
        f"{escape(told['name'])}, {escape(told['benchmark'])} ({escape(told['source'])}); a sample's own scale is "
        f"{low:g} to {high:g}. **{escape(told['comparable'])}**",
        "",
        *(f"- {name}: {escape(text)}" for name, text in told["stated"].items()),
    ]
    kept = "reproduced, as `as_published` is on" if told["as_published"] else "corrected, as `as_published` is off"
    if told["defects"]:
        lines += [f"- defects of the official script, {kept}:", *(f"    - {escape(text)}" for text in told["defects"])]
    if told["not_reproduced"]:
        lines += ["- never reproduced:", *(f"    - {escape(text)}" for text in told["not_reproduced"])]
    for table in told["tables"]:
        names = [metric["name"] for metric in table["metrics"]]
        columns = ["", *map(escape, names), f"{escape(table['main'])}, of 10", "scored / all", ""]
        rows = [_protocol_row(row, names, table["main"]) for row in table["rows"]]
        lines += ["", f"### {escape(table['title'])}", "", *markdown_table(columns, rows)]
    return lines


def _protocol_row(row: dict[str, Any], names: Sequence[str], main: str) -> list[str]:
    means = [_mean({"mean": row["values"].get(name), "ci95": row["ci95"][name]}, 2) for name in names]
    of_ten = number(row["of_ten"][main], 2)
    return [escape(row["name"]), *means, of_ten, f"{row['scored']} / {row['total']}", escape(row["note"])]


def _difficulty_table(report: dict[str, Any]) -> list[str]:
    difficulties = list(report["difficulty_statistics"])
    rows = [
        [escape(category_label(name)), *(_cell(groups.get(difficulty)) for difficulty in difficulties)]
        for name, groups in report["category_by_difficulty"].items()
    ]
    return markdown_table(["category", *map(escape, difficulties)], rows)


def _cell(values: dict[str, Any] | None) -> str:
    return f"{_mean(values)} ({values['num_samples']} / {values['total']})" if values else ""


def _failures(failures: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        [failure["status"], str(failure["count"]), escape(failure["reason"]), _examples(failure)]
        for failure in failures
        if failure["status"] != Status.BAD_SAMPLE
    ]
    return markdown_table(["status", "samples", "reason", "which"], rows)


def _examples(failure: dict[str, Any]) -> str:
    shown = ", ".join(map(escape, failure["sample_ids"]))
    return shown + (", …" if failure["count"] > len(failure["sample_ids"]) else "")


def _bad_samples(samples: Iterable[dict[str, Any]]) -> list[str]:
    rows = [
        [escape(row["sample_id"]), str(row["index"]), escape(row["category"] or "–"), escape(row["reason"])]
        for row in samples
        if row["status"] == Status.BAD_SAMPLE
    ]
    return markdown_table(["sample", "position in the file", "category", "reason"], rows)


def _sizes(sizes: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        [*(_size(entry[name]) for name in ("source", "edit")), str(entry["count"])] for entry in sizes[:_SHOWN_SIZES]
    ]
    table = markdown_table(["source", "edit", "samples"], rows)
    others = sum(entry["count"] for entry in sizes[_SHOWN_SIZES:])
    more = counted(others, "more sample has another size", "more samples have other sizes")
    return [*table, "", f"{more}."] if others else table


def _size(size: Sequence[int] | None) -> str:
    return "{} × {}".format(*size) if size else "none: text alone"


def _times(timings: dict[str, Any]) -> list[str]:
    rows = []
    for name, work in (("edit", "edits"), ("judge", "verdicts")):
        spread = timings[f"{name}_seconds"] or dict.fromkeys(("total", "mean", "median", "p95"))
        seconds = [number(spread[key]) for key in ("total", "mean", "median", "p95")]
        rows.append([work, work_done(timings[f"{work}_made"], timings[f"{work}_reused"]), *seconds])
    table = markdown_table(["", "of this run", "seconds", "mean", "median", "95th percentile"], rows)
    wall = timings["wall_seconds"]
    return table if wall is None else [*table, "", f"Wall time of the attempts that were not killed: {duration(wall)}."]


def _usage(usage: dict[str, dict[str, float]]) -> list[str]:
    if not usage:
        return []
    lines = [
        f"{escape(judge_usage(usage))}.",
        "",
        "Sums over the verdicts of this report, whichever attempt made them.",
    ]
    return [*lines, "The cost is in the currency of the judge's prices."] if "cost" in usage else lines


def _attempts(attempts: Iterable[dict[str, Any]]) -> list[str]:
    rows = [
        [
            *(attempt["started"], "killed" if attempt["outcome"] == "running" else attempt["outcome"]),
            number(attempt["seconds"], 1),
            *(work_done(attempt[f"{work}_made"], attempt[f"{work}_reused"]) for work in ("edits", "verdicts")),
        ]
        for attempt in attempts
    ]
    return markdown_table(["started", "outcome", "seconds", "edits", "verdicts"], rows)


def _fenced(data: Any) -> list[str]:
    """YAML in a fence that is longer than any run of backticks inside."""
    text = yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=100).rstrip("\n")
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return [f"{fence}yaml", text, fence]
