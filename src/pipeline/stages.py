"""`Stages`: read → edit → store → judge → record, the one flow of runs, trainings and audits.

Editing, storing and judging overlap, each in its own threads (`flow.py`). What a user of the stages has to know of each
item besides its record, such as counts, it hears as an `Observer`.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from src.data.image import content_hash, open_rgb
from src.data.picture_change import picture_change
from src.data.verdict import Verdict
from src.errors import WaitBrokenOff
from src.models.diffusion.batching import EditFailure
from src.pipeline.editors import Editors
from src.pipeline.flow import Channel, Flow, ThreadWorker
from src.pipeline.pixels import PixelBudget
from src.pipeline.work_item import PendingVerdict, WorkItem
from src.record.record import Record
from src.rewards.core.scorer import EditedSample, Scorer
from src.rewards.core.scoring import scored

logger = logging.getLogger(__name__)

STORE_WORKERS = 2
CHANNEL_SIZE = 8
"""Items that wait between two stages; the budget of their pixels is a further limit."""

JudgeBatchEntry = tuple[WorkItem, Sequence[PendingVerdict]]
"""An edited item with those of its verdicts that go to the scorer in one call."""


class Observer:
    """Hears what becomes of each item, in the threads of the stages and after the record; does nothing by default."""

    def edit_tried(self, item: WorkItem, failure: EditFailure | None) -> None:
        """Hears that the editor has made the edit, or failed."""

    def stored(self, item: WorkItem) -> None:
        """Hears that the edit is in the record."""

    @contextmanager
    def judging(self, calls: Sequence[Sequence[PendingVerdict]], stopping: threading.Event) -> Iterator[int]:
        """Says how many of these calls, from the first, the scorer is given within the block; all by default.

        It may wait before it says so, but no longer than until calls in flight return after `stopping` was set. After
        0 the calls are dropped.
        """
        yield len(calls)

    def judged(self, item: WorkItem, pending: PendingVerdict, verdict: Verdict, seconds: float) -> None:
        """Hears that the verdict is in the record; `seconds` is its share in the wall time of the scorer's call."""


