"""`Witnesses`: whether a process ended by itself, or because its machine is lost.

Ray says of both that the process cannot be reached, and knows only after some ten seconds that a machine is lost.
"""

from __future__ import annotations

import time
from typing import Any

from src.cluster.seat import Call

_LONGEST = 60.0
"""Seconds after which a machine that gives no answer, and is not known to be lost, counts as one that lives."""


def _answer() -> bool:
    return True


class Witnesses:
    """The machines that are asked, each for a call whose process has ended there."""

    def __init__(self) -> None:
        self._asked: dict[Any, tuple[Call, float]] = {}

    def ask(self, call: Call) -> None:
        """Has a machine answer, which it does within a second or two if it lives."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(call.node, soft=False)
        answer = ray.remote(_answer).options(num_cpus=0, max_retries=0, scheduling_strategy=there).remote()
        self._asked[answer] = call, time.monotonic() + _LONGEST

    @property
    def waiting(self) -> list[Any]:
        """What is waited for."""
        return list(self._asked)

    def heard(self, answer: Any) -> tuple[Call, bool] | None:
        """The call that an answer is about, and whether its machine is lost; None for what is no such answer."""
        import ray
        from ray.exceptions import RayError

        if answer not in self._asked:
            return None
        call, _ = self._asked.pop(answer)
        try:
            ray.get(answer)
        except RayError:
            return call, True
        return call, False

    def overdue(self) -> list[Call]:
        """Takes out the calls about which nothing was heard for too long."""
        late = [answer for answer, (_, end) in self._asked.items() if time.monotonic() > end]
        return [self._asked.pop(answer)[0] for answer in late]

    def clear(self) -> list[Call]:
        """Takes out all calls."""
        calls = [call for call, _ in self._asked.values()]
        self._asked.clear()
        return calls
