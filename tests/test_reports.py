from __future__ import annotations

import html
import io
import json
import math
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
from rich.console import Console

from src.data.verdict import Status
from src.errors import OutputError
from src.reporting.console import print_report
from src.reporting.markdown import escape, render_markdown
from src.reporting.report import build_report, comparable
from src.reporting.results import Attempt, RunInfo, SampleResult
from src.reporting.wording import coverage, duration, one_line
from src.reporting.write import write_reports
from tests.conftest import CATEGORIES

HOSTILE = "a|b\r\n`c` <script>alert(1)</script> [red]bold[/red] ![x](http://y) **z** \x1b[31m \u202e $q$ __d__ 物理 ```"
ATTEMPT = Attempt("2026-01-02T03:04:05+00:00", 12.5, "finished", 3, 0, 3, 0)


def result(index: int = 0, score: float | None = 5.0, **changes: Any) -> SampleResult:
    fields: dict[str, Any] = {
        "sample_id": f"{index:05d}",
        "index": index,
        "category": CATEGORIES[index % 5],
        "difficulty": ("easy", "medium", "hard")[index % 3],
        "tags": ("light", "sky"),
        "instruction": "make it rain",
        "description": "a park",
        "seed": index,
        "status": Status.SCORED,
        "score": score,
        "dimensions": {"change": score},
        "reason": None,
        "replies": (f"{score}",),
        "usage": {"calls": 1},
        "edit_key": f"key{index}",
        "source_sha256": f"hash{index}",
        "image_path": f"edits/key{index}.png",
        "source_size": (640, 480),
        "edit_size": (1184, 880),
        "edit_seconds": 2.0 + index,
        "judge_seconds": 0.5,
    }
    return SampleResult(**(fields | changes))


def failure(index: int, status: Status | None = Status.EDIT_FAILED, reason: str | None = "boom") -> SampleResult:
    return result(index, None, status=status, reason=reason, dimensions={}, replies=())


def bad_sample(index: int, reason: str = "src_img_b64 is missing") -> SampleResult:
    return replace(failure(index, Status.BAD_SAMPLE, reason), category=None, difficulty=None, tags=())


def info(**changes: Any) -> RunInfo:
    run = RunInfo(
        run_key="0123abcd",
        config={
            "benchmark": {"data_path": "b.json", "categories": ["指代", "物理"]},
            "diffusion_model": {"class_path": "my.Editor", "params": {"steps": 8}},
            "reward_model": {"class_path": "my.Judge", "params": {"api_key": "***"}},
            "evaluation": {"output_dir": "out"},
        },
        editor={"class": "my.Editor", "version": "1", "params": {"steps": 8}},
        scorer={"class": "src.Scorer", "judge": {"class": "my.Judge", "params": {"temperature": 0}}},
        environment={"editloop": "0", "python": "3.11"},
        attempts=(ATTEMPT,),
    )
    return replace(run, **changes)


def shown(report: dict[str, Any], width: int) -> list[str]:
    output = io.StringIO()
    print_report(report, Console(file=output, width=width))
    return output.getvalue().splitlines()


# The data.


def test_the_keys_of_the_older_report_keep_their_meaning() -> None:
    report = build_report(info(), [result(0, 4.0), result(5, 8.0), result(4, 9.0)])
    physical = report["category_statistics"]["物理"]
    assert {name: physical[name] for name in ("mean", "std", "median", "min", "max", "num_samples")} == {
        **{"mean": 6.0, "std": 2.0, "median": 6.0, "min": 4.0, "max": 8.0},
        "num_samples": 2,
    }
    assert report["overall_statistics"]["mean"] == 7.0, "pooled over samples, not over categories"
    assert report["summary"] == {
        **{"num_categories": 2, "total_samples": 3, "overall_mean": 7.0, "coverage": 1.0},
        "category_means": {"指代": 9.0, "物理": 6.0},
        "best_category": {"name": "指代", "score": 9.0},
        "worst_category": {"name": "物理", "score": 6.0},
    }
    metadata = report["metadata"]
    assert metadata["benchmark_config"] == info().config["benchmark"]
    assert metadata["diffusion_model"]["class_path"] == "my.Editor"
    assert metadata["reward_model"]["class_path"] == "my.Judge"
    assert (metadata["total_pairs"], metadata["categories"]) == (3, ["指代", "物理"])
    assert datetime.fromisoformat(report["timestamp"]).tzinfo is not None