class Stages:
    """Carries work items through editing, storing and judging; one `run` at a time.

    Args:
        record: Where edits and verdicts go, and edits are found.
        scorer: What judges.
        observer: Who is told.
        pixels: The budget of decoded pictures.
        load_editors: Gives whatever makes edits; called when the first item is there that has to be edited.
        load_scorer: Loads the scorer; called when the first item is there that has to be judged.
        hold_back: Whether few edits wait for the scorer, with their pixels, and then hold the editor back. Without it
            any number waits, without pixels.
    """

    def __init__(
        self,
        record: Record,
        scorer: Scorer,
        observer: Observer,
        pixels: PixelBudget,
        *,
        load_editors: Callable[[], Sequence[Editors]] = list,
        load_scorer: Callable[[], None] = lambda: None,
        hold_back: bool = True,
    ) -> None:
        self._record = record
        self._scorer = scorer
        self._observer = observer
        self._pixels = pixels
        self._load_editors = load_editors
        self._load_scorer = load_scorer
        self._hold_back = hold_back
        self._editors: Sequence[Editors] = ()
        self._flow = Flow()

    def run(
        self,
        read: Callable[[threading.Event], Iterator[WorkItem]],
        tick: Callable[[], None] = lambda: None,
        *,
        edits: bool = True,
        judges: bool = True,
    ) -> None:
        """Carries all items through; returns when everything is recorded.

        Args:
            read: Yields the items, in a thread of its own, and ends early when its argument is set.
            tick: Called about ten times a second in the calling thread.
            edits: Whether items that have no edit get one; without it they are passed over.
            judges: Whether edits are judged.

        Raises:
            EditLoopError: when an editor, the scorer or the record can serve nothing at all.
            KeyboardInterrupt: after Ctrl-C, when the work in flight is stored.
        """
        flow = self._flow = Flow(self._stop_waiting)
        to_edit: Channel[WorkItem] = Channel(CHANNEL_SIZE)
        to_store: Channel[WorkItem] = Channel(CHANNEL_SIZE)
        to_judge: Channel[JudgeBatchEntry] = Channel(CHANNEL_SIZE if self._hold_back else sys.maxsize)
        judge = partial(self._send, to_judge) if judges else self._finish
        edit = to_edit.put if edits else self._finish

        def feed() -> None:
            for item in read(flow.stopping):
                if flow.stopping.is_set():
                    return
                (edit if item.to_edit else judge)(item)

        flow.source(feed, [to_edit])
        flow.stage(
            to_edit,
            lambda: self._edit_workers(to_store),
            name="edit",
            batch_size=lambda: self._editors[0].batch_size,
            full_batches=True,
            outbox=to_store,
        )
        store = partial(self._store, judge)
        flow.stage(
            to_store,
            lambda: [ThreadWorker(store) for _ in range(STORE_WORKERS)],
            name="store",
            outbox=to_judge,
            drains=True,
        )
        flow.stage(to_judge, self._judge_workers, name="judge", batch_size=lambda: self._scorer.batch_size)
        flow.run(tick)

    def _stop_waiting(self) -> None:
        self._scorer.stop_waiting()
        for editors in self._editors:
            editors.stop_waiting()

    def stop(self) -> None:
        """Lets the `run` that is under way begin nothing new; it returns when what is in flight is recorded."""
        self._flow.stop()

    def _edit_workers(self, to_store: Channel[WorkItem]) -> list[ThreadWorker[WorkItem]]:
        self._editors = self._load_editors()
        return [
            ThreadWorker(partial(self._edit, editors, to_store))
            for editors in self._editors
            for _ in range(editors.max_concurrency)
        ]

    def _edit(self, editors: Editors, to_store: Channel[WorkItem], items: list[WorkItem]) -> None:
        try:
            edits = editors.edit(items, self._pixels)
        except WaitBrokenOff:
            for item in items:
                self._finish(item)
            return
        for item, failure in zip(items, edits, strict=True):
            if failure is not None:
                self._record.add_failed_edit(item.edit_key, failure.reason, item.edit_seconds)
            self._observer.edit_tried(item, failure)
            if failure is None:
                to_store.put(item)

    def _store(self, judge: Callable[[WorkItem], object], items: list[WorkItem]) -> None:
        for item in items:
            png = item.take_png()
            if item.lost is not None and item.lost != content_hash(png):
                logger.warning("the lost edit of %s came out differently; it is judged anew", item.sample_id)
                self._record.forget_verdicts(item.edit_key)
                item.judged = False
            self._record.add_edit(item.edit_key, png, item.edit_seconds, item.sizes)
            self._observer.stored(item)
            judge(item)

    def _send(self, to_judge: Channel[JudgeBatchEntry], item: WorkItem) -> None:
        """Hands an edited item to the scorer, unless nothing is to be asked about it."""
        is_through = item.judged or not item.pending_verdicts
        if is_through or not self._hold_back:
            self._finish(item)
        if not is_through:
            calls = [item.pending_verdicts] if item.in_one_call else [[one] for one in item.pending_verdicts]
            for call in calls:
                to_judge.put((item, call))

    def _finish(self, item: WorkItem) -> None:
        item.release_pixels(self._pixels)

    def _judge_workers(self) -> list[ThreadWorker[JudgeBatchEntry]]:
        self._load_scorer()
        return [ThreadWorker(self._judge) for _ in range(self._scorer.max_concurrency)]

    def _judge(self, waiting: list[JudgeBatchEntry]) -> None:
        while waiting:
            with self._observer.judging([call for _, call in waiting], self._flow.stopping) as count:
                self._judge_now(waiting[:count])
            if not count:
                for item, _ in waiting:
                    self._finish(item)
                return
            waiting = waiting[count:]

    def _judge_now(self, entries: list[JudgeBatchEntry]) -> None:
        for portion, amount in self._pixels.portions(entries, lambda entry: entry[0].judging_bytes):
            items = [item for item, _ in portion]
            pairs = [(item, pending) for item, call in portion for pending in call]
            with self._pixels.use(amount, items):
                started = time.perf_counter()
                verdicts = self._verdicts(pairs)
                seconds = (time.perf_counter() - started) / len(pairs)
                for item in items:
                    self._finish(item)
            for (item, pending), verdict in zip(pairs, verdicts, strict=bool(verdicts)):
                self._record.add_verdict(pending.verdict_key, verdict)
                self._observer.judged(item, pending, verdict, seconds)

    def _verdicts(self, pairs: Sequence[tuple[WorkItem, PendingVerdict]]) -> list[Verdict]:
        """The scorer's verdicts; none where its wait for a server was broken off."""

        def score() -> list[Verdict]:
            return self._scorer.score([self._edited_sample(item, pending) for item, pending in pairs])

        try:
            return scored(score, [pending.sample.sample_id for _, pending in pairs])
        except WaitBrokenOff:
            return []

    def _edited_sample(self, item: WorkItem, pending: PendingVerdict) -> EditedSample:
        """What the scorer looks at; pixels that are not held are read here."""
        edited = item.edited_pixels or open_rgb(self._record.edit_path(item.edit_key))
        source = item.source_of(pending)
        if source is not None and not item.change_noted:
            self._record.note_change(item.edit_key, picture_change(source, edited))
            item.change_noted = True
        return EditedSample(pending.sample, source, edited, pending.completion, pending.question)
