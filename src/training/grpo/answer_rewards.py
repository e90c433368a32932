"""`AnswerRewards`: completions are scored as texts, against the right answer, without editor and judge."""

from __future__ import annotations

import time
from collections.abc import Sequence

from src.pipeline.keys import answer_key, digest
from src.rewards.core.scorer import Completion, Scorer
from src.rewards.core.scoring import scored
from src.training.grpo.reward_function import RewardFunction, RewardSetting
from src.training.grpo.rollout import CompletionOutcome, ParsedCompletion
from src.training.tasks.base import Task
from src.training.text_scorers import build_text_scorer, check_form


class AnswerRewards(RewardFunction):
    """Rewards completions by the score of their text.

    Raises:
        ConfigError: on construction, when the scorer does not score texts, or rewards another form than the one that
            the task's prompt asks for.
    """

    def __init__(self, task: Task, setting: RewardSetting) -> None:
        super().__init__(task, setting)
        section = setting.config.scorer
        self._scorer = build_text_scorer(section, "scorer")
        check_form(self._scorer, task)
        task.rules = self._scorer.policy_rules(task.language) if isinstance(self._scorer, Scorer) else ""
        own = self._scorer.identity() if isinstance(self._scorer, Scorer) else {}
        self._identity = digest([section.class_path, section.params, own])

    def outcomes(self, parsed: Sequence[ParsedCompletion]) -> list[CompletionOutcome]:
        """Scores all completions at once; the same text of the same question is recorded once."""
        started = time.perf_counter()
        texts = [Completion(one.completion, one.example.subject.answer) for one in parsed]
        verdicts = scored(lambda: self._scorer.score_completions(texts), [one.example.example_id for one in parsed])
        self.count({"seconds/judge": time.perf_counter() - started})
        outcomes = []
        for one, verdict in zip(parsed, verdicts, strict=True):
            key = answer_key(self._identity, one.example.subject.answer, one.completion)
            self.record.add_verdict(key, verdict)
            outcomes.append(CompletionOutcome(verdict, verdict_key=key))
        return outcomes
