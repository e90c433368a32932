"""An honest rate limit with a correct `Retry-After` loses no verdict and costs few requests more than the questions."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from src.models.http.api_errors import APIFailure, FailureKind
from src.models.http.pace import LONGEST_INTERVAL, Pace
from src.models.http.pauses import Pauses
from src.models.http.retries import Retries
from tests.api_judge import Make, judge, question, server  # noqa: F401 (fixtures)
from tests.chat_server import Answer, ChatServer, failure


def limited(most: int, seconds: float) -> Callable[[dict[str, Any], int], Answer]:
    """Answers so many requests in each window of seconds; the others hear when the next window begins."""
    begun = time.monotonic()
    answered: dict[int, int] = {}

    def script(body: dict[str, Any], number: int) -> Answer:
        window, since = divmod(time.monotonic() - begun, seconds)
        if answered.setdefault(int(window), 0) >= most:
            return failure(429, retry_after=f"{seconds - since:.3f}")
        answered[int(window)] += 1
        return Answer()

    return script


@pytest.mark.parametrize(("questions", "most", "seconds"), [(30, 1, 0.2), (100, 10, 0.4), (60, 3, 0.2)])
def test_an_honest_rate_limit_loses_no_verdict_and_few_requests(
    judge: Make, server: ChatServer, questions: int, most: int, seconds: float
) -> None:
    server.script = limited(most, seconds)
    started = time.monotonic()
    replies = judge().ask([question(f"How good is {place}?") for place in range(questions)])
    took = time.monotonic() - started
    assert [reply.error for reply in replies] == [None] * questions
    assert len(server.requests) <= 2 * questions
    assert took < 2 * questions / most * seconds, "the pace is that of the server"


def test_a_pause_that_is_not_waited_for_holds_up_no_other_question(judge: Make, server: ChatServer) -> None:
    server.play(failure(429, retry_after="86400"), Answer())
    asked = judge(max_concurrency=1, start_concurrency=1)
    started = time.monotonic()
    first, second = asked.ask([question("one"), question("two")])
    assert "asks to wait 86400 s" in (first.error or "")
    assert second.error is None
    assert time.monotonic() - started < 5


def test_pauses_are_no_time_of_the_judge(judge: Make, server: ChatServer) -> None:
    server.play(failure(429, retry_after="0.5"), failure(500), Answer(seconds=0.1))
    [reply] = judge().ask([question()])
    assert 0.1 <= reply.seconds < 0.4


def test_a_rate_limit_that_says_when_takes_no_try_and_is_bounded_by_the_sum_of_its_pauses() -> None:
    limit = APIFailure(FailureKind.RATE_LIMITED, "too many", 3.0)
    retries = Retries(0, max_wait=60.0)
    pauses: list[float] = []

    def wait_for_ever() -> None:
        while True:
            pauses.append(retries.pause(limit))

    with pytest.raises(APIFailure, match=r"asks to wait 3 s more: too many \(pauses of 60 s in sum are waited for\)"):
        wait_for_ever()
    assert 50 < sum(pauses) <= 60.5
    assert retries.failed == 0


@pytest.mark.parametrize("asked", [0.0, 0.001])
def test_a_rate_limit_that_asks_for_next_to_no_pause_is_a_failure_like_others(asked: float) -> None:
    retries = Retries(1)
    retries.pause(APIFailure(FailureKind.RATE_LIMITED, "too many", asked))
    with pytest.raises(APIFailure, match="no answer in 2 tries"):
        retries.pause(APIFailure(FailureKind.RATE_LIMITED, "too many", asked))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class InstantPauses(Pauses):
    """Pauses by the clock of a test."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    async def wait(self, seconds: float, *, asked_for: bool) -> None:
        self._clock.now += seconds


def test_after_a_pause_as_many_are_sent_in_a_time_as_were_answered_before_it() -> None:
    async def scenario() -> list[float]:
        clock = Clock()
        pace = Pace(InstantPauses(clock), clock)
        for _ in range(10):
            await pace.turn()
            pace.record_answer()
        assert clock.now == 100.0, "without a limit nothing waits"
        pace.record_rate_limit(await pace.turn(), 20.0)
        pace.record_rate_limit(99.0, 20.0)  # sent before the other was known: says nothing new
        return [await pace.turn() for _ in range(3)]

    assert asyncio.run(scenario()) == pytest.approx([120.0, 122.0, 124.0])


def test_each_further_limit_slows_by_a_quarter_at_least_and_each_answer_quickens() -> None:
    async def scenario() -> tuple[float, float]:
        clock = Clock()
        pace = Pace(InstantPauses(clock), clock)
        pace.record_answer()
        pace.record_rate_limit(await pace.turn(), 2.0)
        first = await pace.turn()
        clock.now += 1.0
        pace.record_rate_limit(first, 0.5)
        second = await pace.turn()
        third = await pace.turn()
        pace.record_answer()
        return third - second, await pace.turn() - third

    assert asyncio.run(scenario()) == pytest.approx((2.5, 2.375))


def test_a_limit_that_was_met_at_once_and_for_long_does_not_stretch_the_run_for_ever() -> None:
    async def scenario() -> float:
        clock = Clock()
        pace = Pace(InstantPauses(clock), clock)
        await pace.turn()
        pace.record_answer()
        pace.record_rate_limit(await pace.turn(), 300.0)
        for _ in range(200):
            await pace.turn()
            pace.record_answer()
        return clock.now - 100.0

    assert asyncio.run(scenario()) < 300 + 20 * LONGEST_INTERVAL + 1
