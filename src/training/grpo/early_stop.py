"""Stops a training that can teach nothing any more: a process cannot go on, or no completion gets a reward."""

from __future__ import annotations

from collections.abc import Sequence

from src.errors import EditLoopError
from src.training.grpo.step_summary import StepSummary

MAX_UNSCORED_STEPS = 10
"""Steps in a row without a single scored completion, after which a run stops."""


class TrainingStopped(EditLoopError):
    """Training cannot go on for now. What is done is recorded and a checkpoint can be written: `--resume` goes on."""


class UnscoredSteps:
    """Counts the steps in a row of which no completion is scored, so that they teach nothing."""

    def __init__(self) -> None:
        self._steps = 0

    def after(self, step: Sequence[StepSummary]) -> None:
        """Takes note of a step, as all processes found it.

        Raises:
            TrainingStopped: a process cannot go on, or nothing was scored for `MAX_UNSCORED_STEPS` steps.
        """
        for one in step:
            if one.problem is not None:
                raise TrainingStopped(one.problem)
        readable = sum(one.readable for one in step)
        if any(one.scored for one in step):
            self._steps = 0
        elif readable:
            self._steps += 1
        if self._steps >= MAX_UNSCORED_STEPS:
            reason = next(one.reason for one in step if one.reason)
            raise TrainingStopped(
                f"for {self._steps} steps in a row no completion has got a reward, so that nothing is learned; "
                f"of the last {readable}: {reason}. Change the judge, its rubric or the data, then go on with --resume"
            )
