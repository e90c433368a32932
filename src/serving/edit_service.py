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

from PIL import Image

from src.data.image import LazyImage
from src.data.sample import EditSample
from src.errors import ModelUnusable
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.pipeline.editing import EditFailure, Job, edit_jobs
from src.pipeline.record import SampleKeys
from src.serving.batching import BatchQueue

logger = logging.getLogger(__name__)

_FIRST_GUESS = 1.0
"""Seconds that a batch is taken to need before one was edited."""


@dataclass(frozen=True)
class Edited:
    """One finished edit."""

    image: Image.Image
    queue_seconds: float
    """From arrival to the start of its batch."""
    edit_seconds: float
    """Of the whole batch."""
    batch_size: int


@dataclass
class _Pending:
    job: Job
    arrived: float
    outcome: asyncio.Future[Edited | EditFailure]


class EditService:
    """Gathers requests into batches of the editors' `batch_size` and edits each in one of their threads.

    An editor with `max_concurrency` above 1 works on as many batches at once. All methods belong to one event loop.
    """

    def __init__(self, editors: Sequence[BaseDiffusionModel], capacity: int, max_wait: float) -> None:
        """Takes loaded replicas of one editor.

        Args:
            editors: At least one.
            capacity: How many requests may wait.
            max_wait: Seconds for which a request waits for others to share its batch.
        """
        self._editors = editors
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
    def waiting(self) -> int:
        """Requests whose turn has not come."""
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

    async def edit(self, image: Image.Image, instruction: str, seed: int) -> Edited | EditFailure:
        """Edits one RGB image; a caller that is cancelled while its request waits leaves the queue.

        Raises:
            QueueFull: too many requests are waiting.
            ModelUnusable: the editor can serve no request at all.
        """
        if self.unusable is not None:
            raise ModelUnusable(self.unusable)
        outcome: asyncio.Future[Edited | EditFailure] = asyncio.get_running_loop().create_future()
        name = f"request-{next(self._numbers)}"
        self._queue.put(_Pending(_job(name, image, instruction, seed), time.perf_counter(), outcome))
        return await outcome

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Within the block, requests are edited."""
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
        jobs = [pending.job for pending in batch]
        self.editing += len(batch)
        try:
            results = await asyncio.get_running_loop().run_in_executor(thread, edit_jobs, editor, jobs)
        except ModelUnusable as error:
            self.unusable = str(error)
            logger.error("the editor can serve no request any more: %s", error)
            _fail(batch, error)
            return
        finally:
            self.editing -= len(batch)
        self._batch_seconds = seconds = time.perf_counter() - started
        for pending, result in zip(batch, results, strict=True):
            queued = started - pending.arrived
            edited = result if isinstance(result, EditFailure) else Edited(result, queued, seconds, len(batch))
            with suppress(asyncio.InvalidStateError):  # its caller has gone
                pending.outcome.set_result(edited)


def _fail(batch: Sequence[_Pending], error: ModelUnusable) -> None:
    for pending in batch:
        with suppress(asyncio.InvalidStateError):
            pending.outcome.set_exception(error)


def _job(name: str, image: Image.Image, instruction: str, seed: int) -> Job:
    """The request in the form in which the pipeline edits its samples."""
    sample = EditSample(name, 0, "", instruction, "", LazyImage(base64_text=""))
    return Job(sample, SampleKeys(seed, "", "", ""), source=image)
