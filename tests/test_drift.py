"""`python main.py drift`: a judge on a real server that changes its mind, or does not, between the run and today."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from main import app
from src.config import Config
from src.data.verdict import Status
from src.pipeline.drift import anchor_subset, measure_drift
from src.pipeline.evaluation import evaluate
from src.pipeline.tally import Tally
from src.record.record import Record
from src.reporting.drift import Drift, build_drift
from tests.api_judge import server  # noqa: F401 (a fixture)
from tests.chat_server import Answer, ChatServer, completion, failure
from tests.conftest import item
from tests.sample_results import result as sample_result

Write = Callable[..., Path]
MakeConfig = Callable[..., Config]
JUDGE = "src.models.reward.implementations.openai_reward.OpenAIRewardModel"
SAMPLES = 20


def scoring(scores: Callable[[int], float], model: str = "judge-2026-01-01") -> Callable[[dict[str, Any], int], Answer]:
    """Answers in the order of asking, which with one request at a time is the order of the samples."""
    asked = [0]

    def script(body: dict[str, Any], number: int) -> Answer:
        asked[0] += 1
        return Answer(completion(f"Score: {scores(asked[0]):.2f}") | {"model": model})

    return script


@pytest.fixture
def run(write_benchmark: Write, make_config: MakeConfig, server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A finished run whose judge gave every edit a 7."""
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.script = scoring(lambda number: 7)
    params = {"base_url": server.url, "model": "judge", "max_concurrency": 1, "start_concurrency": 1}
    config = make_config(write_benchmark(SAMPLES), reward_model={"class_path": JUDGE, "params": params})
    assert evaluate(config).report["statuses"] == {"scored": SAMPLES}
    server.requests.clear()
    return config


def drift(config: Config, *options: str) -> Result:
    return CliRunner().invoke(app, ["drift", str(config.evaluation.output_dir), *options])


def measured(config: Config) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((config.evaluation.output_dir / "drift" / "drift.json").read_text("utf-8"))
    return data


def ids(config: Config) -> list[str]:
    return [anchor["sample_id"] for anchor in measured(config)["anchors"]]


def test_a_judge_that_says_the_same_has_not_drifted_and_the_run_is_untouched(run: Config, server: ChatServer) -> None:
    record = run.evaluation.output_dir / "record.sqlite"
    before = record.read_bytes()
    server.script = scoring(lambda number: 7)
    result = drift(run, "--samples", "10")
    assert result.exit_code == 0, result.output
    assert len(server.requests) == 10
    assert record.read_bytes() == before
    data = measured(run)
    assert (data["overall"]["mean"], data["overall"]["ci95"], data["overall"]["equal"]) == (0, [0, 0], 1)
    assert data["models_then"] == data["models_today"] == ["judge-2026-01-01"]
    assert {name: shift["asked"] for name, shift in data["categories"].items()} == dict.fromkeys(data["categories"], 2)
    assert "no drift: the whole 95 % interval of the mean shift lies within ±0.3" in result.output


def test_a_judge_that_has_become_stricter_is_exit_1_with_the_shift_and_the_model_that_answers_now(
    run: Config, server: ChatServer
) -> None:
    server.script = scoring(lambda number: 6.5 if number % 2 else 6.3, model="judge-2026-09-09")
    result = drift(run, "--samples", "10")
    assert result.exit_code == 1, result.output
    overall = measured(run)["overall"]
    assert overall["mean"] == pytest.approx(-0.6)
    low, high = overall["ci95"]
    assert low < -0.6 < high < -0.5
    assert overall["equal"] == 0
    assert "judge-2026-01-01 then, judge-2026-09-09 today" in result.output
    assert drift(run, "--samples", "10", "--threshold", "0.7").exit_code == 0


def test_an_interval_that_lies_only_partly_beyond_the_threshold_proves_no_drift(
    run: Config, server: ChatServer
) -> None:
    server.script = scoring(lambda number: 7 + (2 if number % 2 else -1))
    result = drift(run, "--samples", "10")
    assert result.exit_code == 0, result.output
    assert "partly beyond ±0.3" in result.output


