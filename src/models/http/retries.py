"""When a failed request is sent again: how often, and after which pause."""

from __future__ import annotations

import random

from src.models.http.api_errors import WORTH_RETRYING, APIFailure

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
"""Seconds: bounds of the pauses between retries."""
LONGEST_RETRY_AFTER = 600.0
"""Seconds: a server that asks for a longer pause is not waited for, unless a client's params say otherwise."""


class Retries:
    """Counts the failed tries of one request and says how long to wait before the next."""

    def __init__(self, most: int, max_wait: float = LONGEST_RETRY_AFTER) -> None:
        """Allows `most` further tries after the first, and pauses of `max_wait` seconds where the server asks so."""
        self._most = most
        self._max_wait = max_wait
        self.failed = 0
        """Tries that have failed."""

    def pause(self, failure: APIFailure) -> float:
        """Seconds to wait before the request is sent again.

        Raises:
            APIFailure: it is not sent again, as the failure would only come again, the tries are spent, or the server
                asks for more than `max_wait`; the text says which.
        """
        if failure.kind not in WORTH_RETRYING:
            raise failure
        self.failed += 1
        if self.failed > self._most:
            raise APIFailure(failure.kind, f"no answer in {self.failed} tries; the last: {failure}")
        if failure.retry_after is not None and failure.retry_after > self._max_wait:
            asked = f"the server asks to wait {failure.retry_after:.0f} s: {failure}"
            raise APIFailure(failure.kind, f"{asked} (pauses of at most {self._max_wait:g} s are waited for)")
        return pause(self.failed - 1, failure.retry_after)


def pause(retry: int, retry_after: float | None) -> float:
    """Seconds before the given retry (0 is the first): doubling, bounded, jittered, never less than `retry_after`."""
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(retry, 30)) * random.uniform(0.5, 1.0)
    return wait if retry_after is None else retry_after + random.uniform(0.0, min(wait, FIRST_WAIT))
