"""An event loop in a thread of its own, so that synchronous callers share one connection pool."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

Result = TypeVar("Result")

_JOIN_SECONDS = 5.0


class LoopThread:
    """Runs coroutines for any number of threads; ends with its owner or with the interpreter, whichever is first."""

    def __init__(self, name: str, on_stop: Callable[[], Awaitable[None]]) -> None:
        """Starts the thread; `on_stop` runs in the loop as the last thing. It must not refer to the owner."""
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_serve, args=(self._loop, on_stop), name=name, daemon=True)
        thread.start()
        self.stop = weakref.finalize(self, _stop, self._loop, thread)

    def submit(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Schedules a coroutine; called from any thread but the loop's own."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)


def _serve(loop: asyncio.AbstractEventLoop, on_stop: Callable[[], Awaitable[None]]) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(_wind_up(on_stop))
    finally:
        loop.close()


async def _wind_up(on_stop: Callable[[], Awaitable[None]]) -> None:
    unfinished = asyncio.all_tasks() - {asyncio.current_task()}
    for task in unfinished:
        task.cancel()
    await asyncio.gather(*unfinished, return_exceptions=True)
    await on_stop()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    if threading.current_thread() is not thread:  # the garbage collector may run in any thread
        thread.join(_JOIN_SECONDS)
