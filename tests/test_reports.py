"""The data of a report: what is counted, averaged and compared."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from src.data.verdict import Status
from src.record.results import Attempt, SampleResult
from src.reporting.markdown import render_markdown
from src.reporting.report import build_report, comparable
from src.reporting.write import write_reports
from tests.sample_results import ATTEMPT, bad_sample, failure, info, result, shown


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
    paths = write_reports(report, tmp_path, datetime(2026, 1, 2), tmp_path)
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
