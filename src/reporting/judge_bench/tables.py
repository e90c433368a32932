"""The report of `judge-bench` on the console and as Markdown, from one set of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from src.counted import counted
from src.reporting.markdown import escape
from src.reporting.wording import category_label, class_name, duration, judge_usage, number, one_line

COLUMNS = (
    "pairs",
    "accuracy",
    "95 % interval",
    "ties wrong",
    "tie-calibrated",
    "95 % interval",
    "judge's ties",
    "judged",
)
GROUP_COLUMNS = ("edits", "whole order right", "95 % interval", "chance", "judged", "all groups")
REASONS_SHOWN = 5
EXPLAINED = (
    "Accuracy: pairs of which people prefer one edit, a judge's tie counts half; a coin has 50 %. Tie-calibrated: all "
    "pairs, ties of people included, with a tie width chosen on other source pictures. Pairs without a score and "
    "rows that cannot be used are in no figure but the last. Intervals are of 95 %, clustered by source picture."
)


def headline(report: Mapping[str, Any]) -> str:
    """One sentence: which judge, on what, and how often it is right."""
    overall = report["overall"]
    accuracy = share(overall["accuracy"]["value"])
    return (
        f"{class_name(report['scorer'])} prefers what people prefer in {accuracy} "
        f"{interval(overall['accuracy'])} of {counted(overall['preferences'], 'pair')} (a coin: 50 %)"
    )


def rows(report: Mapping[str, Any]) -> Iterator[list[str]]:
    """The table of pairs: a row for each category, for each dimension, and for all."""
    named = {category_label(name): found for name, found in report["categories"].items()}
    named |= {f"dimension {one_line(name)}": found for name, found in report["dimensions"].items()}
    for name, found in (named | {"all": report["overall"]}).items():
        calibrated = found["tie_calibrated"]
        yield [
            *(name, str(found["preferences"]), share(found["accuracy"]["value"]), interval(found["accuracy"])),
            *(share(found["strict_accuracy"]["value"]), share(calibrated["value"]), interval(calibrated)),
            *(str(found["ties_of_judge"]), f"{found['judged']}/{found['rows']}"),
        ]


def group_rows(report: Mapping[str, Any]) -> Iterator[list[str]]:
    """The table of groups: a row for each number of edits."""
    for size, found in report["groups"].items():
        accuracy = found["strict_accuracy"]
        yield [
            *(size, share(accuracy["value"]), interval(accuracy), share(found["chance"])),
            *(str(accuracy["n"]), str(found["groups"])),
        ]


def remarks(report: Mapping[str, Any]) -> Iterator[str]:
    """What else is to be known, a sentence each."""
    overall = report["overall"]
    if (macro := overall["macro_strict_accuracy"]) is not None and len(report["categories"]) > 1:
        yield f"mean of the categories' accuracies, ties wrong: {share(macro)}"
    for name, found in report["dimensions"].items():
        of_tasks = share(found["macro_strict_accuracy"])
        yield f"{one_line(name)}: mean of the categories' accuracies, ties wrong: {of_tasks}"
    if overall["tie_width"] is not None and overall["ties_of_people"]:
        yield (
            f"tie width chosen on these very pairs: {overall['tie_width']:.3g}, with accuracy "
            f"{share(overall['in_sample'])}, as published tables have it (too high: it is chosen on what it reports)"
        )
    if note := overall["tie_calibrated"]["note"]:
        yield f"tie-calibrated: {note}"
    if (orders := report["orders"]) and orders["pairs"]:
        agreement, place = orders["agreement"], orders["first_preferred"]
        yield (
            f"both orders agree in {share(agreement['value'])} {interval(agreement)} of "
            f"{counted(orders['pairs'], 'pair')}; the edit shown first is preferred in {share(place['value'])} "
            f"{interval(place)}"
        )
    if against := report["against"]:
        yield _against(against)
    yield from _doubts(report)
    if (seconds := report["seconds_a_comparison"]) is not None:
        cost = report["cost_a_comparison"]
        each = duration(seconds) if cost is None else f"{duration(seconds)} and a cost of {cost:.3g}"
        yield f"{each} a comparison" + (f"; in all {judge_usage(report['usage'])}" if report["usage"] else "")


def _against(against: Mapping[str, Any]) -> str:
    return (
        f"against {one_line(against['other'])} on {counted(against['pairs'], 'pair')}: accuracy "
        f"{_points(against['difference'])}; with ties as wrong {_points(against['strict_difference'])}: only this "
        f"judge right {against['only_this_right']}, only the other {against['only_other_right']}, "
        f"McNemar p = {against['mcnemar_p']:.3g}"
    )


def _points(found: Mapping[str, Any]) -> str:
    difference = "–" if found["difference"] is None else f"{100 * found['difference']:+.1f} points"
    return difference + (
        "" if not found["ci95"] else " [{:+.1f}, {:+.1f}]".format(*(100 * end for end in found["ci95"]))
    )


def _doubts(report: Mapping[str, Any]) -> Iterator[str]:
    """What the data or the judge lack."""
    doubled = report["duplicates"]
    if doubled["conflicting_rows"]:
        named = "; ".join(" = ".join(map(one_line, group)) for group in doubled["conflicting"][:REASONS_SHOWN])
        yield f"{counted(doubled['conflicting_rows'], 'row')} contradict another row about the same two edits: {named}"
    elif doubled["rows"]:
        yield f"{counted(doubled['rows'], 'row')} ask about the same two edits as another row, with the same answer"
    if doubled["repeated_ids"]:
        ids = ", ".join(map(one_line, doubled["repeated_ids_named"][:REASONS_SHOWN]))
        yield f"{counted(doubled['repeated_ids'], 'id')} of several rows, which are told apart by their place: {ids}"
    for what, reasons in (("without a score", report["without_score"]), ("not usable", _bad(report))):
        for reason, count in list(reasons.items())[:REASONS_SHOWN]:
            yield f"{counted(count, 'pair')} {what}: {one_line(reason)}"
        if (more := len(reasons) - REASONS_SHOWN) > 0:
            yield f"… and {more} more reasons, all in the JSON file"


def _bad(report: Mapping[str, Any]) -> dict[str, int]:
    return {f"{row['id']}: {row['reason']}": 1 for row in report["bad_rows"]}


def share(value: float | None) -> str:
    """A share in per cent."""
    return "–" if value is None else f"{number(100 * value, 1)} %"


def interval(found: Mapping[str, Any]) -> str:
    """The interval of a share in per cent, or a dash."""
    return "–" if not found["ci95"] else "[{:.1f}, {:.1f}]".format(*(100 * end for end in found["ci95"]))


def print_judge_bench(report: Mapping[str, Any], console: Console) -> None:
    """Prints the tables, then the rest in sentences."""
    console.print(Text(headline(report), style="bold"), soft_wrap=True)
    console.print(_table(("", *COLUMNS), rows(report)))
    if report["groups"]:
        console.print(_table(GROUP_COLUMNS, group_rows(report)))
    for line in remarks(report):
        console.print(Text(line, style="yellow"), soft_wrap=True)


def _table(columns: tuple[str, ...], cells: Iterator[list[str]]) -> Table:
    table = Table(box=box.HORIZONTALS, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left")
    for row in cells:
        table.add_row(*map(Text, row))
    return table


def judge_bench_markdown(report: Mapping[str, Any]) -> str:
    """The report as Markdown; texts from data show literally."""
    data = ", ".join(f"{name} {value}" for name, value in report["data"].items())
    sections = [
        ["# Agreement of a judge with people"],
        [f"**{escape(headline(report))}.**"],
        [f"Generated {report['timestamp']}, run `{report['run_key']}`; {escape(data)}."],
        list(_markdown_table(("category", *COLUMNS), rows(report))),
        list(_markdown_table(GROUP_COLUMNS, group_rows(report))) if report["groups"] else [],
        [f"- {escape(line)}" for line in remarks(report)],
        [EXPLAINED],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _markdown_table(columns: tuple[str, ...], cells: Iterator[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in cells:
        yield f"| {' | '.join(map(escape, row))} |"
