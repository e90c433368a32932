"""`Reservation`: room that a Ray cluster gives to several processes together, or to none of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from src.cluster.room import Size, amount_text, holders

_LOOK_AGAIN = 0.5


class Reservation:
    """Room for what a run cannot go on without: its judges, and one editor. It is a placement group of Ray.

    A run whose editors take all room would wait for its judges for ever, and so would two runs, each of which holds
    what the other waits for. When a machine is lost, Ray looks for room for what was on it anew.

    Args:
        sizes: Of the processes.
    """

    def __init__(self, sizes: Sequence[Size]) -> None:
        from ray.util.placement_group import placement_group

        self.sizes = list(sizes)
        bundles = [{size.resource: size.amount} for size in sizes]
        self._group = placement_group(bundles, strategy="SPREAD")
        self._held = False
        self._looked = float("-inf")
        self._released = False
        holders.add(self)

    def place(self, number: int) -> Any:
        """Where Ray is to start the process of this number in `sizes`."""
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        return PlacementGroupSchedulingStrategy(self._group, placement_group_bundle_index=number)

    @property
    def is_held(self) -> bool:
        """Whether all of the room is there at this moment."""
        from ray.util.placement_group import placement_group_table

        now = time.monotonic()
        if now - self._looked > _LOOK_AGAIN and not self._released:
            self._looked = now
            self._held = placement_group_table(self._group)["state"] == "CREATED"
        return self._held

    @property
    def text(self) -> str:
        """All of the room, for messages."""
        sums = {size.resource: 0.0 for size in self.sizes}
        for size in self.sizes:
            sums[size.resource] += size.amount
        return " and ".join(amount_text(amount, resource) for resource, amount in sums.items())

    def holds(self, resource: str) -> float:
        """How much of a resource it has at this moment."""
        return sum(size.amount for size in self.sizes if size.resource == resource) if self._held else 0.0

    def release(self) -> None:
        """Gives the room back; processes that are still in it end."""
        import ray
        from ray.util.placement_group import remove_placement_group

        self._released, self._held = True, False
        if ray.is_initialized():
            remove_placement_group(self._group)
