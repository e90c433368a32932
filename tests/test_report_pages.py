"""A report as a reader meets it: as Markdown, on the console, and as files."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len

from src.errors import OutputError
from src.reporting.markdown import escape, render_markdown
from src.reporting.page.run_page import run_page
from src.reporting.report import build_report
from src.reporting.stored_runs import StoredRun
from src.reporting.wording import coverage, duration, one_line
from src.reporting.write import write_reports
from tests.conftest import CATEGORIES
from tests.sample_results import ATTEMPT, HOSTILE, bad_sample, failure, info, result, shown

# Markdown.


def test_markdown_has_every_section_with_means_intervals_and_coverage() -> None:
    scores = [2.0, 4.0, 6.0, 8.0]
    results = [result(index * 5, score) for index, score in enumerate(scores)]
    text = render_markdown(build_report(info(), [*results, failure(1), bad_sample(2), failure(20, None)]))
    headings = re.findall("^## (.*)$", text, re.MULTILINE)
    assert headings == [
        *("Summary", "Categories", "Categories by difficulty", "Difficulties", "Tags", "Failures", "Bad samples"),
        *("Sizes of sources and edits", "Editor and judge", "Time", "What the judge used"),
        *("Attempts", "Environment", "Configuration"),
    ]
    assert "| 物理 physical | 5.000 [1.826, 8.174] | 2.236 | 5.000 | 2.000 | 8.000 | 4 / 5 | 80.0% |" in text
    assert "- Coverage: **57.1%** (4 scored, 1 edit_failed, 1 bad_sample, 1 unfinished)" in text
    assert "| edit_failed | 1 | boom | 00001 |" in text
    assert "| 00002 | 2 | – | src_img_b64 is missing |" in text
    assert "**The run is not complete (1 sample without a verdict); go on with --resume.**" in text


ENDED = {
    "failed": "the run is not complete (failed): samples that it has not read are not counted; go on with --resume",
    "running": (
        "the run is not complete (killed, or still running): samples that it has not read are not counted; "
        "go on with --resume"
    ),
    "interrupted": (
        "the run is not complete (interrupted): samples that it has not read are not counted; go on with --resume"
    ),
    "budget spent: usd 1 of 1": (
        "the run is not complete (budget spent: usd 1 of 1): samples that it has not read are not counted; "
        "go on with --resume and a larger evaluation.budget"
    ),
}


@pytest.mark.parametrize("outcome", ENDED)
def test_a_run_that_ended_early_says_so_everywhere_although_all_that_it_read_is_scored(
    outcome: str, tmp_path: Path
) -> None:
    attempts = (ATTEMPT, replace(ATTEMPT, outcome=outcome))
    report = build_report(info(attempts=attempts), [result(0), result(1)])
    said = ENDED[outcome]
    assert said in " ".join(" ".join(shown(report, 80)).split())
    assert said[4:] in render_markdown(report)
    assert said in [str(notice) for notice in run_page(report, tmp_path, tmp_path).notices]
    assert StoredRun("a", tmp_path, info(attempts=attempts), (result(0),)).interrupted


def test_a_complete_run_says_nothing_of_the_kind(tmp_path: Path) -> None:
    attempts = (replace(ATTEMPT, outcome="failed"), ATTEMPT)
    report = build_report(info(attempts=attempts), [result(0), failure(1)])
    texts = [*shown(report, 80), render_markdown(report), *run_page(report, tmp_path, tmp_path).notices]
    assert not any("not complete" in text for text in texts)
    assert not StoredRun("a", tmp_path, info(attempts=attempts), (result(0), failure(1))).interrupted


def test_the_most_frequent_sizes_are_listed_and_the_others_counted() -> None:
    results = [result(index, edit_size=(16 * max(1, index - 1), 16)) for index in range(14)]
    report = build_report(info(), results)
    assert report["sizes"][0] == {"source": [640, 480], "edit": [16, 16], "count": 3}
    text = render_markdown(report)
    assert text.count("| 640 × 480 |") == 10
    assert "| 640 × 480 | 16 × 16 | 3 |" in text
    assert "2 more samples have other sizes." in text


def test_every_bad_sample_is_named_also_when_there_are_many() -> None:
    text = render_markdown(build_report(info(), [bad_sample(index) for index in range(20)]))
    assert all(f"| {index:05d} | {index} |" in text for index in range(20))


def test_hostile_texts_break_no_table_and_reach_the_reader_as_text() -> None:
    hostile = [
        result(0, category=HOSTILE, difficulty=HOSTILE, tags=(HOSTILE,), sample_id=HOSTILE),
        replace(failure(1, reason=HOSTILE), sample_id=HOSTILE),
        replace(bad_sample(2, reason=HOSTILE), category=HOSTILE, sample_id=HOSTILE),
    ]
    config = {**info().config, "prompts": {HOSTILE: {"system_prompt": f"`````\n{HOSTILE}"}}}
    text = render_markdown(build_report(info(config=config, editor={"class": HOSTILE}), hostile))
    outside_fences = re.sub(r"^(`{3,})yaml\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert "<script>" not in outside_fences
    assert not set("\x1b\u202e\r") & set(outside_fences)
    page = MarkdownIt("commonmark").enable("table").render(text)
    tables = re.findall("<table>.*?</table>", page, re.DOTALL)
    assert len(tables) == 9
    for table in tables:
        rows = re.findall("<tr>(.*?)</tr>", table, re.DOTALL)
        assert len({len(re.findall("<t[hd]", row)) for row in rows}) == 1
    for active in ("<script>", "<img", "<strong>z", "<a "):
        assert active not in page
    blocks = re.findall('<pre><code class="language-yaml">(.*?)</code></pre>', page, re.DOTALL)
    assert yaml.safe_load(html.unescape(blocks[-1])) == config


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30) | st.text(alphabet="a1_*|`\\<>&[]()!#~$-+. \n物", max_size=30))
@example(HOSTILE)
@example("__init__")
@example("\\|")
def test_any_text_in_a_table_cell_is_shown_as_it_is(text: str) -> None:
    page = MarkdownIt("commonmark").enable("table").enable("strikethrough").render(f"| x |\n|---|\n| {escape(text)} |")
    cells = re.findall("<td>(.*?)</td>", page)
    assert [html.unescape(cell) for cell in cells] == [one_line(text)]


# The console.


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_console_breaks_no_line_and_cuts_no_figure(width: int) -> None:
    results = [result(index, 9.99 + 0.01 * (index % 2)) for index in range(1250)]
    lines = shown(build_report(info(), [*results, failure(1251, reason="long " * 60)]), width)
    assert all(cell_len(line) <= width for line in lines)
    rows = [line for line in lines if line.startswith((*CATEGORIES, "all"))]
    assert len(rows) == 6
    for row in rows:
        figures = re.fullmatch(r"(.{3,}?) +(\S+) +\[(\S+), (\S+)\] .* (\d+)/(\d+) +(\S+%)" + r" +(\d+\.\d\d)" * 3, row)
        assert figures, row
    assert lines[-4].startswith("1 edit_failed (01251): long long")
    assert lines[-4].endswith("…")


def test_columns_stand_below_each_other_beside_chinese_names() -> None:
    lines = shown(build_report(info(), [result(index, 5.0) for index in range(10)]), 80)
    ends = {cell_len(line[: line.index("5.00") + 4]) for line in lines if "5.00" in line}
    assert len(ends) == 1


def test_markup_in_data_is_printed_and_not_obeyed() -> None:
    report = build_report(info(editor={"class": "[bold]x"}), [result(0, category="[red]r"), failure(1, reason=HOSTILE)])
    text = "\n".join(shown(report, 120))
    assert "[bold]x" in text
    assert "[red]r" in text
    assert "[red]bold[/red]" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_more_failures_than_fit_are_counted() -> None:
    lines = shown(build_report(info(), [failure(index, reason=f"reason {index}") for index in range(8)]), 80)
    assert sum("edit_failed" in line for line in lines) == 5
    assert "… and 3 more reasons, all in the report" in lines


# Wording.


def test_coverage_says_a_hundred_percent_only_when_nothing_is_missing() -> None:
    assert coverage({"num_samples": 99999, "total": 100000}) == "99.9%"
    assert coverage({"num_samples": 3, "total": 3}) == "100%"
    assert coverage({"num_samples": 0, "total": 0}) == "0.0%"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "0.012 s"),
        (1.0, "1.0 s"),
        (59.4, "59.4 s"),
        (59.97, "1 min 0 s"),
        (303, "5 min 3 s"),
        (7799, "2 h 9 min"),
    ],
)
def test_durations_read_as_a_person_says_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# Files.


def test_a_report_never_overwrites_another_and_leaves_no_part(tmp_path: Path) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5)
    report = build_report(info(), [result(0)])
    (tmp_path / "evaluation_report_20260102_030405.md").write_text("mine")
    written = [write_reports(report, tmp_path, now, tmp_path) for _ in range(2)]
    assert [paths.json.name for paths in written] == [
        "evaluation_report_20260102_030405_2.json",
        "evaluation_report_20260102_030405_3.json",
    ]
    assert (tmp_path / "evaluation_report_20260102_030405.md").read_text() == "mine"
    assert json.loads(written[1].json.read_text(encoding="utf-8")) == report
    assert len(list(tmp_path.iterdir())) == 7


def test_a_folder_that_cannot_be_written_is_an_error_with_advice(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(OutputError, match=r"cannot be written to .*results"):
        write_reports(build_report(info(), []), tmp_path / "results", datetime(2026, 1, 2), tmp_path)


def test_a_write_that_breaks_off_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def full(self: Path, mode: str = "r", *settings: Any, **named: Any) -> Any:
        self.touch()
        return opened(Path("/dev/full") if "w" in mode else self, mode, *settings, **named)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_reports(build_report(info(), []), tmp_path, datetime(2026, 1, 2), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_lone_surrogate_survives_in_the_json(tmp_path: Path) -> None:
    report = build_report(info(), [result(0, instruction="half \ud800 of a pair", reason="\udfff")])
    paths = write_reports(report, tmp_path, datetime(2026, 1, 2), tmp_path)
    assert json.loads(paths.json.read_text(encoding="utf-8")) == report


def test_importing_the_reports_loads_nothing_heavy() -> None:
    code = (
        "import src.reporting.write, src.reporting.console, sys; "
        "sys.exit(str({'torch', 'scipy', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "set()"
