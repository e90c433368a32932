"""Stages joined by bounded channels: the machinery of a run, ignorant of editing and judging.

Each worker of a stage has a thread that takes batches from the stage's inbox and hands them over one by one; a worker
is anything with `submit(batch) -> Future`, such as a function in that very thread, which may wait for an actor. What a
stage does with a result, usually putting it into the next stage's channel, runs in the worker's thread, so a full
channel holds back exactly the worker that filled it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Generic, Protocol, TypeVar

from src.errors import WaitBrokenOff

Item = TypeVar("Item")
Batch = TypeVar("Batch", contravariant=True)


class Worker(Protocol[Batch]):
    """Anything that does one batch at a time."""

    def submit(self, batch: Batch) -> Future[None]:
        """Starts work on a batch; the future fails only for errors that must stop the run."""

    def close(self) -> None:
        """Frees what the worker holds."""


class ThreadWorker(Generic[Item]):
    """A worker that runs a function in the thread that feeds it: every hop between threads costs more than a call."""

    def __init__(self, work: Callable[[list[Item]], None]) -> None:
        self._work = work

    def submit(self, batch: list[Item]) -> Future[None]:
        """Does the batch at once; the future is done."""
        future: Future[None] = Future()
        try:
            self._work(batch)
        except BaseException as error:  # whoever asks the future gets it
            future.set_exception(error)
        else:
            future.set_result(None)
        return future

    def close(self) -> None:
        """Holds nothing of its own."""


class Channel(Generic[Item]):
    """A bounded queue that is closed by its producer and can be closed and emptied by anybody."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[Item] = deque()
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: Item) -> bool:
        """Waits for room and adds the item; False (and nothing added) once the channel is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._size)
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self, most: int, *, full: bool = False) -> list[Item]:
        """Waits for items and takes up to `most` — with `full`, exactly `most` unless the channel ends before.

        The channel must have room for a full batch: see `widen`.

        Returns:
            The items in order; an empty list means that no more will come.
        """
        least = most if full else 1
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) >= least)
            batch = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._changed.notify_all()
            return batch

    def widen(self, size: int) -> None:
        """Makes room for at least so many items."""
        with self._changed:
            self._size = max(self._size, size)
            self._changed.notify_all()

    def wait(self) -> bool:
        """Waits for the first item without taking it; False when there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items))
            return bool(self._items)

    def close(self) -> None:
        """Nothing more will be put; what is inside can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def close_and_discard(self) -> None:
        """Closes the channel and drops what is inside."""
        with self._changed:
            self._items.clear()
            self.close()


class Flow:
    """The threads of one pass. The first error that escapes any of them stops the pass and is raised by `wait`."""

    def __init__(self, hurry: Callable[[], None] = lambda: None) -> None:
        """Calls `hurry` again and again while threads of a stopped flow have not ended: they may be waiting."""
        self._hurry = hurry
        self._threads: list[tuple[threading.Thread, threading.Event]] = []
        self._to_discard: list[Channel] = []
        self._error: BaseException | None = None
        self.stopping = threading.Event()

    def source(self, produce: Callable[[], None], outbox: Sequence[Channel]) -> None:
        """Runs `produce` in a thread, which fills the channels; they are closed when it returns."""

        def run() -> None:
            try:
                produce()
            finally:
                for channel in outbox:
                    channel.close()

        self._start(run, "reader")

    def stage(
        self,
        inbox: Channel[Item],
        workers: Callable[[], Sequence[Worker[list[Item]]]],
        *,
        name: str,
        batch_size: Callable[[], int] = lambda: 1,
        full_batches: bool = False,
        outbox: Channel | None = None,
        drains: bool = False,
    ) -> None:
        """Feeds the inbox to the workers, which are made (and load their models) when the first item is there.

        Args:
            inbox: Where batches come from.
            workers: Makes the workers.
            name: For thread names.
            batch_size: Asked once, after the workers were made; the inbox gets room for so many.
            full_batches: Wait until a batch is full rather than taking what is there.
            outbox: Closed when the last batch is finished; the workers themselves put into it.
            drains: Finish what is in the inbox even when the flow is stopped.
        """
        if not drains:
            self._to_discard.append(inbox)

        def run() -> None:
            try:
                self._feed(inbox, workers, batch_size, full_batches, name)
            finally:
                inbox.close_and_discard()
                if outbox is not None:
                    outbox.close()

        self._start(run, name)

    def _feed(
        self,
        inbox: Channel[Item],
        make_workers: Callable[[], Sequence[Worker[list[Item]]]],
        batch_size: Callable[[], int],
        full_batches: bool,
        name: str,
    ) -> None:
        if not inbox.wait():
            return
        workers = make_workers()
        try:
            size = batch_size()
        except WaitBrokenOff:  # the flow stops while a worker's model is waited for
            return
        inbox.widen(size)

        def serve(worker: Worker[list[Item]]) -> None:
            while batch := inbox.get(size, full=full_batches):
                if error := worker.submit(batch).exception():
                    self.fail(error)

        feeders = [self._thread(partial(serve, worker), f"{name}_{place}") for place, worker in enumerate(workers)]
        for feeder in feeders:
            feeder.start()
        for feeder in feeders:
            feeder.join()
        for worker in workers:
            worker.close()

    def _start(self, run: Callable[[], None], name: str) -> None:
        ended = threading.Event()
        self._threads.append((self._thread(run, name, ended), ended))

    def _thread(self, run: Callable[[], None], name: str, ended: threading.Event | None = None) -> threading.Thread:
        def guarded() -> None:
            try:
                run()
            except BaseException as error:  # handed to the main thread, which raises it
                self.fail(error)
            finally:
                if ended is not None:
                    ended.set()

        return threading.Thread(target=guarded, name=name, daemon=True)

    def fail(self, error: BaseException) -> None:
        """Stops the flow for an error; the first one counts."""
        if self._error is None:
            self._error = error
        self.stop()

    def stop(self) -> None:
        """Starts nothing new; what is being done now is finished and stored."""
        self.stopping.set()
        for channel in self._to_discard:
            channel.close_and_discard()

    def run(self, tick: Callable[[], None], seconds: float = 0.1) -> None:
        """Starts the threads and waits for their end, calling `tick` all the while.

        Raises:
            KeyboardInterrupt: after Ctrl-C, when the work in flight is stored. A second Ctrl-C does not wait.
            BaseException: the first error of any thread.
        """
        for thread, _ in self._threads:
            thread.start()
        interrupted = False
        for _, ended in self._threads:
            while not ended.is_set():
                try:
                    ended.wait(seconds)  # Python 3.11 takes a thread for ended whose `join` a signal interrupts
                    tick()
                    if self.stopping.is_set():
                        self._hurry()
                except KeyboardInterrupt:
                    if interrupted:
                        raise
                    interrupted = True
                    self.stop()
        if self._error is not None:
            raise self._error
        if interrupted:
            raise KeyboardInterrupt
