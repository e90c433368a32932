"""`EditRewards`: each instruction of the policy is carried out by the frozen editor and judged by the scorer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path

from src.data.image import LazyImage
from src.errors import DataError
from src.models.diffusion.batching import EditFailure
from src.training.data_check import check_samples
from src.training.grpo.edit_pipeline import EditPipeline, RewardRequest
from src.training.grpo.reward_function import RewardFunction, RewardSetting
from src.training.grpo.rollout import CompletionOutcome, ParsedCompletion
from src.training.tasks.base import Task
from src.training.tasks.example import Example

logger = logging.getLogger(__name__)

SHOWN_FAILURES = 5


class EditRewards(RewardFunction):
    """Rewards completions by the score of their edits; the editor works on the last picture that the policy was shown.

    The judge sees the user's own instruction, the source and the result, never the policy's words for it; a scorer of
    the policy's form finds them in `EditedSample.completion`.

    Raises:
        ConfigError: on construction, for anything in the config that could not run.
        ModelError: on construction, when weights are missing.
    """

    def __init__(self, task: Task, setting: RewardSetting) -> None:
        super().__init__(task, setting)
        self.pipeline = EditPipeline(setting.config, setting.processes)
        scorer = self.pipeline.scoring.scorer
        if task.instructions:
            scorer.prompt_agrees(task.instructions)
        task.rules = scorer.policy_rules(task.language)
        if task.rules:
            logger.info("the policy is told below its prompt:\n%s", task.rules)

    def rewardable(self, examples: Sequence[Example]) -> list[Example]:
        """Leaves out the examples whose samples the editor does not take or the scorer can never score."""
        samples = [example.subject for example in examples]
        plan = self.pipeline
        suits = check_samples(plan.scoring.scorer, samples, "scorer, on the training data", plan.editor)
        return list(compress(examples, suits))

    def load(self) -> None:
        """Loads the editor and the judge."""
        super().load()
        self.pipeline.load(self.record)

    def close(self) -> None:
        """Frees the editor and the judge."""
        self.pipeline.unload()
        super().close()

    def outcomes(self, parsed: Sequence[ParsedCompletion]) -> list[CompletionOutcome]:
        """Edits and judges what is not in the record yet, both at once."""
        requests = [
            RewardRequest(one.example.subject, one.example.images[-1], one.text, one.completion) for one in parsed
        ]
        return self.judged(requests)

    def judged(self, requests: Sequence[RewardRequest]) -> list[CompletionOutcome]:
        """Edits and judges, and counts what that took."""
        outcomes, counts = self.pipeline.edit_and_judge(requests)
        self.count(
            {
                "seconds/edit": counts.edit_seconds,
                "seconds/judge": counts.judge_seconds,
                "edits/made": counts.edits_made,
                "edits/reused": len(requests) - counts.edits_made,
                "verdicts/made": counts.verdicts_made,
                "verdicts/reused": len(requests) - counts.verdicts_made,
            }
        )
        return outcomes


@dataclass(frozen=True)
class FirstAttempt:
    """A first attempt that one process has made or found, as it tells all others."""

    example_id: str
    machine: int
    path: Path | None
    """The picture on that machine; None where the edit failed."""
    reason: str | None = None


class CritiqueRewards(EditRewards):
    """Rewards corrections of a first attempt, for a policy that sees the attempt and says what to correct in it."""

    def prepare(self, examples: Sequence[Example]) -> list[Example]:
        """Adds the first attempt at the user's own instruction to the pictures of each example.

        Raises:
            DataError: when the editor failed on more than `training.most_failures` of them.
        """
        attempts = self.setting.processes.gathered(self._first_attempts(examples))
        failed = {attempt.example_id: attempt.reason for attempt in attempts if attempt.path is None}
        reasons = [f"{name}: {reason}" for name, reason in failed.items()]
        count = sum(example.example_id in failed for example in examples)
        if count > self.setting.config.training.most_failures * len(examples):
            raise DataError(
                f"the editor failed on {count} of {len(examples)} samples: {'; '.join(reasons[:SHOWN_FAILURES])}"
            )
        if failed:
            logger.warning("%d samples are left out, as their first edit failed: %s", len(failed), "; ".join(reasons))
        here = self.setting.processes.machine
        made = {one.example_id: LazyImage(path=one.path) for one in attempts if one.machine == here and one.path}
        return [
            replace(example, images=(example.images[0], example.subject.preliminary or made[example.example_id]))
            for example in examples
            if example.example_id not in failed
        ]

    def _first_attempts(self, examples: Sequence[Example]) -> list[FirstAttempt]:
        """Makes or finds this process's share of the first attempts that the data do not bring; all are recorded."""
        missing = {example.example_id: example for example in examples if example.subject.preliminary is None}
        processes = self.setting.processes
        share = list(missing.values())[processes.here.index(processes.rank) :: len(processes.here)]
        made = self.pipeline.edit(
            [RewardRequest(example.subject, example.images[0], example.request) for example in share]
        )
        return [
            FirstAttempt(example.example_id, processes.machine, None, result.reason)
            if isinstance(result, EditFailure)
            else FirstAttempt(example.example_id, processes.machine, result.path)
            for example, result in zip(share, made, strict=True)
        ]
