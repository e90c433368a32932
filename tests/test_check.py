"""`python main.py check` of a run: what it would do, how long it would take, and where that is known from."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from benchmarks.harness import config_of
from benchmarks.harness import write_benchmark as write_noise
from benchmarks.models import judge_server
from main import app
from src.config import Config
from src.pipeline.check import check_run
from src.pipeline.evaluation import evaluate
from src.pipeline.forecast import GivenRates, StageForecast, wall_seconds
from src.pipeline.rates import Rate

Write = Callable[..., Path]
Make = Callable[..., Config]


def times(config: Config, given: GivenRates | None = None) -> list[str]:
    return [line for line in check_run(config, given or GivenRates()) if line.startswith("time")]


def seconds_in(line: str) -> float:
    """Of the last duration in a line; the tests stay below a minute."""
    return float(re.findall(r"([\d.]+) s\b", line)[-1])


def stages(edits: tuple[int, float, int], judgements: tuple[int, float, int]) -> tuple[StageForecast, StageForecast]:
    """Count, seconds of one and workers of both stages."""
    count, each, workers = edits
    editing = StageForecast("edit", count, Rate(each, "as given"), workers)
    count, each, workers = judgements
    return editing, StageForecast("judgement", count, Rate(each, "as given"), workers)


@pytest.mark.parametrize(
    ("edits", "judgements", "two_stage", "expected"),
    [
        ((100, 0.05, 1), (100, 0.2, 16), False, 5.0 + 0.2),  # the editor sets the pace
        ((100, 0.05, 1), (100, 2.0, 16), False, 0.05 + 7 * 2.0),  # the judge does: 7 rounds of 16
        ((10, 6.0, 6), (10, 24.0, 1), True, 12.0 + 240.0),
        ((10, 6.0, 4), (10, 24.0, 1), False, 6.0 + 240.0),
        ((0, 6.0, 1), (8, 3.0, 4), False, 6.0),
        ((3, 6.0, 8), (0, 3.0, 4), False, 6.0),
    ],
)
def test_the_slower_stage_sets_the_pace_with_all_its_workers_at_once(
    edits: tuple[int, float, int], judgements: tuple[int, float, int], two_stage: bool, expected: float
) -> None:
    assert wall_seconds(*stages(edits, judgements), two_stage=two_stage) == pytest.approx(expected)


def test_without_an_earlier_run_check_says_what_to_give(write_benchmark: Write, make_config: Make) -> None:
    lines = times(make_config(write_benchmark(3)))
    assert len(lines) == 2
    assert "edits: unknown" in lines[0]
    assert "--edit-seconds" in lines[0]
    assert "--judge-seconds" in lines[1]


def test_given_seconds_are_counted_with_replicas_and_the_judges_concurrency(
    write_benchmark: Write, make_config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    config = make_config(
        write_benchmark(8),
        diffusion_model={"params": {"device_ids": ["a", "b"]}},
        reward_model={
            "class_path": "src.models.reward.implementations.openai_reward.OpenAIRewardModel",
            "params": {"model": "some-judge", "max_concurrency": 4, "start_concurrency": 4},
        },
    )
    edits, judgements, whole = times(config, GivenRates(edit=3.0, judgement=2.0))
    assert edits == "time     edits: 3.0 s each (as given), 2 at once"
    assert judgements == "time     judgements: 2.0 s each (as given), 4 at once"
    assert seconds_in(whole.partition(";")[0]) == 4 * 3.0 + 2.0


def test_half_of_the_rates_gives_the_least_that_it_takes(write_benchmark: Write, make_config: Make) -> None:
    *_, whole = times(make_config(write_benchmark(4)), GivenRates(edit=3.0))
    assert "in all at least 12.0 s;" in whole


def test_a_forecast_from_an_earlier_run_comes_true_with_many_judgements_at_once(tmp_path: Path) -> None:
    """The judge takes longer than the editor and answers many at once, as its record shows: a plug-in does not say."""
    data = write_noise(tmp_path / "benchmark.json", 40)
    with judge_server(0.2) as port:
        judge = {"port": port, "concurrency": 8}
        evaluate(config_of(data, tmp_path / "first", {"seconds": 0.02}, judge))
        planned = config_of(data, tmp_path / "second", {"seconds": 0.02}, judge)
        edits, judgements, whole = times(planned)
        assert f"mean of 40 in {tmp_path / 'first'}" in edits
        assert not (tmp_path / "second").exists()
        started = time.perf_counter()
        evaluate(planned)
        wall = time.perf_counter() - started
    one_by_one = 40 * 0.2
    assert seconds_in(judgements.partition("each")[0]) == pytest.approx(0.2, abs=0.1)
    assert wall * 0.5 < seconds_in(whole) < min(wall * 2, one_by_one)


def test_rates_of_another_editor_or_judge_are_not_taken(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    data = write_benchmark(2)
    evaluate(make_config(data, diffusion_model={"params": {"seconds": 0.01}}))
    elsewhere = {"output_dir": str(tmp_path / "other")}
    edits, judgements = times(
        make_config(data, diffusion_model={"class_path": "tests.plugins.SeedEditor"}, evaluation=elsewhere)
    )[:2]
    assert "edits: unknown" in edits
    assert "mean of 2" in judgements
    edits, judgements = times(
        make_config(data, reward_model={"class_path": "tests.plugins.SourceJudge"}, evaluation=elsewhere)
    )[:2]
    assert "mean of 2" in edits
    assert "judgements: unknown" in judgements


def test_with_a_record_both_ways_are_said(write_benchmark: Write, make_config: Make) -> None:
    config = make_config(write_benchmark(5), benchmark={"limit": 2}, diffusion_model={"params": {"seconds": 0.05}})
    evaluate(config)
    whole = times(config.model_copy(update={"benchmark": config.benchmark.model_copy(update={"limit": 5})}))[-1]
    resumed, without = (seconds_in(part) for part in whole.split(";")[:2])
    assert without > resumed > 0.1


def test_a_file_that_is_no_record_is_passed_over(write_benchmark: Write, make_config: Make, tmp_path: Path) -> None:
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "record.sqlite").write_text("not a database, and long enough to be one " * 50)
    assert "unknown" in times(make_config(write_benchmark(1)))[0]


def test_check_takes_the_options_of_the_run(write_benchmark: Write, make_config: Make, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(make_config(write_benchmark(10)).redacted(), allow_unicode=True), encoding="utf-8")
    command = ["check", "--config", str(path), "--edit-seconds", "2", "--judge-seconds", "1"]
    done = CliRunner().invoke(
        app, [*command, "--category", "物理", "--limit", "1", "--output-dir", str(tmp_path / "x")]
    )
    assert done.exit_code == 0, done.output
    assert "samples  1 (物理 1), 0 bad" in done.output
    assert "in all 3.0 s;" in done.output
    assert "0 edits" not in done.output
    none = CliRunner().invoke(app, [*command, "--difficulty", "impossible"])
    assert none.exit_code == 1
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--edit-seconds", "--limit"])
def test_what_only_a_run_knows_is_refused_for_a_training(option: str) -> None:
    done = CliRunner().invoke(app, ["check", "--config", "configs/training/miniature_rewrite.yaml", option, "2"])
    assert done.exit_code == 1
    assert "takes --set alone" in done.output
