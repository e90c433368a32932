"""`BatchQueue`: a bounded queue of one event loop from which items are taken in batches."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Generic, TypeVar

Item = TypeVar("Item")


class QueueFull(Exception):
    """The queue has no room for another item."""


class BatchQueue(Generic[Item]):
    """First in, first out; whoever puts is told at once when there is no room."""

    def __init__(self, capacity: int, max_wait: float) -> None:
        """Makes an empty queue.

        Args:
            capacity: How many items may wait, at least 1.
            max_wait: Seconds for which the first item of a batch waits for others to fill it, at least 0.
        """
        if capacity < 1 or max_wait < 0:
            raise ValueError(f"need capacity >= 1 and max_wait >= 0, got {capacity}, {max_wait}")
        self.capacity = capacity
        self._max_wait = max_wait
        self._items: asyncio.Queue[Item] = asyncio.Queue(capacity)

    def __len__(self) -> int:
        return self._items.qsize()

    def put(self, item: Item) -> None:
        """Adds an item.

        Raises:
            QueueFull: there is no room.
        """
        try:
            self._items.put_nowait(item)
        except asyncio.QueueFull:
            raise QueueFull(f"{self.capacity} items are waiting already") from None

    async def take(self, most: int) -> list[Item]:
        """Waits for an item, then at most `max_wait` for further ones; returns 1 to `most` items in order."""
        batch = [await self._items.get()]
        with suppress(TimeoutError):
            async with asyncio.timeout(self._max_wait):
                while len(batch) < most:
                    batch.append(await self._items.get())
        return batch