def test_a_failed_sample_is_in_no_mean_and_lowers_coverage() -> None:
    report = build_report(info(), [result(0, 8.0), failure(5), failure(10, Status.UNPARSABLE), failure(15, None)])
    physical = report["category_statistics"]["物理"]
    assert (physical["mean"], physical["num_samples"], physical["total"], physical["coverage"]) == (8.0, 1, 4, 0.25)
    assert physical["statuses"] == report["statuses"] == {"scored": 1, "edit_failed": 1, "unparsable": 1}
    assert report["unfinished"] == 1


def test_a_score_beside_a_failure_is_not_counted() -> None:
    report = build_report(info(), [result(0, 8.0), result(5, 1.0, status=Status.JUDGE_FAILED)])
    assert report["overall_statistics"]["mean"] == 8.0
    assert report["overall_statistics"]["coverage"] == 0.5


def test_categories_keep_the_order_of_the_config_and_then_that_of_the_file() -> None:
    report = build_report(info(), [result(3), result(1), result(0)])
    assert list(report["category_statistics"]) == ["指代", "物理", "因果", "环境"]
    assert report["category_statistics"]["指代"]["total"] == 0, "asked for, but the file has none"
    assert report["category_statistics"]["指代"]["coverage"] == 0.0


def test_a_sample_without_category_counts_overall_and_stands_apart() -> None:
    report = build_report(info(), [result(0), bad_sample(1)])
    assert report["overall_statistics"]["coverage"] == 0.5
    assert report["category_statistics"]["物理"]["coverage"] == 1.0
    assert report["category_statistics"]["(none)"]["statuses"] == {"bad_sample": 1}
    assert report["metadata"]["categories"] == ["指代", "物理"]


def test_difficulties_come_from_easy_to_hard_also_within_a_category() -> None:
    results = [result(2, 1.0), result(0, 3.0), result(1, 2.0), result(5, 9.0, difficulty="extreme")]
    report = build_report(info(), results)
    assert list(report["difficulty_statistics"]) == ["easy", "medium", "hard", "extreme"]
    assert report["difficulty_statistics"]["easy"]["mean"] == 3.0
    assert list(report["category_by_difficulty"]["物理"]) == ["easy", "extreme"]
    assert report["category_by_difficulty"]["物理"]["extreme"]["mean"] == 9.0


def test_tags_are_sorted_by_how_often_they_occur_and_counted_once_a_sample() -> None:
    tagged = [result(0, 2.0, tags=("rare",)), result(1, 4.0, tags=("sky", "sky")), result(2, 6.0, tags=("sky",))]
    tags = build_report(info(), tagged)["tag_statistics"]
    assert [(name, values["total"], values["mean"]) for name, values in tags.items()] == [
        ("sky", 2, 5.0),
        ("rare", 1, 2.0),
    ]


def test_samples_of_one_source_are_clustered_and_the_report_says_so() -> None:
    results = [result(index, float(index % 7), source_sha256=f"hash{index // 2}") for index in range(12)]
    report = build_report(info(), results)
    assert report["overall_statistics"]["clusters"] == 6
    assert "6 source images for 12 scores" in render_markdown(report)
    independent = build_report(info(), [replace(row, source_sha256=row.sample_id) for row in results])
    assert independent["overall_statistics"]["clusters"] is None
    assert "source images for" not in render_markdown(independent)


def test_only_the_metrics_that_were_asked_for_are_reported_beside_the_mean() -> None:
    report = build_report(info(), [result(0)], metrics=["max", "count"])
    overall = report["overall_statistics"]
    assert (overall["mean"], overall["max"], overall["count"]) == (5.0, 5.0, 1)
    assert not {"std", "median", "min"} & set(overall)
    assert "| category | mean | max | scored / all | coverage |" in render_markdown(report)


