"""How many requests may be under way at once: found by trying, as the server's own limit is rarely known."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

logger = logging.getLogger(__name__)

COOL_DOWN = 15.0
"""Seconds after a cut in which there is no second cut and no growth, unless the server says how long to wait."""
_CUT = 0.8
_BUSY = 0.8


class AdaptiveLimit:
    """The arithmetic of the limit; it neither waits nor sends.

    A round is as many successes as the limit allows requests, earned while at least 80 % of the limit is in use. Each
    clean round doubles the limit until the server first says "too many"; after that each adds one. "Too many" (429)
    multiplies it by 0.8, once per cool-down. Any other failure starts the round again but cuts nothing: a slow or
    broken server is not helped by fewer requests.
    """

    def __init__(self, minimum: int, start: int, maximum: int, clock: Callable[[], float] = time.monotonic) -> None:
        if not 1 <= minimum <= start <= maximum:
            raise ValueError(f"need 1 <= minimum <= start <= maximum, got {minimum}, {start}, {maximum}")
        self.current = start
        self._minimum, self._maximum = minimum, maximum
        self._clock = clock
        self._clean = 0
        self._doubling = True
        self._cool_until = float("-inf")

    def record_success(self, in_use: int) -> None:
        """Notes a request that was answered while `in_use` requests, this one included, were under way."""
        if in_use < _BUSY * self.current or self._clock() < self._cool_until:
            return
        self._clean += 1
        if self._clean >= self.current:
            self._clean = 0
            self.current = min(self._maximum, self.current * 2 if self._doubling else self.current + 1)

    def record_rate_limit(self, retry_after: float | None = None) -> None:
        """Notes that the server answered "too many requests"; `retry_after` (seconds) is the cool-down, if it says so.

        What comes within the cool-down does not lengthen it: the limit falls again with the first that comes after it.
        """
        now = self._clock()
        wait = COOL_DOWN if retry_after is None else retry_after
        self._clean = 0
        self._doubling = False
        if now >= self._cool_until:
            self.current = max(self._minimum, int(self.current * _CUT))
            self._cool_until = now + wait
            logger.info("the server says it is asked too much: now %d requests at once", self.current)

    def record_failure(self) -> None:
        """Notes a request that ended in a server error, a timeout or a lost connection."""
        self._clean = 0


class AdaptiveSemaphore:
    """A semaphore for one event loop whose size is that of an `AdaptiveLimit`; waiters get in by order of arrival."""

    def __init__(self, limit: AdaptiveLimit) -> None:
        self._limit = limit
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.in_use = 0

    async def __aenter__(self) -> None:
        if self.in_use < self._limit.current and not self._waiting:
            self.in_use += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # let in and cancelled in the same moment
                await self.__aexit__()
            raise

    async def __aexit__(self, *exception: object) -> None:
        self.in_use -= 1
        while self._waiting and self.in_use < self._limit.current:
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_use += 1
                turn.set_result(None)
