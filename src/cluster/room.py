"""How much room a Ray cluster has: in all, beside other processes, and what of it is taken by whom."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakSet

from src.engine_config import RayConfig

_STATUS = b"__autoscaling_status"
"""Under this key Ray's monitor tells the cluster what it does, once in five seconds."""
_OF_NO_AUTOSCALER = "node_"
"""How the types of machines are called by a monitor that only looks; an autoscaler's are those of its config."""
_ROUNDING = 1e-6  # three thirds of a GPU are a whole one


@dataclass(frozen=True)
class Size:
    """What Ray counts of a process."""

    gpus: float = 0.0
    """GPUs, or 0 for a process on the CPU, which takes one of Ray's CPUs."""

    @property
    def resource(self) -> str:
        """The name of what is counted: `GPU` or `CPU`."""
        return "GPU" if self.gpus else "CPU"

    @property
    def amount(self) -> float:
        """How much of it."""
        return self.gpus or 1.0

    def times(self, count: int) -> str:
        """The size of several processes, for messages."""
        return amount_text(self.amount * count, self.resource)


def amount_text(amount: float, resource: str) -> str:
    """An amount of what Ray counts, for messages: `1 GPU`, `4 CPUs`."""
    return f"{amount:g} {resource}{'' if amount == 1 else 's'}"


class Holder(Protocol):
    """Whatever in this process has got room of the cluster."""

    def holds(self, resource: str) -> float:
        """How much of a resource it has at this moment."""


holders: WeakSet[Holder] = WeakSet()
"""All of this process."""


def in_all(resource: str) -> list[float]:
    """What each machine of the cluster has of a resource, taken or not."""
    import ray

    return [node["Resources"].get(resource, 0.0) for node in ray.nodes() if node["Alive"]]


def most_beside(amounts: Sequence[float], size: float, others: int = 0, other: float = 1.0) -> int | None:
    """How many processes of a size find room when others have got theirs; None where there is no room for those.

    Args:
        amounts: What each machine has.
        size: What each process takes; it is on one machine.
        others: How many others there are.
        other: What each of those takes.
    """

    def most(amount: float) -> int:
        return int(amount / size + _ROUNDING)

    left = list(amounts)
    for _ in range(others):
        fitting = [place for place, amount in enumerate(left) if amount + _ROUNDING >= other]
        if not fitting:
            return None
        place = min(fitting, key=lambda one: (most(left[one]) - most(left[one] - other), left[one]))
        left[place] -= other
    return sum(map(most, left))


def may_grow(settings: RayConfig) -> bool:
    """Whether an autoscaler may add machines; also where that cannot be known."""
    if settings.address == "local":
        return False
    if settings.address.startswith("ray://"):  # what the monitor says is kept from a process outside of the cluster
        return True
    from ray.experimental.internal_kv import _internal_kv_get

    status = _internal_kv_get(_STATUS)
    types = json.loads(status).get("autoscaler_report", {}).get("active_nodes", {}) if status else {}
    return not types or any(not name.startswith(_OF_NO_AUTOSCALER) for name in types)


def taken_text(resource: str) -> str:
    """What the cluster has in all of a resource, and what of it is taken by whom, for messages."""
    import ray

    total, free = sum(in_all(resource)), ray.available_resources().get(resource, 0.0)
    ours = sum(holder.holds(resource) for holder in list(holders))
    others = max(0.0, total - free - ours)
    whole = amount_text(total, resource)
    return f"the cluster has {whole} in all, of which this run holds {ours:g} and others hold {others:g}"