def test_the_anchors_are_the_same_each_time_and_every_measurement_asks_anew(run: Config, server: ChatServer) -> None:
    for _ in range(2):
        assert drift(run, "--samples", "7").exit_code == 0
    first = ids(run)
    assert len(server.requests) == 14
    drift(run, "--samples", "12")
    assert set(first) < set(ids(run))


def test_a_drift_that_was_broken_off_goes_on(run: Config, server: ChatServer) -> None:
    def tick(tally: Tally) -> None:
        if tally.verdicts_made >= 3:
            raise KeyboardInterrupt

    server.script = lambda body, number: Answer(completion("Score: 5"), seconds=0.15)
    with pytest.raises(KeyboardInterrupt):
        measure_drift(run.evaluation.output_dir, samples=10, tick=tick)
    asked = len(server.requests)
    assert 3 <= asked < 10
    assert drift(run, "--samples", "10").exit_code == 1
    assert 10 - asked <= len(server.requests) - asked <= 10 - 3  # an answer under way at the interrupt may be lost
    assert measured(run)["overall"]["scored"] == 10


def test_what_fails_today_is_counted_with_its_reason_and_is_in_no_figure(run: Config, server: ChatServer) -> None:
    server.script = lambda body, number: Answer(completion("no idea")) if len(server.requests) > 6 else Answer()
    result = drift(run, "--samples", "10")
    assert result.exit_code == 0, result.output
    data = measured(run)
    assert (data["overall"]["scored"], data["overall"]["asked"], data["overall"]["mean"]) == (6, 10, 0)
    assert sum(data["failures"].values()) == 4
    assert "without a score today: unparsable" in result.output


@pytest.mark.parametrize("script", [lambda body, number: failure(401), lambda body, number: Answer(completion("hm"))])
def test_a_drift_that_cannot_be_measured_is_exit_3(
    run: Config, server: ChatServer, script: Callable[[dict[str, Any], int], Answer]
) -> None:
    server.script = script
    assert drift(run, "--samples", "4").exit_code == 3


@pytest.mark.parametrize(("samples", "exit_code"), [("2", 3), ("5", 3), ("6", 0)])
def test_fewer_than_six_equal_verdicts_do_not_prove_that_nothing_has_drifted(
    run: Config, server: ChatServer, samples: str, exit_code: int
) -> None:
    server.script = scoring(lambda number: 7)
    result = drift(run, "--samples", samples)
    assert result.exit_code == exit_code, result.output
    assert (measured(run)["overall"]["ci95"] is None) == (exit_code == 3)


def test_settings_that_change_the_judge_are_refused_and_others_are_taken(run: Config, server: ChatServer) -> None:
    refused = drift(run, "--set", "reward_model.params.model=another")
    assert refused.exit_code == 3
    assert 'scorer.judge.params.model: "judge", now "another"' in refused.output
    assert not server.requests
    assert drift(run, "--samples", "6", "--set", "reward_model.params.timeout=7").exit_code == 0


def test_what_has_changed_since_the_run_is_left_out_with_the_reason(
    run: Config, write_benchmark: Write, server: ChatServer
) -> None:
    changes = [{"edit_instruction_en": "another"}, {"src_img_b64": item(99)["src_img_b64"]}]
    write_benchmark([item(index, **(changes[index] if index < 2 else {})) for index in range(SAMPLES - 1)])
    picture = min((run.evaluation.output_dir / "edits").rglob("*.png"))
    picture.write_bytes(picture.read_bytes() + b"\0")
    result = drift(run)
    assert result.exit_code == 0, result.output
    reasons = measured(run)["left_out"]
    assert sum(reasons.values()) + measured(run)["overall"]["asked"] == SAMPLES
    for word in ("question", "source picture", "does not have", "damaged"):
        assert [count for reason, count in reasons.items() if word in reason] == [1], reasons


