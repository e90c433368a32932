"""A comparison as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.counted import counted
from src.reporting.comparison_wording import (
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
    tests,
)
from src.reporting.markdown import escape, markdown_table, section
from src.reporting.statistics import FEWEST_TO_RESAMPLE
from src.reporting.wording import coverage, number


def render_comparison(report: Mapping[str, Any]) -> str:
    """The whole comparison but its rows of single samples; texts from data show literally."""
    sections = [
        [f"# Comparison of {len(report['runs'])} runs", "", f"Generated {report['timestamp']}."],
        section(
            "Not like with like", [f"- {escape(entry['kind'])}: {escape(entry['text'])}" for entry in report["marks"]]
        ),
        section("Warnings", [f"- {escape(text)}" for text in report["warnings"]]),
        section("Runs", [*_marked(report), *_runs(report), "", letters(report)]),
        *(section(_title(pair), [*_marked(report), *_pair(pair)]) for pair in report["pairs"]),
        section("How to read this", _explanation(report)),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _marked(report: Mapping[str, Any]) -> list[str]:
    return [f"**{mark(report)}**", ""] if mark(report) else []


def _runs(report: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            *(escape(run_label(run)), escape(run["editor"])),
            *(run["group"], number(run["mean_of_common"], 2)),
            f"{number(run['own']['mean'], 2)} {interval(run['own']['ci95'])}",
            f"{run['own']['num_samples']} / {run['own']['total']}",
            coverage(run["own"]),
            ", ".join(f"{count} {name}" for name, count in run["statuses"].items() if name != "scored"),
        ]
        for run in report["runs"]
    ]
    common = f"mean of the {counted(report['runs'][0]['common'], 'sample')} that all scored"
    return markdown_table(
        ["run", "editor", "group", common, "own mean", "scored / all", "coverage", "without a score"], rows
    )


def _title(pair: Mapping[str, Any]) -> str:
    return f"{escape(pair['second'])} − {escape(pair['first'])}"


def _pair(pair: Mapping[str, Any]) -> list[str]:
    first, second = escape(pair["first"]), escape(pair["second"])
    rows = [
        [
            *(escape(name), f"{found['pairs']} ({found['clusters']})"),
            f"{found['first_missing']} / {found['second_missing']}",
            *(number(found["mean_first"], 2), number(found["mean_second"], 2), signed(found["difference"])),
            *(student_interval(found), interval(found["bootstrap95"], "+")),
            *(p_value(found["p"]), p_value(found["p_holm"]), record(found), number(found["detectable"], 2)),
        ]
        for name, found in groups(pair)
    ]
    columns = ["samples", "pairs (pictures)", f"without a score: {first} / {second}", first, second, "difference"]
    columns += ["95 %, t", "95 %, bootstrap", "p", "p, Holm", "win / tie / loss", "detectable"]
    marked = sign_test_note(found for _, found in groups(pair))
    notes = [f"- {escape(name)}: {escape(found['note'])}" for name, found in groups(pair) if found["note"]]
    return [
        *markdown_table(columns, rows),
        *(["", marked] if marked else []),
        *(["", *notes] if notes else []),
        *(["", power(pair)] if power(pair) else []),
    ]


def _explanation(report: Mapping[str, Any]) -> list[str]:
    return [
        "- A difference is the mean of the second run's score minus the first one's over the samples that have a score "
        "in both. A failure is never a number: samples without a score are counted by side, and are in no difference.",
        "- Samples of one source picture are one cluster (CR2 standard error of Bell and McCaffrey, degrees of freedom "
        f"of Imbens and Kolesár). The bootstrap resamples pictures {report['resamples']:,} times with a fixed "
        f"seed, where there are {FEWEST_TO_RESAMPLE} or more.",
        f"- p is that of “no difference”; Holm adjusts it for {tests(report)} of this comparison together.",
        f"- Win / tie / loss count samples; scores within {report['tie_width']:g} of each other are a tie.",
        "- Detectable: the smallest true difference that so many samples show with a chance of 80 %.",
    ]
