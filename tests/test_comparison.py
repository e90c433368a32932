"""The data of a comparison: pairs, groups, marks, warnings, and what is shown of them."""

from __future__ import annotations

import io
import json
import random
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from src.data.verdict import Status
from src.errors import ComparisonError
from src.reporting.comparison import Comparison, compare
from src.reporting.comparison_console import print_comparison
from src.reporting.comparison_markdown import render_comparison
from src.reporting.gate import gate
from src.reporting.mismatch import Difference
from src.reporting.multiplicity import holm
from src.reporting.stored_runs import StoredRun
from src.reporting.write import report_json
from tests.comparable_runs import changed, judged_by, run
from tests.sample_results import HOSTILE
from tests.test_comparability import INTERRUPTED

DICE = random.Random(0)
BASE = [round(DICE.uniform(2, 8), 2) for _ in range(60)]
ALIKE = [score + DICE.choice([-0.3, 0.3]) for score in BASE]
WORSE = [score - DICE.uniform(0.8, 1.6) for score in BASE]


def shown(found: Comparison, width: int = 80) -> str:
    output = io.StringIO()
    print_comparison(found.report, Console(file=output, width=width))
    return output.getvalue()


def three() -> list[StoredRun]:
    return [run("base", BASE), run("alike", ALIKE), run("worse", WORSE)]


def test_runs_that_cannot_be_told_apart_share_a_letter_and_the_best_comes_first() -> None:
    report = compare(three()).report
    groups = {row["name"]: row["group"] for row in report["runs"]}
    assert groups["base"] == groups["alike"] != groups["worse"]
    assert report["runs"][-1]["name"] == "worse"
    means = [row["mean_of_common"] for row in report["runs"]]
    assert means == sorted(means, reverse=True)


def test_every_pair_category_and_difficulty_is_one_test_of_holms_family() -> None:
    found = compare(three())
    tested = [
        one for pair in found.pairs for one in (pair.overall, *pair.categories.values(), *pair.difficulties.values())
    ]
    assert found.report["tests"] == len(tested) == 3 * (1 + 5 + 3)
    assert [one.p_holm for one in tested] == holm([one.p for one in tested])
    assert list(found.pairs[0].difficulties) == ["easy", "medium", "hard"]


def test_samples_of_one_source_picture_are_one_cluster() -> None:
    first, second = (
        replace(one, results=tuple(replace(row, source_sha256=f"picture {row.index // 6}") for row in one.results))
        for one in (run("base", BASE), run("alike", ALIKE))
    )
    assert (compare([first, second]).pairs[0].overall.pairs, compare([first, second]).pairs[0].overall.clusters) == (
        60,
        10,
    )


def test_a_failure_is_counted_on_its_side_and_is_in_no_difference() -> None:
    found = compare([run("base", [5.0, None, 7.0, 6.0, 4.0]), run("new", [4.0, 9.0, None, 7.5, 4.5])])
    overall = found.pairs[0].overall
    assert (overall.pairs, overall.first_missing, overall.second_missing) == (3, 1, 1)
    assert (overall.mean_first, overall.difference) == (pytest.approx(5.0), pytest.approx(1 / 3))
    rows = {row["name"]: row for row in found.report["runs"]}
    assert rows["base"]["mean_of_common"] == pytest.approx(5.0)
    assert rows["base"]["own"]["mean"] == pytest.approx(5.5)
    assert rows["base"]["statuses"] == {"scored": 4, "edit_failed": 1}


def test_coverage_that_differs_is_a_warning_and_equal_coverage_is_none() -> None:
    differs = compare([run("base", [5.0, 6.0, 7.0]), run("new", [4.0, 9.0, None])]).report["warnings"]
    assert len(differs) == 1
    assert "coverage differs (base 3 of 3, new 2 of 3" in differs[0]
    assert compare([run("base", [5.0, 6.0]), run("new", [4.0, 9.0])]).report["warnings"] == []


def test_an_interrupted_run_is_compared_as_far_as_it_came_and_marked() -> None:
    started = run("new", ALIKE[:30], attempts=INTERRUPTED)
    found = compare([run("base", BASE), started])
    assert (found.pairs[0].overall.pairs, found.pairs[0].overall.second_missing) == (30, 30)
    assert "new is not finished" in found.report["warnings"][0]
    assert "new (not finished)" in shown(found)
    assert "new (not finished)" in render_comparison(found.report)


def test_allowed_differences_stand_on_every_table() -> None:
    second = replace(run("new", ALIKE), info=judged_by({"judge": {"class": "my.Else"}}))
    found = compare([run("base", BASE), second], [Difference.JUDGE])
    assert shown(found).count("not like with like: judge differ") == 2
    assert render_comparison(found.report).count("**⚠ not like with like: judge differ**") == 2
    assert "my.Else" in found.report["marks"][0]["text"]
    with pytest.raises(ComparisonError):
        compare([run("base", BASE), second])


def test_of_different_sets_only_the_samples_that_are_the_same_are_paired() -> None:
    second = changed(run("new", ALIKE[:30]), 3, instruction="something else")
    found = compare([run("base", BASE), second], [Difference.SAMPLES])
    assert (found.pairs[0].overall.pairs, found.pairs[0].overall.second_missing) == (29, 0)
    apart = replace(second, results=tuple(replace(row, sample_id=f"x{row.sample_id}") for row in second.results))
    with pytest.raises(ComparisonError, match="no sample has a score in both base and new"):
        compare([run("base", BASE), apart], [Difference.SAMPLES])