def test_failures_are_grouped_by_status_and_reason_with_at_most_five_samples() -> None:
    failures = build_report(info(), [failure(9, reason="other"), *map(failure, range(7)), bad_sample(8)])["failures"]
    assert failures[0] == {
        **{"status": "edit_failed", "reason": "boom", "count": 7},
        "sample_ids": ["00000", "00001", "00002", "00003", "00004"],
    }
    assert [group["status"] for group in failures] == ["edit_failed", "bad_sample", "edit_failed"]


def test_timings_show_the_work_of_all_attempts_and_what_the_last_one_reused() -> None:
    killed = Attempt("2026-01-01T00:00:00+00:00", None, "running", 2, 0, 1, 0)
    resumed = Attempt("2026-01-01T01:00:00+00:00", 30.0, "finished", 1, 2, 2, 1)
    timings = build_report(info(attempts=(killed, resumed)), map(result, range(3)))["timings"]
    assert timings == {
        "edit_seconds": {"total": 9.0, "mean": 3.0, "median": 3.0, "p95": pytest.approx(3.9)},
        "judge_seconds": {"total": 1.5, "mean": 0.5, "median": 0.5, "p95": 0.5},
        **{"wall_seconds": 30.0, "edits_made": 3, "edits_reused": 2, "verdicts_made": 3, "verdicts_reused": 1},
    }


def test_usage_is_summed_over_all_verdicts_and_shown_with_its_money_where_prices_are_known() -> None:
    usage = {"calls": 1, "prompt_tokens": 20_000.0, "completion_tokens": 11}
    rows = [result(index, usage=usage | {"cost": 0.0125}) for index in range(3)]
    rows.append(replace(failure(3, Status.UNPARSABLE), usage=usage))
    report = build_report(info(), rows)
    assert report["usage"]["calls"] == {"total": 4, "verdicts": 4}
    assert report["usage"]["cost"] == {"total": pytest.approx(0.0375), "verdicts": 3}
    said = "4 calls, 80,000 tokens in, 44 tokens out, cost 0.0375 (of 3 of 4 verdicts)"
    assert f"judge: {said}" in "\n".join(shown(report, 120))
    assert said in render_markdown(report)


def test_usage_without_prices_shows_no_money_and_none_at_all_no_line() -> None:
    report = build_report(info(), [result(usage={"calls": 2, "gpu_seconds": 1.5})])
    assert "judge: 2 calls, 1.5000 gpu_seconds" in "\n".join(shown(report, 120))
    assert "cost" not in render_markdown(report).partition("## What the judge used")[2].partition("##")[0]
    silent = build_report(info(), [result(usage={})])
    assert "judge:" not in "\n".join(shown(silent, 120))
    assert "What the judge used" not in render_markdown(silent)


@pytest.mark.parametrize("amount", [math.nan, math.inf, "many", None, True, [1], 10**400])
def test_what_a_plugin_states_that_is_no_amount_is_not_summed(amount: Any) -> None:
    report = build_report(info(), [result(0, usage={"calls": amount}), result(1, usage={"calls": 1})])
    assert report["usage"] == {"calls": {"total": 1, "verdicts": 1}}


def test_judging_again_shows_that_nothing_was_edited_again() -> None:
    judged_again = replace(ATTEMPT, edits_made=0, edits_reused=3, verdicts_made=3, verdicts_reused=0)
    report = build_report(info(attempts=(judged_again,)), map(result, range(3)))
    assert "| edits | 0 made, 3 reused |" in render_markdown(report)
    assert any(line.startswith("edits: 0 made, 3 reused") for line in shown(report, 80))


def test_a_nan_of_a_plugin_becomes_null_and_the_report_is_json_as_it_stands() -> None:
    row = result(0, dimensions={"depth": math.nan, "width": math.inf}, usage={"cost": -math.inf})
    report = build_report(info(), [row, failure(1)])
    assert report["samples"][0]["dimensions"] == {"depth": None, "width": None}
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_every_sample_has_its_row_with_what_was_said_of_it() -> None:
    report = build_report(info(), [result(0), failure(1, None, None)])
    scored, unfinished = report["samples"]
    assert (scored["status"], scored["score"], scored["replies"], scored["tags"]) == (
        *("scored", 5.0, ["5.0"]),
        ["light", "sky"],
    )
    assert (unfinished["status"], unfinished["score"]) == (None, None)


