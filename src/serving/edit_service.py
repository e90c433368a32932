"""`EditService`: editors behind one queue; a request goes in, a picture or a reason comes out."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from src.data.image import LazyImage, image_size, naming
from src.errors import ModelUnusable
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.batching import EditFailure
from src.pipeline.editing import PendingEdit, edit_within
from src.pipeline.pixels import PixelBudget, decoded_bytes
from src.serving.batching import BatchQueue, QueueFull

logger = logging.getLogger(__name__)

_FIRST_GUESS = 1.0
"""Seconds that a batch is taken to need before one was edited."""


@dataclass(frozen=True)
class Timing:
    """How long one edit took, and why."""

    queue_seconds: float
    """Seconds from its arrival to the start of its batch."""
    edit_seconds: float
    """Seconds of its whole batch."""
    batch_size: int


@dataclass(frozen=True)
class Edited:
    """One finished edit."""

    png: bytes
    timing: Timing


@dataclass
class _Pending:
    edit: PendingEdit | None
    """The edit; None once its caller has gone, so that nothing is held for nobody."""
    arrived: float
    outcome: asyncio.Future[Timing | EditFailure]
    is_edited_now: bool = False


class EditService:
    """Gathers requests into batches of the editors' `batch_size` and edits each in one of their threads.

    An editor with `max_concurrency` above 1 works on as many batches at once. All methods belong to one event loop.
    """

    def __init__(
        self, editors: Sequence[BaseDiffusionModel], capacity: int, max_wait: float, pixels: PixelBudget
    ) -> None:
        """Takes loaded replicas of one editor.

        Args:
            editors: At least one.
            capacity: How many requests may wait.
            max_wait: Seconds for which a request waits for others to share its batch.
            pixels: What the decoded pictures of all requests may take.
        """
        self._editors = editors
        self._pixels = pixels
        self._queue: BatchQueue[_Pending] = BatchQueue(capacity, max_wait)
        self._numbers = itertools.count()
        self._batch_seconds = _FIRST_GUESS
        self.editing = 0
        """Requests whose batch is being edited."""
        self.unusable: str | None = None
        """Why no request can be served any more, once an editor said so."""

    @property
    def batch_size(self) -> int:
        """How many requests are edited together at most."""
        return self._editors[0].batch_size

    @property
    def takes_source(self) -> bool:
        """Whether requests may have an image."""
        return type(self._editors[0]).takes_source(self._editors[0].config)

    @property
    def takes_text_alone(self) -> bool:
        """Whether requests may have none."""
        return type(self._editors[0]).takes_text_alone(self._editors[0].config)

    @property
    def takes_further_images(self) -> bool:
        """Whether requests may have several images."""
        return type(self._editors[0]).takes_further_images(self._editors[0].config)

    @property
    def waiting(self) -> int:
        """The number of requests whose turn has not come."""
        return len(self._queue)

    @property
    def capacity(self) -> int:
        """How many requests may wait."""
        return self._queue.capacity

    @property
    def _places(self) -> int:
        return sum(editor.max_concurrency for editor in self._editors)

    def seconds_to_room(self) -> float:
        """An estimate of when the queue will be half empty, at least one batch from now."""
        batches = self.waiting / 2 / self.batch_size / self._places
        return max(1.0, batches) * self._batch_seconds

    async def edit(
        self, image: LazyImage | None, instruction: str, seed: int, further: Sequence[LazyImage] = ()
    ) -> Edited | EditFailure:
        """Edits one image, or makes one of several, or of text alone.

        Nothing is held or edited for a caller that is cancelled while its request waits.

        Raises:
            ImageError: it is no picture.
            QueueFull: too many requests are waiting.
            ModelUnusable: the editor can serve no request at all.
        """
        if self.unusable is not None:
            raise ModelUnusable(self.unusable)
        outcome: asyncio.Future[Timing | EditFailure] = asyncio.get_running_loop().create_future()
        if self.waiting >= self.capacity:
            raise QueueFull(f"{self.capacity} requests are waiting already")
        edit = PendingEdit(image, instruction, f"request-{next(self._numbers)}", seed, tuple(further))
        pending = _Pending(edit, time.perf_counter(), outcome)
        try:
            await self._look_at(edit)
            self._queue.put(pending)
            timing = await outcome
            return timing if isinstance(timing, EditFailure) else Edited(await asyncio.to_thread(edit.take_png), timing)
        finally:
            if not pending.is_edited_now:
                pending.edit = None
                edit.release_pixels(self._pixels)

    async def _look_at(self, edit: PendingEdit) -> None:
        """Decodes the picture where there is room for its pixels; else only its header is read before its turn.

        Of further pictures only the headers are read.
        """
        if edit.source is None:
            return
        for place, picture in enumerate(edit.further_sources, 2):
            with naming(f"source {place}"):
                edit.further_bytes += decoded_bytes(image_size(await asyncio.to_thread(picture.read_bytes)))
        data = await asyncio.to_thread(edit.source.read_bytes)
        edit.source_size = image_size(data)
        if self._pixels.keep(edit, decoded_bytes(edit.source_size)):
            await asyncio.to_thread(edit.decode)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Edits requests as long as the block lasts."""
        workers = [
            asyncio.create_task(self._work(editor)) for editor in self._editors for _ in range(editor.max_concurrency)
        ]
        try:
            yield
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, editor: BaseDiffusionModel) -> None:
        with ThreadPoolExecutor(1, thread_name_prefix="editor") as thread:
            while True:
                batch = [pending for pending in await self._queue.take(editor.batch_size) if not pending.outcome.done()]
                if batch:
                    await self._edit_batch(editor, thread, batch)

    async def _edit_batch(self, editor: BaseDiffusionModel, thread: ThreadPoolExecutor, batch: list[_Pending]) -> None:
        started = time.perf_counter()
        edits = [pending.edit for pending in batch if pending.edit is not None]
        self._mark(batch, edited_now=True)
        try:
            loop = asyncio.get_running_loop()
            failures = await loop.run_in_executor(thread, edit_within, self._pixels, editor, edits)
        except ModelUnusable as error:
            self.unusable = str(error)
            logger.error("the editor can serve no request any more: %s", error)
            _fail(batch, error)
            return
        finally:
            self._mark(batch, edited_now=False)
        self._batch_seconds = seconds = time.perf_counter() - started
        for pending, failure in zip(batch, failures, strict=True):
            with suppress(asyncio.InvalidStateError):  # its caller has gone
                pending.outcome.set_result(failure or Timing(started - pending.arrived, seconds, len(batch)))

    def _mark(self, batch: Sequence[_Pending], *, edited_now: bool) -> None:
        self.editing += len(batch) if edited_now else -len(batch)
        for pending in batch:
            pending.is_edited_now = edited_now
            if pending.outcome.cancelled() and pending.edit is not None:
                pending.edit.release_pixels(self._pixels)


def _fail(batch: Sequence[_Pending], error: ModelUnusable) -> None:
    for pending in batch:
        with suppress(asyncio.InvalidStateError):
            pending.outcome.set_exception(error)
