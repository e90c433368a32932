from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from src.pipeline.flow import Channel, Flow, ThreadWorker


def run_flow(items: int, work: Callable[[list[int]], None], *, workers: int = 1, **options: object) -> None:
    channel: Channel[int] = Channel(4)
    flow = Flow()
    flow.source(lambda: [channel.put(item) for item in range(items)] and None, [channel])
    flow.stage(channel, lambda: [ThreadWorker(work) for _ in range(workers)], name="t", **options)  # type: ignore[arg-type]
    flow.run(lambda: None, seconds=0.01)


def test_every_item_is_worked_on_exactly_once_and_in_order_with_one_worker() -> None:
    seen: list[int] = []
    run_flow(50, seen.extend)
    assert seen == list(range(50))


def test_full_batches_are_full_but_for_the_last() -> None:
    sizes: list[int] = []
    run_flow(10, lambda batch: sizes.append(len(batch)), batch_size=lambda: 4, full_batches=True)
    assert sizes == [4, 4, 2]


def test_a_stage_may_want_more_at_once_than_its_channel_was_made_for() -> None:
    sizes: list[int] = []
    run_flow(24, lambda batch: sizes.append(len(batch)), batch_size=lambda: 10, full_batches=True)
    assert sizes == [10, 10, 4]


def test_batches_that_need_not_be_full_never_wait() -> None:
    channel: Channel[int] = Channel(4)
    channel.put(1)
    assert channel.get(4) == [1]


def test_workers_work_side_by_side() -> None:
    together = threading.Barrier(3, timeout=5)
    run_flow(3, lambda batch: together.wait() and None, workers=3)


def test_workers_are_not_made_when_there_is_nothing_to_do() -> None:
    channel: Channel[int] = Channel(4)
    flow = Flow()
    flow.source(lambda: None, [channel])
    flow.stage(channel, lambda: pytest.fail("made"), name="t")
    flow.run(lambda: None, seconds=0.01)


def test_an_error_in_a_worker_ends_the_flow_and_is_raised() -> None:
    def fail(batch: list[int]) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run_flow(1000, fail)


def test_an_error_while_making_workers_is_raised_and_frees_the_producer() -> None:
    channel: Channel[int] = Channel(1)
    flow = Flow()
    flow.source(lambda: [channel.put(item) for item in range(100)] and None, [channel])
    flow.stage(channel, lambda: 1 / 0, name="t")  # type: ignore[arg-type, return-value]
    with pytest.raises(ZeroDivisionError):
        flow.run(lambda: None, seconds=0.01)


def test_a_full_channel_holds_its_producer_back() -> None:
    channel: Channel[int] = Channel(2)
    produced: list[int] = []
    thread = threading.Thread(target=lambda: [produced.append(item) for item in range(9) if channel.put(item)])
    thread.start()
    time.sleep(0.05)
    assert len(produced) == 2
    channel.close_and_discard()
    thread.join(2)
    assert len(produced) == 2, "puts after the cut are refused"


def test_stopping_drops_what_waits_but_drains_the_stages_that_must_finish() -> None:
    waiting: Channel[int] = Channel(10)
    draining: Channel[int] = Channel(10)
    stored: list[int] = []
    flow = Flow()

    def work(batch: list[int]) -> None:
        draining.put(batch[0])
        flow.stop()

    flow.source(lambda: [waiting.put(item) for item in range(10)] and None, [waiting])
    flow.stage(waiting, lambda: [ThreadWorker(work)], name="w", outbox=draining)
    flow.stage(draining, lambda: [ThreadWorker(stored.extend)], name="d", drains=True)
    flow.run(lambda: None, seconds=0.01)
    assert stored[0] == 0, "what was in flight is stored"
    assert len(stored) < 10, "what was waiting is dropped"


def test_a_real_ctrl_c_waits_for_the_work_in_flight() -> None:
    """Python 3.11 takes a thread for ended whose `join` a signal interrupts."""
    done: list[int] = []

    def work(batch: list[int]) -> None:
        time.sleep(1)
        done.extend(batch)

    flow, inbox = Flow(), Channel[int](4)
    flow.source(lambda: inbox.put(1) and None, [inbox])
    flow.stage(inbox, lambda: [ThreadWorker(work)], name="work")
    interrupt = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        flow.run(lambda: None)
    assert done == [1]