def test_reports_compare_equal_across_places_times_and_attempts_and_unequal_across_results() -> None:
    results = [result(index) for index in range(4)]
    report = comparable(build_report(info(), results))
    elsewhere = {**info().config, "evaluation": {"output_dir": "elsewhere"}}
    later = info(config=elsewhere, attempts=(ATTEMPT, ATTEMPT), environment={"python": "3.12"})
    slower = [replace(row, edit_seconds=99.0, judge_seconds=9.0) for row in results]
    assert comparable(build_report(later, slower)) == report
    for changed in (
        build_report(info(), [result(0, 5.001), *results[1:]]),
        build_report(info(), [replace(results[0], replies=("another",)), *results[1:]]),
        build_report(info(), results[:3]),
        build_report(info(editor={"class": "another.Editor"}), results),
        build_report(info(scorer={"class": "another.Scorer"}), results),
    ):
        assert comparable(changed) != report


# Every size of run, through every renderer.


@pytest.mark.parametrize(
    "results",
    [
        *([], [result(0)], [failure(0)], [failure(0, None)], [bad_sample(0)]),
        [result(0, 10.0), result(5, 10.0)],
        [result(index, index / 4) for index in range(40)],
    ],
    ids=["none", "one", "one failure", "one unfinished", "one bad", "two equal", "forty"],
)
@pytest.mark.parametrize("attempts", [(), (ATTEMPT,)], ids=["not started", "started"])
def test_a_run_of_any_size_has_a_whole_report(
    results: list[SampleResult], attempts: tuple[Attempt, ...], tmp_path: Path
) -> None:
    report = build_report(info(attempts=attempts), results)
    paths = write_reports(report, tmp_path, datetime(2026, 1, 2))
    text = paths.json.read_text(encoding="utf-8") + paths.markdown.read_text(encoding="utf-8")
    text += "\n".join(shown(report, 80))
    assert not re.search(r"\b(nan|inf|none)\b(?!\))", text, re.IGNORECASE), "'(none)' is the group without a name"


def test_one_score_has_a_mean_and_no_interval() -> None:
    report = build_report(info(), [result(0, 7.25)])
    assert report["overall_statistics"]["ci95"] is None
    assert "- Mean: **7.250** of 10\n" in render_markdown(report)


def test_nothing_scored_has_no_best_category_and_says_zero_percent() -> None:
    report = build_report(info(), [failure(0), failure(1)])
    assert report["summary"]["best_category"] is report["summary"]["worst_category"] is None
    assert "- Coverage: **0.0%** (2 edit_failed)" in render_markdown(report)


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
    assert "`--resume` goes on with it" in text


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
    written = [write_reports(report, tmp_path, now) for _ in range(2)]
    assert [paths.json.name for paths in written] == [
        "evaluation_report_20260102_030405_2.json",
        "evaluation_report_20260102_030405_3.json",
    ]
    assert (tmp_path / "evaluation_report_20260102_030405.md").read_text() == "mine"
    assert json.loads(written[1].json.read_text(encoding="utf-8")) == report
    assert len(list(tmp_path.iterdir())) == 5


def test_a_folder_that_cannot_be_written_is_an_error_with_advice(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(OutputError, match=r"cannot be written to .*results"):
        write_reports(build_report(info(), []), tmp_path / "results", datetime(2026, 1, 2))


def test_a_write_that_breaks_off_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_reports(build_report(info(), []), tmp_path, datetime(2026, 1, 2))
    assert list(tmp_path.iterdir()) == []


def test_a_lone_surrogate_survives_in_the_json(tmp_path: Path) -> None:
    report = build_report(info(), [result(0, instruction="half \ud800 of a pair", reason="\udfff")])
    paths = write_reports(report, tmp_path, datetime(2026, 1, 2))
    assert json.loads(paths.json.read_text(encoding="utf-8")) == report


def test_importing_the_reports_loads_nothing_heavy() -> None:
    code = (
        "import src.reporting.write, src.reporting.console, sys; "
        "sys.exit(str({'torch', 'scipy', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "set()"
