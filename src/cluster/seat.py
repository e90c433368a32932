"""What an `ActorPool` keeps of each actor, and of each call to one."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from src.cluster.reservation import Reservation
from src.cluster.room import Size

RESTARTS = 3
"""How often Ray restarts an actor whose process ended, before the pool replaces it by a new one."""


@dataclass(frozen=True)
class SharedPool:
    """Actors that equal processes have in common: whoever comes first starts them, the others find them by name."""

    name: str
    rank: int
    """The number of this process. The first one, 0, ends the actors when it closes its pool."""
    processes: int

    def places(self, count: int) -> list[int]:
        """The places of the actors in the order in which this process fills them: each begins with others."""
        first = self.rank * count // self.processes
        return [(first + number) % count for number in range(count)]


@dataclass(frozen=True)
class ActorKind:
    """What the actors of a pool are."""

    what: str
    """Names the model in messages."""
    actor_class: type
    """Has `load() -> dict`, whose `in_flight` says how many calls it wants at once, and the methods that are called."""
    arguments: tuple[Any, ...]
    """What the class is built from, in the actor's process: small and picklable."""
    size: Size = field(default_factory=Size)
    threads: int = 2
    """How many calls the process takes at once: one is worked on while the next is made ready."""
    timeout_setting: str = ""
    """How the seconds that it may take for a call are called in a config."""
    shared: SharedPool | None = None
    """Who else uses the actors; None for actors of this process alone."""
    reservation: Reservation | None = None
    """What the actors of `reserved` are placed in. The others are started when all of it is there."""
    reserved: range = range(0)
    """Numbers within the reservation, for the first places."""

    @property
    def wish(self) -> str:
        """What the cluster is asked for and has not given, for messages."""
        if self.reservation is None or self.reservation.is_held:
            return f"no machine of the Ray cluster has room for {self.what}, which takes {self.size.times(1)}"
        return (
            f"the Ray cluster has no room for {self.what} and the judges of its edits, which start together and take "
            f"{self.reservation.text}"
        )

    def is_reserved(self, place: int) -> bool:
        """Whether an actor has its room within the reservation."""
        return place < len(self.reserved)

    def start(self, place: int) -> Any:
        """Starts the actor of a place, or finds the one that another process has started there."""
        import ray

        options: dict[str, Any] = {
            "num_gpus": self.size.gpus,
            "num_cpus": 0 if self.size.gpus else 1,
            "max_restarts": RESTARTS,
            "max_task_retries": 0,  # the record alone decides what is done again
            "max_concurrency": self.threads,
            "scheduling_strategy": "SPREAD",
        }
        if self.reservation is not None and self.is_reserved(place):
            options["scheduling_strategy"] = self.reservation.place(self.reserved[place])
        if self.shared is not None:
            options |= {"name": f"{self.shared.name}-{place}", "get_if_exists": True}
        return ray.remote(self.actor_class).options(**options).remote(*self.arguments)


@dataclass(eq=False)
class Call:
    """A call that waits for an actor, or is with one."""

    method: str
    arguments: tuple[Any, ...]
    attempts: int
    """How many actors have ended with it."""
    most_attempts: int
    future: Future[Any] = field(default_factory=Future)
    actor: Any = None
    """Whom it was sent to last."""
    node: str = ""
    """Where that is."""
    machines: int = 0
    """How many machines were lost with it."""
    overdue: bool = False
    """Whether that actor was ended as nothing came back."""


@dataclass(eq=False)
class Seat:
    """The place of one actor, which is filled again when the actor is gone."""

    place: int
    actor: Any = None
    """None as long as it has to wait for the reservation."""
    placed: Any = None
    """What its process answers as soon as it has room; None before it was asked."""
    loading: Any = None
    """The call of `load` under way, if there is one."""
    ready: bool = False
    node: str = ""
    """The machine on which it has loaded."""
    alone: bool = False
    """Whether its one call is under suspicion of ending actors, and gets no company."""
    calls: dict[Any, Call] = field(default_factory=dict)
    progress: float = 0.0
    """When it was last given its first call, or gave something back."""
    next_look: float = 0.0
    """When to look whether Ray has restarted it."""
    futile: int = 0
    """How many actors in a row have ended here without ever having loaded."""
    retired: bool = False
    """Whether it is given up."""

    def send(self, call: Call) -> None:
        """Gives the actor a call."""
        if not self.calls:
            self.progress = time.monotonic()
        self.alone = call.attempts > 0
        call.actor, call.node, call.overdue = self.actor, self.node, False
        self.calls[getattr(self.actor, call.method).remote(*call.arguments)] = call

    def begin_loading(self) -> None:
        """Asks the actor to load its model, or whether it has."""
        self.ready = False
        self.placed = self.actor.__ray_ready__.remote()
        self.loading = self.actor.load.remote()

    @property
    def has_room(self) -> bool:
        """Whether Ray has found room for its process, which may still load."""
        import ray

        if self.placed is None or self.ready or not ray.wait([self.placed], timeout=0)[0]:
            return self.ready
        try:
            ray.get(self.placed)
        except Exception:  # Ray raises many classes for an actor that is gone, or will be back
            return False
        return True

    def leave(self) -> None:
        """Ends the actor, which has no calls, and waits for the reservation again."""
        import ray

        ray.kill(self.actor)
        self.actor = self.placed = self.loading = None
        self.ready = False

    def look_later(self, seconds: float) -> None:
        """Takes the actor for gone, until it has loaded again."""
        self.ready, self.loading = False, None
        self.next_look = time.monotonic() + seconds
