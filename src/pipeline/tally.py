"""Live counts of a run, for the progress display and the attempt's account."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from src.data.sources import ByteProgress
from src.data.verdict import Status, Verdict


@dataclass
class Tally:
    """How far a run is. Written by the stages, read by the display."""

    reading: ByteProgress = field(default_factory=ByteProgress)
    """How much of the benchmark file has been read."""
    limit: int | None = None
    """No more samples than this will be read."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Items of each category that the selection passed over."""
    read: int = 0
    passed_over: int = 0
    """Samples that were not read yet, as they seem to be done: they come last."""
    bad: int = 0
    inapplicable: int = 0
    """Samples that the scorer cannot judge, and that are not edited therefore."""
    edits_made: int = 0
    edits_reused: int = 0
    edits_failed: int = 0
    verdicts_made: int = 0
    verdicts_reused: int = 0
    verdicts_failed: int = 0
    loading: str = ""
    """The model that is being loaded, or nothing."""
    seconds_to_wait: Callable[[], float] = lambda: 0.0
    """Seconds that the judge's server has asked it to wait yet."""
    seconds_to_wait_to_edit: Callable[[], float] = lambda: 0.0
    """Seconds that the editor's server has asked it to wait yet."""
    started: float = field(default_factory=time.perf_counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, **counts: int) -> None:
        """Adds to the named counts, safely from any thread."""
        with self._lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)

    def add_verdict(self, verdict: Verdict) -> None:
        """Counts a verdict that was made just now, as scored or as failed."""
        scored = verdict.status is Status.SCORED
        self.add(verdicts_made=scored, verdicts_failed=not scored)

    @contextmanager
    def while_loading(self, name: str) -> Iterator[None]:
        """Names the model that is loaded within the block, for the display."""
        self.loading = name
        yield
        self.loading = ""

    @property
    def seconds(self) -> float:
        """Seconds of wall time since the start."""
        return time.perf_counter() - self.started

    @property
    def expected(self) -> int:
        """How many samples there will be: estimated from the share of the file that was read, then exact."""
        met = self.read + self.passed_over
        estimate = round(met / self.reading.fraction) if 0 < self.reading.fraction < 1 else met
        return min(estimate, self.limit) if self.limit else estimate

    @property
    def edits_done(self) -> int:
        """Samples that have left the editing stage, in whatever way."""
        return self.edits_made + self.edits_reused + self.edits_failed + self.bad + self.inapplicable

    @property
    def judged(self) -> int:
        """The number of samples with which nothing is left to do."""
        judged = self.verdicts_made + self.verdicts_reused + self.verdicts_failed
        return judged + self.edits_failed + self.bad + self.inapplicable