def test_one_sample_has_a_difference_and_says_why_it_has_no_interval() -> None:
    found = compare([run("base", [5.0]), run("new", [7.0])])
    assert found.pairs[0].overall.difference == 2.0
    assert found.report["tests"] == 0
    assert "all pairs share one source picture" in shown(found)
    assert found.report["runs"][0]["group"] == found.report["runs"][1]["group"] == "a"


def test_the_report_is_json_without_a_nan_and_its_samples_say_what_each_run_made_of_them() -> None:
    bad = changed(run("new", ALIKE), 2, status=Status.BAD_SAMPLE, score=None, source_sha256=None, image_path=None)
    report = json.loads("".join(report_json(compare([run("base", BASE), bad]).report)))
    sample = report["samples"][2]
    assert sample["runs"]["base"]["score"] == BASE[2]
    assert (sample["runs"]["new"]["score"], sample["runs"]["new"]["status"]) == (None, "bad_sample")
    assert sample["source_sha256"] == "hash2"
    assert report["tie_width"] == 0.5


@pytest.mark.parametrize("width", [80, 140])
def test_nothing_is_cut_on_a_terminal_and_texts_from_data_are_never_markup(width: int) -> None:
    editor = {"class": "my.Editor", "params": {"model_name": "[red]x[/red] <script>"}}
    found = compare([run("base", BASE), run("[bold]new", ALIKE, editor=editor)])
    text = shown(found, width)
    assert "…" not in text
    assert "[bold]new" in text
    assert max(map(len, text.splitlines()[:4])) <= width
    markdown = render_comparison(found.report)
    assert "<script>" not in markdown
    assert "\\[bold\\]new" in markdown


def test_hostile_names_of_categories_show_literally() -> None:
    rows = [run(name, scores) for name, scores in (("base", BASE), ("new", ALIKE))]
    hostile = [replace(one, results=tuple(replace(row, category=HOSTILE) for row in one.results)) for one in rows]
    found = compare(hostile)
    assert "<script>" not in render_comparison(found.report)
    assert "\x1b" not in shown(found)


GATES: list[tuple[list[float], float, bool]] = [
    (WORSE, 0.3, True),
    (WORSE, 5.0, False),
    (WORSE, 1.2, False),  # the mean is worse by that, the interval holds it
    (ALIKE, 0.3, False),
    (BASE, 0.0, False),
]


@pytest.mark.parametrize(("scores", "margin", "worse"), GATES)
def test_the_gate_closes_only_when_the_whole_interval_is_worse_than_the_margin(
    scores: list[float], margin: float, worse: bool
) -> None:
    [found] = gate(compare([run("base", BASE), run("new", scores)]).pairs[0], margin)
    assert found.worse is worse
    assert ("not shown to be worse" in found.sentence()) is not worse


def test_a_better_run_never_closes_the_gate() -> None:
    [found] = gate(compare([run("base", WORSE), run("new", BASE)]).pairs[0], 0.0)
    assert not found.worse


def test_the_gate_judges_the_categories_that_are_named_by_either_name() -> None:
    scores = [score - 2 - score % 0.5 if place % 5 == 0 else score for place, score in enumerate(BASE)]
    [pair] = compare([run("base", BASE), run("new", scores)]).pairs
    assert [found.worse for found in gate(pair, 0.3, ["physical", "环境"])] == [True, False]
    with pytest.raises(ComparisonError, match="no sample of these runs is of category 'fysical'"):
        gate(pair, 0.3, ["fysical"])


def test_the_gate_refuses_to_judge_what_has_no_interval() -> None:
    [pair] = compare([run("base", [5.0]), run("new", [1.0])]).pairs
    with pytest.raises(ComparisonError, match="needs an interval"):
        gate(pair, 0.3)


def test_comparing_the_other_way_round_turns_every_sign() -> None:
    there, back = (compare(runs).pairs[0] for runs in (three()[:2], three()[:2][::-1]))
    for one, other in (
        (there.overall, back.overall),
        *((there.categories[name], back.categories[name]) for name in there.categories),
    ):
        assert one.difference == pytest.approx(-(other.difference or 0))
        assert (one.wins, one.p_holm) == (other.losses, pytest.approx(other.p_holm))


def test_the_order_of_the_samples_in_the_records_changes_no_figure() -> None:
    def figures(found: Comparison) -> Any:
        return {
            pair.second: (pair.overall, dict(sorted(pair.categories.items())), pair.difficulties)
            for pair in found.pairs
        }

    turned = [replace(one, results=one.results[::-1]) for one in three()]
    assert figures(compare(turned)) == figures(compare(three()))


def test_without_a_sample_that_all_scored_an_unfinished_run_is_not_ranked_by_its_own_mean() -> None:
    unfinished = run("unfinished", [None, 9.0, 9.0], attempts=INTERRUPTED)
    runs = [unfinished, run("one", [5.0, 5.0, None]), run("other", [6.0, None, 6.0])]
    report = compare(runs).report
    assert report["runs"][0]["common"] == 0
    assert [found["name"] for found in report["runs"]] == ["other", "one", "unfinished"]
