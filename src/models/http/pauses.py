"""The waits of a client between its tries, which can be shown and broken off: on an event loop, and in threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from src.errors import WaitBrokenOff

_BROKEN_OFF = "the pause before the next try was broken off"


class _AskedFor:
    """The pauses under way that a server has asked for."""

    def __init__(self) -> None:
        self._ends: dict[object, float] = {}

    def seconds_left(self) -> float:
        """Seconds until the last of the pauses that a server has asked for is over; 0 without any. For any thread."""
        return max(0.0, max(tuple(self._ends.values()), default=0.0) - time.monotonic())

    @contextmanager
    def _counted(self, seconds: float, *, asked_for: bool) -> Iterator[None]:
        pause = object()
        if asked_for:
            self._ends[pause] = time.monotonic() + seconds
        try:
            yield
        finally:
            self._ends.pop(pause, None)


class Pauses(_AskedFor):
    """All pauses of one client; its methods belong to one event loop, except `seconds_left`."""

    def __init__(self) -> None:
        super().__init__()
        self._broken_off = asyncio.Event()

    async def wait(self, seconds: float, *, asked_for: bool) -> None:
        """Waits for so many seconds, unless the wait is broken off.

        Args:
            seconds: How long.
            asked_for: Whether the server has asked for the pause, so that `seconds_left` counts it.

        Raises:
            WaitBrokenOff: somebody has called `break_off` before the time was over.
        """
        broken_off = self._broken_off
        with self._counted(seconds, asked_for=asked_for):
            try:
                async with asyncio.timeout(seconds):
                    await broken_off.wait()
            except TimeoutError:
                return
        raise WaitBrokenOff(_BROKEN_OFF)

    def break_off(self) -> None:
        """Ends the pauses that are under way; later ones are not concerned."""
        self._broken_off.set()
        self._broken_off = asyncio.Event()


class ThreadPauses(_AskedFor):
    """All pauses of a client whose calls block, each in the thread that waits; its methods are for any thread."""

    def __init__(self) -> None:
        super().__init__()
        self._broken_off = threading.Event()

    def wait(self, seconds: float, *, asked_for: bool) -> None:
        """Does what `Pauses.wait` does, in the calling thread."""
        broken_off = self._broken_off
        with self._counted(seconds, asked_for=asked_for):
            if broken_off.wait(seconds):
                raise WaitBrokenOff(_BROKEN_OFF)

    def break_off(self) -> None:
        """Ends the pauses that are under way; later ones are not concerned."""
        self._broken_off.set()
        self._broken_off = threading.Event()
