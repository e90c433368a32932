"""The limit of concurrent requests, with a clock that the test moves."""

from __future__ import annotations

import asyncio

import pytest

from src.models.http.adaptive_limit import COOL_DOWN, AdaptiveLimit, AdaptiveSemaphore


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def rounds(limit: AdaptiveLimit, count: int) -> list[int]:
    """The limit after each of so many clean rounds under full load."""
    after = []
    for _ in range(count):
        for _ in range(limit.current):
            limit.record_success(limit.current)
        after.append(limit.current)
    return after


def test_clean_rounds_double_the_limit_up_to_its_maximum(clock: Clock) -> None:
    assert rounds(AdaptiveLimit(1, 3, 20, clock), 4) == [6, 12, 20, 20]


def test_after_a_rate_limit_it_shrinks_by_a_fifth_and_then_grows_by_one(clock: Clock) -> None:
    limit = AdaptiveLimit(1, 20, 100, clock)
    limit.record_rate_limit()
    assert limit.current == 16
    clock.now += COOL_DOWN
    assert rounds(limit, 3) == [17, 18, 19]


def test_a_burst_of_rate_limits_cuts_once_and_nothing_grows_while_it_cools_down(clock: Clock) -> None:
    limit = AdaptiveLimit(1, 20, 100, clock)
    for _ in range(10):
        limit.record_rate_limit()
    clock.now += COOL_DOWN - 0.1
    assert rounds(limit, 3) == [16, 16, 16]
    clock.now += 0.1
    limit.record_rate_limit()
    assert limit.current == 12


def test_a_long_retry_after_lengthens_the_cool_down(clock: Clock) -> None:
    limit = AdaptiveLimit(1, 20, 100, clock)
    limit.record_rate_limit(retry_after=60)
    clock.now += 59
    limit.record_rate_limit()
    assert limit.current == 16
    clock.now += 1
    limit.record_rate_limit()
    assert limit.current == 12


def test_rate_limits_that_come_again_after_each_pause_go_on_cutting(clock: Clock) -> None:
    limit = AdaptiveLimit(1, 10, 100, clock)
    after = []
    for _ in range(7):
        for _ in range(3):
            limit.record_rate_limit(retry_after=3)
            clock.now += 0.2
        after.append(limit.current)
        clock.now += 2.4
    assert after == [8, 6, 4, 3, 2, 1, 1]


def test_other_faults_hold_growth_back_but_cut_nothing(clock: Clock) -> None:
    limit = AdaptiveLimit(1, 10, 100, clock)
    for _ in range(5):
        for _ in range(9):
            limit.record_success(10)
        limit.record_failure()
    assert limit.current == 10
    assert rounds(limit, 1) == [20]


def test_an_idle_limit_does_not_grow(clock: Clock) -> None:
    limit = AdaptiveLimit(1, 10, 100, clock)
    for _ in range(100):
        limit.record_success(7)
    assert limit.current == 10


def test_it_never_falls_below_its_minimum(clock: Clock) -> None:
    limit = AdaptiveLimit(2, 4, 8, clock)
    for _ in range(9):
        limit.record_rate_limit()
        clock.now += COOL_DOWN
    assert limit.current == 2


@pytest.mark.parametrize("bounds", [(0, 1, 1), (2, 1, 3), (1, 4, 3)])
def test_contradictory_bounds_are_refused(bounds: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="minimum <= start <= maximum"):
        AdaptiveLimit(*bounds)


def test_the_semaphore_follows_the_limit_up_and_down() -> None:
    async def scenario() -> list[int]:
        limit = AdaptiveLimit(1, 2, 10)
        semaphore = AdaptiveSemaphore(limit)
        doors = [asyncio.Event() for _ in range(6)]
        inside = []

        async def visit(door: asyncio.Event) -> None:
            async with semaphore:
                await door.wait()

        async def settle() -> None:
            for _ in range(5):
                await asyncio.sleep(0)
            inside.append(semaphore.in_use)

        visits = [asyncio.ensure_future(visit(door)) for door in doors]
        await settle()
        limit.current = 3
        doors[0].set()
        await settle()
        limit.current = 1
        doors[1].set()
        await settle()
        doors[2].set()
        await settle()
        for door in doors:
            door.set()
        await asyncio.gather(*visits)
        return [*inside, semaphore.in_use]

    assert asyncio.run(scenario()) == [2, 3, 2, 1, 0]


def test_a_visitor_cancelled_while_waiting_or_being_let_in_frees_its_place() -> None:
    async def scenario() -> int:
        semaphore = AdaptiveSemaphore(AdaptiveLimit(1, 1, 1))

        async def visit() -> None:
            async with semaphore:
                await asyncio.sleep(0)

        async with semaphore:
            waiting = [asyncio.ensure_future(visit()) for _ in range(3)]
            await asyncio.sleep(0)
            waiting[0].cancel()
        waiting[1].cancel()  # let in by the line above, but not run yet
        await asyncio.wait_for(waiting[2], timeout=5)
        return semaphore.in_use

    assert asyncio.run(scenario()) == 0
