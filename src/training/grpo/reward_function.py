"""`RewardFunction`: what TRL calls once a generation — completions in, rewards out, failures masked and counted."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PIL import Image

from src.data.verdict import Status, Verdict
from src.errors import EditLoopError
from src.models.plain_text import PlainText
from src.published_names import old_attribute, take_old_methods
from src.record.record import DONE
from src.training.config import TrainingConfig
from src.training.grpo.clock import StepClock
from src.training.grpo.early_stop import UnscoredSteps
from src.training.grpo.processes import ALONE, Processes
from src.training.grpo.rollout import CompletionOutcome, ParsedCompletion, Rollout, rollout_metrics, verdicts_of
from src.training.grpo.step_summary import commonest_failure, outage_reason, step_summary
from src.training.prompts import prompt_rows
from src.training.storage.record import PLACES, CompletionRow, TrainingRecord
from src.training.tasks.example import CompletionReader, Example
from src.training.tracking.show import StepPageWriter

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import GRPOTrainer

logger = logging.getLogger(__name__)

FIRST_PAUSE = 1.0
"""Seconds before a step with too many failures is tried again; each further pause is twice as long."""
LONGEST_PAUSE = 60.0
"""Seconds of the longest pause."""


@dataclass(frozen=True)
class RewardSetting:
    """The parts of a run that its reward function needs."""

    config: TrainingConfig
    processes: Processes = ALONE
    """The processes of the run: they share a record, take work out of each other's way, and decide alike."""
    page_writer: StepPageWriter | None = None
    """Writes an HTML page of every `training.show_every`-th step; None in all processes but the first."""
    clock: StepClock = field(default_factory=StepClock)
    pages = old_attribute("pages")

    @property
    def folder(self) -> Path:
        """The folder of the record that the processes of this machine share."""
        return self.config.training.output_dir / self.processes.folder