@pytest.mark.parametrize("what", ["pictures", "benchmark", "folder", "run in the way"])
def test_a_run_that_cannot_be_asked_about_is_a_sentence_and_exit_3(
    run: Config, tmp_path: Path, server: ChatServer, what: str
) -> None:
    options: tuple[str, ...] = ()
    if what == "pictures":
        for picture in (run.evaluation.output_dir / "edits").rglob("*.png"):
            picture.unlink()
    elif what == "benchmark":
        Path(run.benchmark.data_path).unlink()
    elif what == "folder":
        run = run.moved_to(tmp_path / "nowhere")
    else:
        options = ("--output-dir", str(run.evaluation.output_dir))
    result = drift(run, *options)
    assert result.exit_code == 3
    assert result.output.count("error:") == 1
    assert not server.requests
    assert not (tmp_path / "nowhere").exists()


def test_the_history_of_measurements_stays_in_their_record(run: Config) -> None:
    for _ in range(2):
        drift(run, "--samples", "3")
    with closing(Record(run.evaluation.output_dir / "drift", for_reading=True)) as record:
        assert [[one.status for one in record.results(info.run_key)] for info in record.runs()] == [
            [Status.SCORED] * 3,
            [Status.SCORED] * 3,
        ]


def moved(shifts: list[float], sources: list[str] | None = None) -> Drift:
    """The drift of a judge that gave scores of 4, 4.2, 4.4 … and gives them today with these shifts."""
    pictures = sources or [f"picture {place}" for place in range(len(shifts))]
    then = [
        sample_result(place, 4 + place / 5, source_sha256=picture, category="a")
        for place, picture in enumerate(pictures)
    ]
    today = [replace(row, score=(row.score or 0) + shift) for row, shift in zip(then, shifts, strict=True)]
    return build_drift("run", list(zip(then, today, strict=True)), 0.3)


def test_one_shift_of_all_anchors_is_no_drift_before_six_pictures_have_it() -> None:
    """Six equal signs have p = 0.03125 by the exact sign test; of five it is 0.0625, which allows no 95 % interval."""
    for count in (2, 5):
        few = moved([-0.5] * count)
        assert (few.overall.ci95, few.measured, few.beyond) == (None, False, False)
        assert few.overall.mean == pytest.approx(-0.5)
        assert "cannot be measured" in few.conclusion
        assert "of 6 where all agree" in few.conclusion
    six = moved([-0.5] * 6)
    assert six.overall.ci95 == pytest.approx((-0.5, -0.5))
    assert six.beyond


def test_the_means_of_then_and_today_are_each_of_its_own_scores() -> None:
    overall = moved([-1.0, -0.5, -0.9]).overall
    assert overall.then == pytest.approx(4.2)
    assert overall.today == pytest.approx(4.2 - 0.8)
    assert overall.mean == pytest.approx(-0.8)


def test_anchors_of_one_source_picture_are_one_cluster() -> None:
    """Sums of the deviations of two pictures are ±1 of four anchors: V = 2 (1² + 1²) / 4², t has one degree."""
    shifts = [-1.0, -1.0, 0.0, 0.0]
    clustered = moved(shifts, ["a", "a", "b", "b"]).overall.ci95
    half = 12.7062 * 0.5
    assert clustered == pytest.approx((-0.5 - half, -0.5 + half), abs=1e-3)
    assert moved(shifts, ["a"] * 4).overall.ci95 is None


def test_anchors_are_spread_over_the_categories_in_proportion() -> None:
    rows = [sample_result(index, category="ab"[index % 4 == 0]) for index in range(100)]
    chosen = anchor_subset(rows, 20, seed=1)
    assert Counter(row.category for row in chosen) == {"a": 15, "b": 5}
    assert chosen == anchor_subset(list(reversed(rows)), 20, seed=1)
    assert {row.sample_id for row in chosen} != {row.sample_id for row in anchor_subset(rows, 20, seed=2)}
