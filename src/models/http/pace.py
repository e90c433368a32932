"""How soon after one another requests may be sent, to a server that limits how many it takes in a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from src.models.http.pauses import Pauses

_SLOWER = 1.25
_FASTER = 0.95
LONGEST_INTERVAL = 5.0
"""Seconds: a server that takes fewer requests says so by its pauses, and one that was measured at a bad moment is soon
asked faster again."""
_NO_INTERVAL = 0.001
_REMEMBERED = 4096


class Pace:
    """One client's interval between two requests, learnt from the pauses that its server asks for.

    There is none until the server answers "too many requests" (429) and says when to come again (`Retry-After`).
    Then nothing is sent before that time, and what waits is sent one after the other: as many requests in a time as
    the server has just answered in a time of the length of the pause, and at least a quarter slower than before. Each
    answer shortens the interval by 5 %.

    The methods belong to one event loop.
    """

    def __init__(self, pauses: Pauses, clock: Callable[[], float] = time.monotonic) -> None:
        """Waits by `pauses`, where waits can be shown and broken off."""
        self._pauses = pauses
        self._clock = clock
        self._waiting: list[object] = []
        self._answered: deque[float] = deque(maxlen=_REMEMBERED)
        self._interval = 0.0
        self._closed_until = self._last_sent = self._last_limit = float("-inf")

    async def turn(self) -> float:
        """Waits until the next request may be sent, in the order of the calls; returns the time by the clock.

        Raises:
            WaitBrokenOff: the wait was broken off.
        """
        ticket = object()
        self._waiting.append(ticket)
        try:
            while True:
                now, before = self._clock(), self._waiting.index(ticket)
                if (closed := self._closed_until - now) > 0:
                    await self._pauses.wait(closed, asked_for=True)
                elif (seconds := self._last_sent + (1 + before) * self._interval - now) > 0:
                    await self._pauses.wait(seconds, asked_for=False)
                else:
                    self._last_sent = now
                    return now
        finally:
            self._waiting.remove(ticket)

    def record_answer(self) -> None:
        """Notes that the server has answered a request."""
        self._answered.append(self._clock())
        self._interval = self._interval * _FASTER if self._interval > _NO_INTERVAL else 0.0

    def record_rate_limit(self, sent: float, retry_after: float) -> None:
        """Notes that a request sent at a time by the clock was one too many.

        Only a request that was sent after the last such answer says anything new of the pace.
        """
        now = self._clock()
        self._closed_until = max(self._closed_until, now + retry_after)
        if sent >= self._last_limit:
            answered = sum(time > now - retry_after for time in self._answered)
            measured = retry_after / answered if answered else 0.0
            self._interval = min(LONGEST_INTERVAL, max(self._interval * _SLOWER, measured))
            self._last_limit = now
