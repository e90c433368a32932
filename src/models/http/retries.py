"""When a failed request is sent again: how often, and after which pause."""

from __future__ import annotations

import random

from src.models.http.api_errors import WORTH_RETRYING, APIFailure, FailureKind

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
"""Seconds: bounds of the pauses between retries."""
LONGEST_RETRY_AFTER = 600.0
"""Seconds: a server that asks for a longer pause is not waited for, unless a client's params say otherwise."""
SHORTEST_RETRY_AFTER = 0.1
"""Seconds: a server that asks for less at a rate limit asks for no pause, and the try counts as failed."""


class Retries:
    """Counts the failed tries of one request and says how long to wait before the next."""

    def __init__(self, most: int, max_wait: float = LONGEST_RETRY_AFTER) -> None:
        """Allows `most` further tries after failures, and `max_wait` seconds of pauses that the server asks for.

        A rate limit whose server says when to come again is no failure: such tries are bounded by the sum of their
        pauses alone.
        """
        self._most = most
        self._max_wait = max_wait
        self._waited = 0.0
        self.failed = 0
        """Tries that have failed."""

    def pause(self, failure: APIFailure) -> float:
        """Seconds to wait before the request is sent again.

        Raises:
            APIFailure: it is not sent again, as the failure would only come again, the tries are spent, or the server
                asks for more than `max_wait` at once or in sum; the text says which.
        """
        if failure.kind not in WORTH_RETRYING:
            raise failure
        if failure.retry_after is not None and failure.retry_after > self._max_wait:
            asked = f"the server asks to wait {failure.retry_after:.0f} s: {failure}"
            raise APIFailure(failure.kind, f"{asked} (pauses of at most {self._max_wait:g} s are waited for)")
        if failure.kind is FailureKind.RATE_LIMITED and (failure.retry_after or 0.0) >= SHORTEST_RETRY_AFTER:
            return self._pause_asked_for(failure, failure.retry_after or 0.0)
        self.failed += 1
        if self.failed > self._most:
            raise APIFailure(failure.kind, f"no answer in {self.failed} tries; the last: {failure}")
        return pause(self.failed - 1, failure.retry_after)

    def _pause_asked_for(self, failure: APIFailure, retry_after: float) -> float:
        if self._waited + retry_after > self._max_wait:
            said = f"after {self._waited:.0f} s of pauses the server asks to wait {retry_after:.0f} s more: {failure}"
            raise APIFailure(failure.kind, f"{said} (pauses of {self._max_wait:g} s in sum are waited for)")
        seconds = pause(self.failed, retry_after)
        self._waited += seconds
        return seconds


def pause(retry: int, retry_after: float | None) -> float:
    """Seconds before the given retry (0 is the first): doubling, bounded, jittered, never less than `retry_after`."""
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(retry, 30)) * random.uniform(0.5, 1.0)
    return wait if retry_after is None else retry_after + random.uniform(0.0, min(wait, FIRST_WAIT))
