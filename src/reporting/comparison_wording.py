"""How figures of a comparison are worded, in Markdown and on the console alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from src.counted import counted
from src.reporting.wording import category_label, number, one_line

Figures = Mapping[str, Any]
"""A `PairedDifference` as JSON data."""
SIGN_TEST_MARK = "†"


def interval(ends: tuple[float, float] | None, sign: str = "") -> str:
    """`[−0.31, 0.24]`, or a dash where there is none."""
    return f"[{', '.join(f'{_rounded(end):{sign}.2f}' for end in ends)}]" if ends else "–"


def student_interval(found: Figures) -> str:
    """The 95 % interval of a difference, with a mark where Student's t had no spread to compute it from."""
    return interval(found["ci95"], "+") + (SIGN_TEST_MARK if found["sign_test"] else "")


def sign_test_note(shown: Iterable[Figures]) -> str:
    """What the mark of `student_interval` means; empty where none of these figures bears it."""
    if not any(found["sign_test"] for found in shown):
        return ""
    return f"{SIGN_TEST_MARK} interval of the sign test: the difference is the same on all source pictures"


def run_label(run: Mapping[str, Any]) -> str:
    """The name of a run in a table, with a mark where it is not finished."""
    return one_line(run["name"]) + (" (not finished)" if run["interrupted"] else "")


def signed(value: float | None) -> str:
    """A difference with its sign, or a dash."""
    return "–" if value is None else f"{_rounded(value):+.2f}"


def _rounded(value: float) -> float:
    """Two digits, and no minus before a zero."""
    return round(value, 2) + 0.0


def p_value(value: float | None) -> str:
    """A p-value with the digits that mean something, or a dash."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def record(found: Figures) -> str:
    """Wins, ties and losses of the second run: `12 / 3 / 5`."""
    return f"{found['wins']} / {found['ties']} / {found['losses']}"


def groups(pair: Mapping[str, Any]) -> Iterator[tuple[str, Figures]]:
    """All samples, then each category and each difficulty, with their labels."""
    yield "all", pair["overall"]
    for name, found in pair["categories"].items():
        yield category_label(name), found
    for name, found in pair["difficulties"].items():
        yield name, found


def mark(report: Mapping[str, Any]) -> str:
    """What stands on every table of runs that are not alike: `⚠ judge differs`; empty where nothing differs."""
    kinds = list(dict.fromkeys(entry["kind"] for entry in report["marks"]))
    return f"⚠ not like with like: {', '.join(kinds)} differ" if kinds else ""


def power(pair: Mapping[str, Any]) -> str:
    """What this set can show, and how many samples would show other differences."""
    found = pair["overall"]
    if found["detectable"] is None:
        return ""
    needed = ", ".join(f"{points}: {count:,}" for points, count in pair["samples_needed"].items())
    return (
        f"{counted(found['pairs'], 'sample shows', 'samples show')} a true difference of "
        f"{number(found['detectable'], 2)} or more with a "
        f"chance of 80 % (5 % two-sided). Samples needed to show a difference of {needed}."
    )


def tests(report: Mapping[str, Any]) -> str:
    """All tests by whose number p-values are adjusted: `all 9 tests`, `the 1 test`."""
    return f"{'the' if report['tests'] == 1 else 'all'} {counted(report['tests'], 'test')}"


def letters(report: Mapping[str, Any]) -> str:
    """What the column of letters means."""
    if not report["tests"]:
        return "No difference could be tested on these samples: that runs share a letter says nothing."
    return (
        "Runs that share a letter cannot be told apart on these samples "
        f"(p ≥ 0.05 by Holm over {tests(report)} of the comparison)."
    )
