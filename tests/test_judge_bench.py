"""`python main.py judge-bench`: judges of known noise on preferences, official layouts, hostile rows, and resuming."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from scipy.stats import binomtest, norm
from typer.testing import CliRunner, Result

from main import app
from src.config import Config
from src.pipeline.judge_bench import Preferences, judge_bench, judge_bench_config
from src.record.results import SampleResult
from src.reporting.judge_bench.against import mcnemar_p
from src.reporting.judge_bench.report import build_judge_bench
from src.reporting.judge_bench.tables import remarks
from src.reporting.judge_bench.tables import rows as table_rows
from tests.preference_judges import HIGH, LOW, NoisyJudge, edit, pair, png, text, write_rows
from tests.sample_results import info
from tests.sample_results import result as sample_result

JUDGE = "tests.preference_judges.NoisyJudge"
CONFIG = """
reward_model:
  class_path: {judge}
  params: {params}
evaluation:
  output_dir: {folder}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Measures a judge on a file and returns the report; keyword arguments are the judge's params."""

    def measure(data: Path, layout: str = "preferences", limit: int | None = None, **params: Any) -> dict[str, Any]:
        preferences = Preferences(layout, str(data), limit)  # type: ignore[arg-type]
        config = _config(tmp_path, preferences, params)
        measured = judge_bench(config, preferences)
        return build_judge_bench(measured.info, measured.results)

    return measure


def _config(folder: Path, preferences: Preferences, params: dict[str, Any]) -> Config:
    sections = {
        "reward_model": {"class_path": JUDGE, "params": params},
        "evaluation": {"output_dir": str(folder / "out")},
    }
    return judge_bench_config(sections, folder / "config.yaml", preferences)


def command(tmp_path: Path, data: Path, *options: str, judge: str = JUDGE, **params: Any) -> Result:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(judge=judge, params=json.dumps(params), folder=tmp_path / "out"), encoding="utf-8")
    return CliRunner().invoke(app, ["judge-bench", "--config", str(config), "--data", str(data), *options])


def within(figure: dict[str, Any], expected: float) -> bool:
    low, high = figure["ci95"]
    return bool(low <= expected <= high)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_the_accuracy_of_a_judge_of_known_noise_is_the_closed_form(
    bench: Callable[..., dict[str, Any]], tmp_path: Path, sigma: float
) -> None:
    """Two scores with independent normal noise are in the right order with chance Φ(d / (σ √2))."""
    rows = [pair(number, *(("a", (HIGH, LOW)) if number % 2 else ("b", (LOW, HIGH)))) for number in range(100)]
    data = write_rows(tmp_path / "pairs.jsonl", rows)
    expected = float(norm.cdf((HIGH - LOW) / (sigma * math.sqrt(2))))
    found = [bench(data, sigma=sigma, seed=seed)["overall"] for seed in range(4)]
    assert [one["coverage"] for one in found] == [1] * 4
    assert sum(within(one["accuracy"], expected) for one in found) >= 3, "of intervals of 95 %"
    right = sum(round(100 * one["accuracy"]["value"]) for one in found)
    assert binomtest(right, 400, expected).pvalue > 0.01


