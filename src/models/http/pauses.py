"""`Pauses`: the waits of a client between its tries, which can be shown and broken off."""

from __future__ import annotations

import asyncio
import time

from src.errors import WaitBrokenOff


class Pauses:
    """All pauses of one client; its methods belong to one event loop, except `seconds_left`."""

    def __init__(self) -> None:
        self._ends: dict[object, float] = {}
        self._broken_off = asyncio.Event()

    async def wait(self, seconds: float, *, asked_for: bool) -> None:
        """Waits for so many seconds, unless the wait is broken off.

        Args:
            seconds: How long.
            asked_for: Whether the server has asked for the pause, so that `seconds_left` counts it.

        Raises:
            WaitBrokenOff: somebody has called `break_off` before the time was over.
        """
        pause, broken_off = object(), self._broken_off
        if asked_for:
            self._ends[pause] = time.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                await broken_off.wait()
        except TimeoutError:
            return
        finally:
            self._ends.pop(pause, None)
        raise WaitBrokenOff("the pause before the next try was broken off")

    def break_off(self) -> None:
        """Ends the pauses that are under way; later ones are not concerned."""
        self._broken_off.set()
        self._broken_off = asyncio.Event()

    def seconds_left(self) -> float:
        """Seconds until the last of the pauses that a server has asked for is over; 0 without any. For any thread."""
        return max(0.0, max(tuple(self._ends.values()), default=0.0) - time.monotonic())
