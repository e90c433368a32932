"""`PixelBudget`: how many bytes of decoded pictures a run, a training step or a server holds at once.

A flat picture of a few kilobytes takes 256 MB once it is decoded, so pictures are counted by their pixels. Two shares
never wait for each other, and so nothing can wait for ever:

- What waits (in a channel, in a queue) may *keep* its pixels while its share has room. What finds none goes on encoded,
  and is decoded again by whoever works on it.
- What is worked on *uses* the other share, and waits for it in the order of asking. Who uses some asks for no more
  until it is done. A picture larger than the share is worked on alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from src.config import DECODED_MEGABYTES

Item = TypeVar("Item")

BYTES_PER_PIXEL = 4
"""Pillow gives an RGB pixel four."""
_SHARE_OF_WAITING = 0.25


def decoded_bytes(size: tuple[int, int]) -> int:
    """Bytes of an RGB picture of this width and height in memory."""
    return size[0] * size[1] * BYTES_PER_PIXEL


class PixelBudget:
    """A semaphore counted in bytes of decoded pictures, with one share for what waits and one for what is worked on.

    It counts and holds back; it never sees a picture. Safe to use from several threads.
    """

    def __init__(self, megabytes: int = DECODED_MEGABYTES) -> None:
        """Takes the size of both shares together, in units of a million bytes."""
        self._for_waiting = int(megabytes * 1e6 * _SHARE_OF_WAITING)
        self._for_work = int(megabytes * 1e6) - self._for_waiting
        self._kept: dict[Hashable, int] = {}
        self._waiting = 0
        self._working = 0
        self._turns: deque[object] = deque()
        self._changed = threading.Condition()

    @property
    def held(self) -> int:
        """Bytes of what is kept and of what is worked on."""
        return self._waiting + self._working

    def keep(self, owner: Hashable, amount: int) -> bool:
        """Whether the owner may keep so many bytes while it waits, in place of what it kept before."""
        with self._changed:
            self._waiting -= self._kept.pop(owner, 0)
            if self._waiting + amount > self._for_waiting:
                return False
            self._kept[owner] = amount
            self._waiting += amount
            return True

    def drop(self, owner: Hashable) -> None:
        """Gives back what the owner kept."""
        with self._changed:
            self._waiting -= self._kept.pop(owner, 0)

    def portions(self, items: Sequence[Item], amount: Callable[[Item], int]) -> Iterator[tuple[list[Item], int]]:
        """The items in order, as many at a time as may be worked on together (at least one), with their bytes."""
        portion: list[Item] = []
        total = 0
        for item in items:
            if portion and total + amount(item) > self._for_work:
                yield portion, total
                portion, total = [], 0
            portion.append(item)
            total += amount(item)
        if portion:
            yield portion, total

    @contextmanager
    def use(self, amount: int, owners: Iterable[Hashable] = ()) -> Iterator[None]:
        """Waits until there is room for so many bytes and holds them within the block.

        What the owners kept is from then on a part of this amount.
        """
        turn = object()
        with self._changed:
            self._turns.append(turn)
            self._changed.wait_for(lambda: self._turns[0] is turn and self._has_room(amount))
            self._turns.popleft()
            self._working += amount
            for owner in owners:
                self._waiting -= self._kept.pop(owner, 0)
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._working -= amount
                self._changed.notify_all()

    def _has_room(self, amount: int) -> bool:
        return self._working == 0 or self._working + amount <= self._for_work
