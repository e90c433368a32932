"""`RayEditors`: editors in processes of a Ray cluster, for the stages of a run in this one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from src.cluster.actor_pool import ActorPool
from src.cluster.call_queue import WorkLost
from src.cluster.editor_actor import PlacedEdit, PlacedRequest
from src.data.image import ImageError, LazyImage
from src.errors import EditLoopError
from src.models.diffusion.batching import EditFailure
from src.pipeline.editing import PendingEdit
from src.pipeline.pixels import PixelBudget
from src.reasons import reason_of

logger = logging.getLogger(__name__)


class RayEditors:
    """Sends edits to the editors of a pool.

    What travels are the encoded source (nothing for a picture of text alone), once for all edits of it that are under
    way, and the PNG of each edit. An edit with which actors ended twice is a failure; of a batch, each is tried alone
    the second time.
    """

    def __init__(self, pool: ActorPool) -> None:
        self._pool = pool
        self._sources = _Sources()

    @property
    def batch_size(self) -> int:
        """The editor's own; waits until one is loaded."""
        return int(self._pool.info()["batch_size"])

    @property
    def max_concurrency(self) -> int:
        """As many as the actors take: one more each than is worked on."""
        return self._pool.count * self._pool.kind.threads

    @property
    def at_work(self) -> int:
        """How many edits or batches are made at the same time."""
        return self._pool.count * int(self._pool.info()["max_concurrency"])

    def edit(self, edits: Sequence[PendingEdit], pixels: PixelBudget) -> list[EditFailure | None]:
        """Makes edits; returns None for each that now holds its picture, or why there is none.

        Raises:
            ModelUnusable: no edit can be made at all.
        """
        if len(edits) == 1:
            return [self._edited_alone(edits[0], pixels)]
        attempts = 0
        try:
            return self._edited(edits, pixels, most_attempts=1)
        except WorkLost:
            attempts = 1
        except EditLoopError:
            raise
        except Exception as error:  # such as that one of them is no longer where it was read
            logger.warning("a batch of %d edits failed (%s); editing one by one", len(edits), reason_of(error))
        return [self._edited_alone(edit, pixels, attempts=attempts) for edit in edits]

    def _edited_alone(self, edit: PendingEdit, pixels: PixelBudget, **counted: int) -> EditFailure | None:
        try:
            return self._edited([edit], pixels, **counted)[0]
        except ImageError as error:
            failure = EditFailure(f"source image: {error}", of_source=True)
        except EditLoopError:
            raise
        except Exception as error:  # also one of the actor, such as no memory for the PNG of one edit
            failure = EditFailure(reason_of(error))
        edit.release_pixels(pixels)
        return failure

    def _edited(self, edits: Sequence[PendingEdit], pixels: PixelBudget, **counted: int) -> list[EditFailure | None]:
        requests = [
            PlacedRequest(
                edit.instruction,
                edit.seed,
                edit.sample_id,
                tuple(picture.read_bytes() for picture in edit.further_sources),
            )
            for edit in edits
        ]
        with self._sources.lent([edit.source for edit in edits]) as sources:
            outcomes, seconds = self._pool.submit("edit", requests, *sources, **counted).result()
        return [_taken(edit, outcome, seconds, pixels) for edit, outcome in zip(edits, outcomes, strict=True)]

    def seconds_to_wait(self) -> float:
        """What servers ask is the actors' affair."""
        return 0.0

    def stop_waiting(self) -> None:
        """Breaks off what no actor has begun."""
        self._pool.stop_waiting()

    def close(self) -> None:
        """Ends the actors."""
        self._pool.close()


def _taken(
    edit: PendingEdit, outcome: PlacedEdit | EditFailure, seconds: float, pixels: PixelBudget
) -> EditFailure | None:
    edit.edit_seconds = seconds
    if isinstance(outcome, EditFailure):
        edit.release_pixels(pixels)
        return outcome
    edit.take_encoded(outcome.png, outcome.size)
    return None


class _Sources:
    """The encoded sources of the edits under way, each in Ray's object store once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stored: dict[LazyImage | None, tuple[Any, int]] = {}

    @contextmanager
    def lent(self, sources: Sequence[LazyImage | None]) -> Iterator[list[Any]]:
        """References to the sources, which are stored until the last one who borrows them has given them back.

        Raises:
            ImageError: one of them cannot be read.
        """
        borrowed: list[LazyImage | None] = []
        try:
            references = []
            for source in sources:
                references.append(self._borrow(source))
                borrowed.append(source)
            yield references
        finally:
            for source in borrowed:
                self._give_back(source)

    def _borrow(self, source: LazyImage | None) -> Any:
        import ray

        with self._lock:
            reference, count = self._stored.get(source) or (ray.put(source.read_bytes() if source else b""), 0)
            self._stored[source] = reference, count + 1
            return reference

    def _give_back(self, source: LazyImage | None) -> None:
        with self._lock:
            reference, count = self._stored.pop(source)
            if count > 1:
                self._stored[source] = reference, count - 1
