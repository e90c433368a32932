"""A server that asks for minutes of patience: waited for, shown, broken off by Ctrl-C, and bounded by `max_wait`."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from src.config import Config
from src.models.reward.implementations.openai_reward import OpenAIRewardModel
from src.pipeline.display import RunDisplay
from src.pipeline.evaluation import evaluate
from src.pipeline.tally import Tally
from src.record.record import Record
from tests.api_judge import Make, judge, question, server  # noqa: F401 (fixtures)
from tests.chat_server import Answer, ChatServer, failure

Write = Callable[..., Path]
MakeConfig = Callable[..., Config]
JUDGE = "src.models.reward.implementations.openai_reward.OpenAIRewardModel"


@pytest.fixture
def config(
    write_benchmark: Write, make_config: MakeConfig, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Config]:
    """Makes a run of three samples whose judge is the server; arguments are the judge's params."""
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def make(**params: object) -> Config:
        section = {"class_path": JUDGE, "params": {"base_url": server.url, "model": "judge", **params}}
        return make_config(write_benchmark(3), reward_model=section)

    return make


def test_a_pause_within_max_wait_is_waited_for_and_one_beyond_is_an_error_that_says_both(
    judge: Make, server: ChatServer
) -> None:
    server.play(failure(429, retry_after="0.4"), Answer())
    assert judge(max_wait=0.5).ask([question()])[0].error is None
    server.play(failure(429, retry_after="2"), Answer())
    [reply] = judge(max_wait=0.5).ask([question()])
    assert reply.error is not None
    assert "asks to wait 2 s" in reply.error
    assert "at most 0.5 s" in reply.error


def test_max_wait_is_no_part_of_the_judges_identity() -> None:
    patient = OpenAIRewardModel.identity({"base_url": "http://x/v1", "max_wait": 7200})
    assert patient == OpenAIRewardModel.identity({"base_url": "http://x/v1"})


def test_ctrl_c_during_a_pause_of_minutes_ends_the_run_at_once_and_leaves_the_samples_unjudged(
    config: Callable[..., Config], server: ChatServer
) -> None:
    server.script = lambda body, number: failure(429, retry_after="300")
    seen: list[float] = []

    def tick(tally: Tally) -> None:
        seen.append(tally.seconds_to_wait())
        if seen[-1] > 0 and len(seen) == 1 + seen.count(0.0):  # once: a second Ctrl-C waits for nothing
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        evaluate(config(), tick)
    assert time.monotonic() - started < 10
    assert 290 < max(seen) <= 301
    run = config()
    with closing(Record(run.evaluation.output_dir, for_reading=True)) as record:
        info = record.latest_run()
        assert [attempt.outcome for attempt in info.attempts] == ["interrupted"]
        assert {result.status for result in record.results(info.run_key)} == {None}

    server.script = lambda body, number: Answer()
    resumed = run.model_copy(update={"evaluation": run.evaluation.model_copy(update={"resume_from_checkpoint": True})})
    assert evaluate(resumed).report["statuses"] == {"scored": 3}


@pytest.mark.parametrize("terminal", [True, False])
def test_the_display_says_how_long_the_server_asks_to_wait(terminal: bool) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=terminal, width=200)
    with RunDisplay(console, quiet_seconds=0) as display:
        display.tick(Tally(seconds_to_wait=lambda: 250.0))
        display.tick(Tally(seconds_to_wait=lambda: 250.0))
    assert "the server asks to wait: 4 min 10 s yet" in shown.getvalue()
