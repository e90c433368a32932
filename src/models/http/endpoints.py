"""`Endpoints`: which of several servers gets the next request, and which are left alone for a while."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from src.errors import ModelUnusable
from src.models.http.retries import pause

logger = logging.getLogger(__name__)


@dataclass
class _State:
    load: int = 0
    """Requests under way."""
    failures: int = 0
    """Failures since the last success; those of requests that were under way together count as one."""
    rests_until: float = float("-inf")
    excluded: str | None = None
    """Why it gets no request any more."""


class Endpoints:
    """Chooses the least loaded endpoint that is not resting; safe to use from several threads.

    A failure sends an endpoint to rest, longer with each one in a row (0.5 s doubling to 30 s, jittered); after that it
    is tried again like any other.
    """

    def __init__(
        self,
        urls: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._states = {url: _State() for url in urls}
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()

    @contextmanager
    def lease(self) -> Iterator[str]:
        """An endpoint for one request; waits while all are resting.

        Raises:
            ModelUnusable: all are excluded; the text has each one's reason.
        """
        while (found := self._choose()) is not None and found[1] > 0:
            self._sleep(found[1])
        if found is None:
            reasons = "; ".join(f"{url}: {state.excluded}" for url, state in self._states.items())
            raise ModelUnusable(f"no endpoint can serve any edit: {reasons}")
        url = found[0]
        try:
            yield url
        finally:
            with self._lock:
                self._states[url].load -= 1

    def _choose(self) -> tuple[str, float] | None:
        """The endpoint whose turn it is and the seconds until then; at 0 seconds its load is already counted."""
        with self._lock:
            now = self._clock()
            usable = {url: state for url, state in self._states.items() if state.excluded is None}
            if not usable:
                return None
            url, state = min(usable.items(), key=lambda item: (max(item[1].rests_until, now), item[1].load))
            seconds = max(0.0, state.rests_until - now)
            state.load += seconds == 0
            return url, seconds

    def record_success(self, url: str) -> None:
        """Notes that the endpoint answered as it should."""
        with self._lock:
            self._states[url].failures = 0

    def back_off(self, url: str, seconds: float) -> None:
        """Gives the endpoint, which is fine but asked for a pause, no request for so many seconds."""
        with self._lock:
            state = self._states[url]
            state.rests_until = max(state.rests_until, self._clock() + seconds)

    def record_failure(self, url: str, reason: str, retry_after: float | None = None) -> None:
        """Notes that the endpoint gave no usable answer; it rests, for `retry_after` seconds if it asked for them."""
        with self._lock:
            state, now = self._states[url], self._clock()
            if now < state.rests_until:
                return
            seconds = pause(state.failures, retry_after)
            state.failures += 1
            state.rests_until = now + seconds
        logger.warning("%s is left alone for %.1f s: %s", url, seconds, reason)

    def exclude(self, url: str, reason: str) -> None:
        """Takes the endpoint out of use: it gets no further request."""
        with self._lock:
            known, self._states[url].excluded = self._states[url].excluded, reason
        if known is None:
            logger.error("%s is given up: %s", url, reason)