class RewardFunction(ABC):
    """Reads completions, has them rewarded, masks failures, and records and logs all of it.

    A completion that cannot be read costs nothing and gets `training.unparsable_reward`. A failure of editor or judge
    is `None`, which TRL leaves out of its group's mean and spread, with advantage 0. The scale is the scorer's, 0–10.
    """

    LOADS_WHOLE_POLICY: ClassVar[bool] = False
    """Whether each process loads the whole policy, and the whole reference model, which ZeRO-3 shards afterwards."""

    def __init__(self, task: CompletionReader, setting: RewardSetting) -> None:
        self.setting = setting
        self._task = task
        self._settings = setting.config.training
        self._examples: dict[str, Example] = {}
        self._record: TrainingRecord | None = None
        self._metrics: dict[str, float] = {}
        self._step = self._position = 0
        self._unscored_steps = UnscoredSteps()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Takes plug-ins of before, in which `add_examples` is `know`."""
        super().__init_subclass__(**kwargs)
        take_old_methods(cls, "know")

    @abstractmethod
    def outcomes(self, parsed: Sequence[ParsedCompletion]) -> list[CompletionOutcome]:
        """Returns one outcome for each parsed completion, in order; a single failure is a verdict, not an error."""

    def rewardable(self, examples: Sequence[Example]) -> list[Example]:
        """Returns the examples without those that can never be rewarded, and warns of these; nothing is loaded for it.

        Raises:
            EditLoopError: when none is left.
        """
        return list(examples)

    def load(self) -> None:
        """Opens the record and loads models; called once, before training."""
        self._record = TrainingRecord(self.setting.folder)

    def prepare(self, examples: Sequence[Example]) -> list[Example]:
        """Returns the examples as the policy will see them; those that cannot be used are left out."""
        return list(examples)

    def add_examples(self, examples: Sequence[Example]) -> None:
        """Takes note of the examples whose completions are going to be rewarded."""
        self._examples = {example.example_id: example for example in examples}

    def policy_processor(self) -> Any:
        """Returns the processor by which the policy reads; None for the one that is stored with it."""
        return None

    def as_policy_sees(self, image: Image.Image) -> Image.Image:
        """Returns a picture of an example as the policy is shown it."""
        return image

    def take_policy(self, policy: Any) -> None:
        """Takes note of the loaded policy, and changes it where it has to be changed before the trainer has it."""

    def complete_saved(self, folder: Path) -> None:
        """Completes a whole policy that the trainer has saved; called in the first process."""

    def prompt_rows(self, examples: Sequence[Example], processor: Any) -> Dataset:
        """Returns the rows that TRL draws, one for each example; see `prompt_rows`."""
        side = self.setting.config.policy.image_max_side
        return prompt_rows(examples, side, PlainText([processor]), self.as_policy_sees)

    def policy_trainer(self, base: Any) -> Any:
        """Returns what builds the trainer: a class of TRL, or a subclass for completions of another kind than text."""
        return base

    def take_trainer(self, trainer: GRPOTrainer) -> None:
        """Takes note of the trainer, whose policy a subclass may have to ask."""

    def before_rewards(self, rollouts: Sequence[Rollout]) -> None:
        """Does what needs the policy's present weights, once a generation and in all processes at the same time."""

    def close(self) -> None:
        """Closes the record; a subclass frees its models."""
        if self._record is not None:
            self._record.close()

    @property
    def record(self) -> TrainingRecord:
        """The record that this process has opened."""
        assert self._record is not None, "load() must be called before the first reward"
        return self._record

    def __call__(
        self,
        completions: Sequence[Any],
        example_id: Sequence[str],
        trainer_state: Any,
        log_metric: Callable[[str, float], None],
        log_extra: Callable[[str, list[Any]], None],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Returns one reward, 0–10 or None, for each completion, as TRL wants it (`GRPOTrainer`, version 1.16).

        Args:
            completions: Conversations of one assistant message.
            example_id: Which example each completion answers.
            trainer_state: For the number of the step.
            log_metric: Logs a number beside the metrics of the step.
            log_extra: Adds a column to TRL's table of completions.
            completion_ids: The token ids of each completion, as they were sampled.
            columns: All else that TRL offers; not needed.

        Raises:
            TrainingStopped: too much has failed for too long, in any process; or nothing is scored any more.
        """
        self.setting.clock.rollout_ended()
        started = time.perf_counter()
        sampled = completion_ids if completion_ids is not None else [()] * len(completions)
        rollouts = [
            Rollout.read(self._examples[name], completion[-1]["content"], self._task, ids)
            for name, completion, ids in zip(example_id, completions, sampled, strict=True)
        ]
        self._metrics = {"seconds/parse": time.perf_counter() - started}
        self.before_rewards(rollouts)
        problem = self._reward([one for one in rollouts if one.parsed is not None])
        step, verdicts = trainer_state.global_step + 1, verdicts_of(rollouts)
        self._unscored_steps.after(self.setting.processes.gathered([step_summary(verdicts, problem)]))
        self._warn(verdicts, step)
        rows = self._rows(rollouts, step)
        self.record.add_completions(rows)
        self._metrics["seconds/reward"] = time.perf_counter() - started
        for metric, value in {**self._metrics, **self.setting.clock.metrics(), **rollout_metrics(rollouts)}.items():
            log_metric(metric, value)
        for column in ("example_id", "reading", "problem", "edit_key", "status"):
            log_extra(column, [getattr(row, column) for row in rows])
        self._show(rows)
        self.setting.clock.rewards_ended()
        return [row.reward for row in rows]

    def count(self, amounts: Mapping[str, float]) -> None:
        """Adds to this step's metrics; a subclass says here how long it worked and what it did not have to do."""
        for name, amount in amounts.items():
            self._metrics[name] = self._metrics.get(name, 0.0) + amount

    def _reward(self, rollouts: Sequence[Rollout]) -> str | None:
        """Gives each rollout its outcome; failed ones are tried again while too many fail and patience lasts.

        Returns:
            Why training cannot go on, if that is so.
        """
        deadline = time.monotonic() + self._settings.patience
        pause = FIRST_PAUSE
        pending = rollouts
        while True:
            try:
                outcomes = self.outcomes([one.parsed for one in pending if one.parsed is not None])
            except EditLoopError as error:
                return str(error)
            for rollout, outcome in zip(pending, outcomes, strict=True):
                rollout.outcome = outcome
            problem = outage_reason(verdicts_of(rollouts), self._settings.most_failures)
            if problem is None or time.monotonic() + pause > deadline:
                return problem
            logger.warning("%s; trying again in %.0f s", problem, pause)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            pending = [one for one in rollouts if one.outcome and one.outcome.verdict.status not in DONE]

    def _warn(self, verdicts: Sequence[Verdict], step: int) -> None:
        """Warns of a step that can teach little, although nothing is broken."""
        unscored = [verdict for verdict in verdicts if verdict.status is not Status.SCORED]
        if len(unscored) > self._settings.most_failures * len(verdicts):
            logger.warning(
                "step %d: %d of %d completions have no score and are masked; %s",
                *(step, len(unscored), len(verdicts), commonest_failure(unscored)),
            )

    def _rows(self, rollouts: Sequence[Rollout], step: int) -> list[CompletionRow]:
        """Returns the rows of the record. Several generations may belong to one optimizer step."""
        if step != self._step:
            self._step, self._position = step, self.setting.processes.rank * PLACES
            self._forget(step)
        rows = [
            rollout.row(step, self._position + place, self._settings.unparsable_reward)
            for place, rollout in enumerate(rollouts)
        ]
        self._position += len(rows)
        return rows

    def _forget(self, step: int) -> None:
        """Removes what this process wrote when the step was done before, and what processes wrote that are no more."""
        processes = self.setting.processes
        self.record.forget_completions(step, self._position, self._position + PLACES)
        if processes.is_first:
            self.record.forget_completions(step, processes.count * PLACES)

    def _show(self, rows: Sequence[CompletionRow]) -> None:
        every = self._settings.show_every
        if self.setting.page_writer is not None and every and (self._step == 1 or self._step % every == 0):
            self.setting.page_writer.write(rows, self._examples, self.record)
