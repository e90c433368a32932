"""`StepClock`: how long the parts of a training step take that TRL does not time by themselves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import TrainerCallback


class StepClock:
    """Marks the borders between rollout, rewards and update.

    `seconds/rollout` reaches from the start of the step to its rewards: sampling, and old log-probabilities where the
    loss needs them. `seconds/update` is the step before, from its rewards to its end: the trainer's metrics of a step
    are closed when its rewards are known.
    """

    def __init__(self) -> None:
        self._step_began: float | None = None
        self._rewards_ended: float | None = None
        self._rollout: float | None = None
        self._update: float | None = None

    def step_began(self) -> None:
        """Marks that the trainer begins an optimizer step."""
        self._step_began = time.perf_counter()

    def rollout_ended(self) -> None:
        """Marks that the completions are there."""
        self._rollout = None if self._step_began is None else time.perf_counter() - self._step_began

    def rewards_ended(self) -> None:
        """Marks that the rewards are there."""
        self._rewards_ended = time.perf_counter()

    def step_ended(self) -> None:
        """Marks that the weights are updated."""
        if self._rewards_ended is not None:
            self._update = time.perf_counter() - self._rewards_ended

    def metrics(self) -> dict[str, float]:
        """Returns the seconds that are known by now, by the names of the metrics."""
        found = {"seconds/rollout": self._rollout, "seconds/update": self._update}
        return {name: seconds for name, seconds in found.items() if seconds is not None}

    def callback(self) -> TrainerCallback:
        """Returns a callback of the trainer that marks the beginning and the end of each step."""
        from transformers import TrainerCallback

        clock = self

        class Clock(TrainerCallback):
            def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
                clock.step_began()

            def on_step_end(self, *args: Any, **kwargs: Any) -> None:
                clock.step_ended()

        return Clock()
