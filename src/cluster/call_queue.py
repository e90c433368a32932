"""`CallQueue`: calls that wait for an actor, those among them whose actor has ended, and when they are given up."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

from src.cluster.seat import Call
from src.cluster.witness import Witnesses
from src.reasons import Told

logger = logging.getLogger(__name__)

MOST_MACHINES = 4
"""How many machines may be lost with a call before it is given up: it may be the call that takes them down."""


class WorkLost(Told):
    """A call that was given up as its actors ended with it; the text says how often and how."""


class CallQueue:
    """The calls of a pool, whose lock is held whenever the queue is used.

    Args:
        what: Names the model in messages.
        overdue: What is said of a call with which nothing came back in time.
    """

    def __init__(self, what: str, overdue: str) -> None:
        self.waiting: deque[Call] = deque()
        self._witnesses = Witnesses()
        self._what = what
        self._overdue = overdue

    @property
    def asked(self) -> list[Any]:
        """References to the answers of machines that are asked whether they live."""
        return self._witnesses.waiting

    def ended(self, call: Call, error: Exception) -> None:
        """Takes a call back whose process has ended, at once where it is known why."""
        from ray.exceptions import OutOfMemoryError

        if call.overdue:
            self._give_back(call, self._overdue)
        elif isinstance(error, OutOfMemoryError):
            self._give_back(call, "Ray ended its process, as the machine ran out of memory")
        elif call.node:
            self._witnesses.ask(call)
        else:
            self._give_back(call, "its process ended")

    def heard(self, answer: Any) -> bool:
        """Takes the answer of a machine; False for what is none."""
        if not (heard := self._witnesses.heard(answer)):
            return False
        call, machine_is_lost = heard
        if machine_is_lost:
            self._without_blame(call)
        else:
            self._give_back(call, "its process ended")
        return True

    def tend(self) -> None:
        """Takes back the calls of machines that say nothing for too long."""
        for call in self._witnesses.overdue():
            self._give_back(call, "its process ended")

    def clear(self) -> list[Call]:
        """Takes out all calls."""
        calls = [*self.waiting, *self._witnesses.clear()]
        self.waiting.clear()
        return calls

    def _without_blame(self, call: Call) -> None:
        call.machines += 1
        logger.warning("%s: a machine was lost; what it was at is tried again", self._what)
        if call.machines >= MOST_MACHINES:
            call.future.set_exception(
                WorkLost(f"given up, as {call.machines} machines were lost while they were at it")
            )
        else:
            self.waiting.appendleft(call)

    def _give_back(self, call: Call, how: str) -> None:
        call.attempts += 1
        logger.warning("%s: %s, attempt %d of %d", self._what, how, call.attempts, call.most_attempts)
        if call.attempts >= call.most_attempts:
            call.future.set_exception(WorkLost(f"given up after {call.attempts} attempts, the last: {how}"))
        else:
            self.waiting.appendleft(call)