def test_a_judge_that_rounds_has_the_ties_and_the_accuracy_of_the_closed_form(
    bench: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    rows = [pair(number) for number in range(600)]
    report = bench(write_rows(tmp_path / "pairs.jsonl", rows), sigma=1.0, step=2.0)
    grid = [2.0 * place for place in range(6)]
    better, worse = ([_mass(value, quality, grid) for value in grid] for quality in (HIGH, LOW))
    pairs = itertools.product(zip(grid, better, strict=True), zip(grid, worse, strict=True))
    ties = sum(one * other for one, other in zip(better, worse, strict=True))
    right = sum(p * q for (a, p), (b, q) in pairs if a > b)
    overall = report["overall"]
    assert within(overall["accuracy"], right + ties / 2)
    assert within(overall["strict_accuracy"], right)
    assert binomtest(overall["ties_of_judge"], 600, ties).pvalue > 0.01
    assert overall["accuracy"]["value"] == pytest.approx(
        overall["strict_accuracy"]["value"] + overall["ties_of_judge"] / 1200
    )


def _mass(value: float, quality: float, grid: Sequence[float]) -> float:
    """The chance that a normal score around the quality is rounded to this value, both ends of the scale included."""
    low = -math.inf if value == grid[0] else value - 1
    high = math.inf if value == grid[-1] else value + 1
    return float(norm.cdf(high - quality) - norm.cdf(low - quality))


def test_a_tie_width_is_chosen_on_other_sources_than_it_is_reported_on(
    bench: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """People call half the pairs equal, and so they are: with noise, only a width above 0 can say so."""
    rows = [pair(number, "tie", (5.0, 5.0)) if number % 2 else pair(number, "a", (9.0, 1.0)) for number in range(80)]
    report = bench(write_rows(tmp_path / "pairs.jsonl", rows), sigma=0.2)
    overall = report["overall"]
    assert (overall["preferences"], overall["ties_of_people"], overall["accuracy"]["value"]) == (40, 40, 1)
    assert 0.2 < overall["tie_width"] < 8
    assert 0.85 < overall["tie_calibrated"]["value"] <= overall["in_sample"] == 1
    random = bench(
        write_rows(tmp_path / "random.jsonl", [pair(n, "tie" if n % 2 else "a", (5.0, 5.0)) for n in range(80)]),
        sigma=1.0,
    )
    assert random["overall"]["tie_calibrated"]["value"] < random["overall"]["in_sample"]


def test_failed_judgements_are_neither_right_nor_wrong_and_are_reported(
    bench: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    report = bench(write_rows(tmp_path / "pairs.jsonl", [pair(n) for n in range(10)]), sigma=0.0, fails_below=8)
    overall = report["overall"]
    assert (overall["judged"], overall["pairs"], overall["coverage"]) == (6, 10, 0.6)
    assert overall["accuracy"] == {"value": 1, "ci95": [pytest.approx(0.6097, abs=1e-3), 1], "n": 6}
    assert list(report["without_score"].values()) == [4]
    assert "too much for me" in next(iter(report["without_score"]))


def _editreward(number: int, ranking: str, dataset: str = "2pair", **changes: Any) -> dict[str, Any]:
    row = {
        "id": f"{number}",
        "dataset": dataset,
        "instruction": "make it better",
        "source_image": {"bytes": png((number % 256, number // 256, 7)), "path": None},
        "candidate_1": {"bytes": edit(2 * number, HIGH), "path": None},
        "candidate_2": {"bytes": edit(2 * number + 1, LOW), "path": None},
        "ranking": ranking,
        "comparison_type": "AvsB",
        "score_1": 3.0,
        "model_1": "m",
    }
    return row | changes


def _group(number: int, size: int, qualities: Sequence[float]) -> list[dict[str, Any]]:
    """A K-way group in TIGER's layout; people prefer the candidate with the lower number."""
    candidates = [{"bytes": edit(100 * number + place, qualities[place]), "path": None} for place in range(size)]
    return [
        _editreward(
            number,
            "A>B",
            f"{size}pair",
            id=f"{number}_{one}{two}",
            candidate_1=candidates[one],
            candidate_2=candidates[two],
        )
        for one, two in itertools.combinations(range(size), 2)
    ]


def test_tigers_layout_gives_accuracies_and_whole_orders_by_the_number_of_edits(
    bench: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    rows = [_editreward(1, "A>B"), _editreward(2, "B > A"), _editreward(3, "A=B")]
    rows += (
        _group(5, 3, (9, 6, 3)) + _group(6, 3, (9, 3, 6)) + _group(7, 4, (9, 7, 5, 3)) + _group(8, 4, (9, 7, 5, 3))[1:]
    )
    file = tmp_path / "test-00000-of-00001.parquet"
    parquet.write_table(arrow.Table.from_pylist(rows), file)
    report = bench(file, "editreward-bench", sigma=0.0)
    assert list(report["categories"]) == ["2pair", "3pair", "4pair"]
    assert report["categories"]["2pair"]["accuracy"]["value"] == 0.5
    assert report["categories"]["3pair"]["accuracy"]["value"] == pytest.approx(5 / 6)
    assert report["categories"]["4pair"]["pairs"] == 11
    whole = {size: (found["strict_accuracy"]["value"], found["groups"]) for size, found in report["groups"].items()}
    assert whole == {"2": (0.5, 3), "3": (0.5, 2), "4": (1, 2)}
    assert report["groups"]["4"]["incomplete"] == 1
    assert report["groups"]["2"]["with_ties"] == 1
    assert [found["chance"] for found in report["groups"].values()] == pytest.approx([1 / 2, 1 / 6, 1 / 24])


def test_a_group_of_which_a_candidate_cannot_be_read_is_no_whole_group_of_fewer_edits(
    bench: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    rows = _group(1, 3, (9, 6, 3)) + _group(2, 4, (9, 7, 5, 3))
    damaged = _group(3, 3, (9, 6, 3)) + _group(4, 4, (9, 7, 5, 3))
    rows += [row | {"candidate_1": {"bytes": b"no image"}} if "_0" in row["id"] else row for row in damaged]
    file = tmp_path / "test.parquet"
    parquet.write_table(arrow.Table.from_pylist([_plain(row) for row in rows]), file)
    report = bench(file, "editreward-bench", sigma=0.0)
    assert {
        size: (found["groups"], found["judged"], found["incomplete"]) for size, found in report["groups"].items()
    } == {
        "3": (2, 1, 1),
        "4": (2, 1, 1),
    }
    counts = {name: (found["judged"], found["rows"]) for name, found in report["categories"].items()}
    assert counts == {"3pair": (4, 6), "4pair": (9, 12)}
    assert (report["overall"]["rows"], report["overall"]["coverage"]) == (18, 13 / 18)
    assert [row["category"] for row in report["bad_rows"]] == ["3pair"] * 2 + ["4pair"] * 3
    assert ["3pair", "4/6"] in [[row[0], row[-1]] for row in table_rows(report)]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: {"bytes": said["bytes"]} if isinstance(said, dict) else said for name, said in row.items()}


@pytest.mark.parametrize("layout", ["editreward-bench", "editscore-bench"])
def test_a_scorer_that_can_judge_no_category_of_a_public_set_is_refused_with_one_that_can(
    tmp_path: Path, layout: str
) -> None:
    """The default scorer asks by category, and has a prompt for this project's categories alone."""
    told = {"key": ["1"], "instruction": "make it better", "task_type": "style_change", "dimension": "overall"}
    told |= {"input_image": {"bytes": png((1, 0, 7))}, "output_images": [{"bytes": edit(1, 9)}, {"bytes": edit(2, 3)}]}
    file = tmp_path / "bench.parquet"
    parquet.write_table(
        arrow.Table.from_pylist([told if layout == "editscore-bench" else _plain(_editreward(1, "A>B"))]), file
    )
    judge = "src.models.reward.implementations.openai_reward.OpenAIRewardModel"
    result = command(tmp_path, file, "--format", layout, judge=judge, base_url="http://127.0.0.1:9/v1", model="m")
    said = " ".join(result.output.split())
    assert result.exit_code == 1
    assert "the scorer can judge none of the 1 pair of" in said
    assert "name a scorer that asks about every edit alike, such as `scorer: {protocol: editscore@2025-11}`" in said


def test_what_a_comparison_costs_and_what_all_cost_counts_an_edit_of_several_rows_once(tmp_path: Path) -> None:
    def result(pair_id: str, side: str, key: str, seconds: float) -> SampleResult:
        told = {"pair": pair_id, "side": side, "winner": "a"}
        usage = {"calls": 2.0, "cost": 0.5 * seconds}
        return sample_result(edit_key=key, judge_seconds=seconds, attributes=told, usage=usage, replies=(key,))

    results = [result("1", "a", "x", 1.0), result("1", "b", "y", 2.0)]
    results += [result("2", "a", "x", 1.0), result("2", "b", "z", 3.0)]
    report = build_judge_bench(info(), results)
    assert report["cost_a_comparison"] == pytest.approx((0.5 + 1.0 + 0.5 + 1.5) / 2)
    assert report["usage"]["calls"]["total"] == 6
    assert report["usage"]["cost"]["total"] == pytest.approx(0.5 + 1.0 + 1.5)
    assert any("3.5 s and a cost of 1.75 a comparison; in all 6 calls" in line for line in remarks(report))


def test_rows_that_share_an_id_are_told_apart_and_contradictions_are_named(
    bench: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    rows = [_editreward(1, "A>B"), _editreward(1, "B>A"), _editreward(2, "A>B"), _editreward(2, "A>B")]
    swapped = rows[2] | {"candidate_1": rows[2]["candidate_2"], "candidate_2": rows[2]["candidate_1"], "ranking": "B>A"}
    file = tmp_path / "bench.parquet"
    parquet.write_table(arrow.Table.from_pylist([*rows, swapped]), file)
    NoisyJudge.asked = 0
    report = bench(file, "editreward-bench", sigma=0.0)
    assert NoisyJudge.asked == 4, "each of the four different edits is judged once"
    doubled = report["duplicates"]
    assert (doubled["rows"], doubled["conflicting_rows"]) == (5, 2)
    assert doubled["conflicting"] == [["row_00000", "row_00001"]]
    assert (doubled["repeated_ids"], doubled["repeated_ids_named"]) == (2, ["1", "2"])
    assert [row["right"] for row in report["pairs"]] == [1, 0, 1, 1, 1]


def test_editscores_layout_gives_dimensions_and_the_mean_over_tasks(
    bench: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    def row(number: int, task: str, dimension: str, qualities: tuple[float, float]) -> dict[str, Any]:
        images = [{"bytes": edit(2 * number + place, quality)} for place, quality in enumerate(qualities)]
        told = {"key": [f"k{number}", "x"], "instruction": "make it better", "task_type": task, "dimension": dimension}
        return told | {"input_image": {"bytes": png((number, 0, 7))}, "output_images": images}

    rows = [
        row(1, "color_alter", "overall", (9, 3)),
        row(1, "color_alter", "consistency", (9, 3)),
        row(2, "color_alter", "overall", (3, 9)),
        row(3, "style_change", "overall", (9, 3)),
        row(4, "style_change", "overall", (5, 5)),
        row(5, "style_change", "overall", (9, 3)),
        row(6, "style_change", "overall", (9, 3)),
    ]
    file = tmp_path / "bench.parquet"
    parquet.write_table(arrow.Table.from_pylist(rows), file)
    report = bench(file, "editscore-bench", sigma=0.0)
    overall = report["dimensions"]["overall"]
    assert overall["strict_accuracy"]["value"] == pytest.approx(4 / 6)
    assert overall["macro_strict_accuracy"] == pytest.approx((1 / 2 + 3 / 4) / 2)
    assert overall["accuracy"]["value"] == pytest.approx(4.5 / 6)
    assert report["dimensions"]["consistency"]["strict_accuracy"]["value"] == 1
    assert report["duplicates"]["rows"] == 0, "one pair by two dimensions is no duplicate"


def test_hostile_rows_are_named_and_left_out(bench: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    whole = {"source_image": text(png((9, 9, 9))), "instruction": "x", "id": "1"}
    images = {
        "source_image_b64": text(png((9, 9, 9))),
        "candidate_1_b64": text(edit(1, 9)),
        "candidate_2_b64": text(edit(2, 3)),
    }
    sound = {"instruction": "x", "id": "1_ab", "dataset": "2pair", "ranking": "A>B", **images}
    rows: list[Any] = [
        sound,
        sound | {"ranking": "A>C"},
        sound | {"ranking": 7},
        sound | {"instruction": "  "},
        sound | {"candidate_2_b64": None},
        sound | {"candidate_2_b64": text(b"no picture")},
        sound | {"source_image_b64": None, "source_image": "../../etc/passwd"},
        sound | {"dataset": ["2pair"]},
        whole,
        7,
        sound | {"id": {"a": "\ud800"}, "instruction": "y \ud800"},
    ]
    report = bench(write_rows(tmp_path / "rows.jsonl", rows), "editreward-bench", sigma=0.0)
    assert [row["right"] for row in report["pairs"]] == [1, 1]
    reasons = {row["id"]: row["reason"] for row in report["bad_rows"]}
    assert list(reasons) == [f"row_{number:05d}" for number in range(1, 10)]
    assert "`ranking`" in reasons["row_00001"]
    assert "edited (b)" in reasons["row_00005"]
    assert "leads out of the folder" in reasons["row_00006"]


def test_a_file_of_another_layout_is_a_sentence(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", [pair(1)])
    result = command(tmp_path, data, "--format", "editscore-bench")
    assert result.exit_code == 1
    assert "holds no pair in the layout of editscore-bench: field `output_images`" in " ".join(result.output.split())
    assert command(tmp_path, tmp_path / "absent.jsonl").exit_code == 1


def test_a_finished_measurement_costs_nothing_and_an_interrupted_one_goes_on(tmp_path: Path) -> None:
    data = Preferences("preferences", str(write_rows(tmp_path / "pairs.jsonl", [pair(n) for n in range(30)])))
    config = _config(tmp_path, data, {"sigma": 1.0})
    NoisyJudge.asked = 0

    interruptions = iter([KeyboardInterrupt])  # one: a second Ctrl-C does not wait for what is in flight

    def interrupt(tally: Any) -> None:
        if tally.verdicts_made >= 5 and (once := next(interruptions, None)):
            raise once

    whole = build_judge_bench(*_measured(_config(tmp_path / "whole", data, {"sigma": 1.0}), data))
    NoisyJudge.asked = 0
    with contextlib.suppress(KeyboardInterrupt):
        judge_bench(config, data, interrupt)
    resumed = build_judge_bench(*_measured(config, data))
    assert NoisyJudge.asked == 60
    assert resumed["overall"] == whole["overall"]
    judge_bench(config, data)
    assert NoisyJudge.asked == 60


def _measured(config: Config, data: Preferences) -> tuple[Any, Any]:
    found = judge_bench(config, data)
    return found.info, found.results


SLOW = """
import sys, time
from main import app
from tests.sample_results import info
from tests.sample_results import result as sample_result
from tests.preference_judges import NoisyJudge
score = NoisyJudge.score
def slow(self, *args, **named):
    time.sleep(0.05)
    with open(sys.argv[-1] + "/asked", "a") as file: file.write("x")
    return score(self, *args, **named)
NoisyJudge.score = slow
folder = sys.argv.pop()
sys.argv.append(folder)
app(["judge-bench", "--config", folder + "/config.yaml", "--data", folder + "/pairs.jsonl"], standalone_mode=False)
"""


def test_a_killed_measurement_asks_nothing_again_but_what_was_in_flight(tmp_path: Path) -> None:
    write_rows(tmp_path / "pairs.jsonl", [pair(n) for n in range(20)])
    params = json.dumps({"sigma": 1.0})
    text_ = CONFIG.format(judge=JUDGE, params=params, folder=tmp_path / "out")
    (tmp_path / "config.yaml").write_text(text_, encoding="utf-8")
    asked = tmp_path / "asked"
    started = subprocess.Popen([sys.executable, "-c", SLOW, str(tmp_path)], cwd=Path(__file__).parents[1])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not asked.exists() or asked.stat().st_size < 8):
        time.sleep(0.02)
    started.send_signal(signal.SIGKILL)
    started.wait()
    before = asked.stat().st_size
    assert 8 <= before < 40
    NoisyJudge.asked = 0
    result = command(tmp_path, tmp_path / "pairs.jsonl", sigma=1.0)
    assert result.exit_code == 0, result.output
    assert 40 - before <= NoisyJudge.asked <= 40 - before + 1


def test_the_command_writes_a_page_with_both_pictures_and_says_what_it_measured(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", [pair(n) for n in range(12)])
    result = command(tmp_path, data, sigma=0.0)
    assert result.exit_code == 0, result.output
    assert "prefers what people prefer in 100.0 %" in result.output
    assert "a coin: 50 %" in result.output
    (page,) = (tmp_path / "out" / "judge-bench" / "results").glob("*.html")
    shown = page.read_text(encoding="utf-8")
    assert shown.count('"A ✓"') == shown.count('"B"') >= 12
    assert "data:image/webp" in shown
    assert "agrees" in shown
    (told,) = page.parent.glob("*.json")
    assert json.loads(told.read_text(encoding="utf-8"))["seconds_a_comparison"] >= 0


def test_two_judges_are_compared_on_the_pairs_that_both_have_judged(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", [pair(n) for n in range(60)])
    other = tmp_path / "other"
    assert command(tmp_path, data, "--output-dir", str(other), sigma=3.0).exit_code == 0
    result = command(tmp_path, data, "--against", str(other), sigma=0.1)
    assert result.exit_code == 0, result.output
    (told,) = (tmp_path / "out" / "judge-bench" / "results").glob("*.json")
    report = json.loads(told.read_text(encoding="utf-8"))
    against = report["against"]
    assert against["only_other_right"] == 0
    assert (
        against["only_this_right"]
        == sum(row["right"] == 1 for row in report["pairs"]) - 60 * (against["difference"]["mean_first"])
    )
    assert against["mcnemar_p"] == pytest.approx(binomtest(0, against["only_this_right"]).pvalue)
    assert against["mcnemar_p"] < 0.001
    strict = against["strict_difference"]
    assert strict["difference"] == pytest.approx((against["only_this_right"] - against["only_other_right"]) / 60)
    said = " ".join(result.output.split())
    assert f"with ties as wrong {100 * strict['difference']:+.1f} points" in said
    assert said.index("with ties as wrong") < said.index("McNemar p")
    elsewhere = write_rows(tmp_path / "elsewhere.jsonl", [pair(n) for n in range(100, 104)])
    refused = command(tmp_path, elsewhere, "--against", str(other))
    assert refused.exit_code == 1
    assert "judge the same file by both judges" in " ".join(refused.output.split())


@pytest.mark.parametrize(
    ("bias", "agreement", "first", "accuracy"), [(0, 1, 0.5, 1), (2, 0.5, 0.75, 1), (6, 0, 1, 0.75)]
)
def test_a_pairwise_scorer_is_asked_in_both_orders_which_cancels_its_bias_for_a_place(
    tmp_path: Path, bias: float, agreement: float, first: float, accuracy: float
) -> None:
    """Half the pairs differ by one point, half by five: less and more than the bias. Scores end at 10."""
    pairs = [pair(n, "a", (5.5, 4.5) if n % 2 else (8.0, 3.0)) for n in range(20)]
    data = Preferences("preferences", str(write_rows(tmp_path / "pairs.jsonl", pairs)))
    scorer = {"class_path": "tests.preference_judges.PairwiseScorer", "params": {"bias": bias}}
    sections = {"scorer": scorer, "evaluation": {"output_dir": str(tmp_path / "out")}}
    config = judge_bench_config(sections, tmp_path / "config.yaml", data)
    report = build_judge_bench(*_measured(config, data))
    orders = report["orders"]
    assert (orders["agreement"]["value"], orders["first_preferred"]["value"]) == (agreement, first)
    assert report["overall"]["accuracy"]["value"] == accuracy


@pytest.mark.parametrize(("one", "other"), [(0, 0), (1, 0), (5, 5), (3, 12), (20, 4)])
def test_mcnemars_p_is_that_of_the_exact_binomial_test(one: int, other: int) -> None:
    expected = binomtest(one, one + other).pvalue if one + other else 1.0
    assert mcnemar_p(one, other) == pytest.approx(expected)
