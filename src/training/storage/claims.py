"""`Claims`: processes that share a record claim the edits that they work on, so that nothing is paid for twice."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from src.training.storage.record import TrainingRecord

LEASE = 60.0
"""Seconds after which a claim that nobody renews is free: its owner is dead."""
RENEWAL = 10.0
"""Seconds between two renewals."""
POLL = 0.2
"""Seconds between two looks at what others are doing."""


class Claims:
    """The edits that this process works on. Claims are renewed while it lives, and given up at the block's end."""

    def __init__(self, record: TrainingRecord) -> None:
        self._record = record
        self._owner = uuid.uuid4().hex
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="claims", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()
        self._record.end_claims(self._owner)

    def take(self, key: str) -> bool:
        """Claims a key; False if a living process has claimed it already."""
        now = time.time()
        return self._record.claim(key, self._owner, now, stale=now - LEASE)

    def give_up(self, key: str) -> None:
        """Gives up a claim as the work is done or has failed; the result is in the record."""
        self._record.end_claims(self._owner, key)

    def _renew(self) -> None:
        while not self._over.wait(RENEWAL):
            self._record.renew_claims(self._owner, time.time())
