"""`AnswerRewards`: completions are scored as texts, against the right answer, without editor and judge."""

from __future__ import annotations

import time
from collections.abc import Sequence

from src.config import ModelConfig
from src.data.verdict import Status, Verdict, failed
from src.errors import ConfigError
from src.pipeline.keys import digest
from src.reasons import reason_of
from src.registry import resolve
from src.rewards.core.scorer import Completion, CompletionScorer, Scorer
from src.training.config import TrainingConfig
from src.training.grpo.reward_function import CompletionOutcome, ParsedCompletion, RewardFunction, RewardSetting
from src.training.tasks.vqa import VQATask


def completion_scorers(config: TrainingConfig) -> list[CompletionScorer]:
    """The training's scorer, then the evaluation's, if there is one.

    Raises:
        ConfigError: for one that does not score texts, or wrong params.
    """
    sections = {"scorer": config.scorer, "evaluation.scorer": config.evaluation.scorer}
    return [_build(section, where) for where, section in sections.items() if section is not None]


def _build(section: ModelConfig, where: str) -> CompletionScorer:
    scorer_class = resolve(section, CompletionScorer, where)  # type: ignore[type-abstract]
    scorer = scorer_class(section.params)  # type: ignore[call-arg]
    scorer.check_texts_suffice()
    return scorer


def check_evaluation(task: VQATask, config: TrainingConfig) -> None:
    """Finds before training what the comparison of answers could not use.

    Raises:
        ConfigError: for a scorer that does not score texts or rewards another form, and for settings of edits.
    """
    for scorer in completion_scorers(config):
        _check_form(scorer, task)
    own = config.evaluation
    edits = {"reward_model": own.reward_model, "diffusion_params": own.diffusion_params}
    if given := [f"evaluation.{name}" for name, value in edits.items() if value]:
        raise ConfigError(f"{', '.join(given)}: {type(task).__name__} edits nothing and asks no judge; leave them out")


def _check_form(scorer: CompletionScorer, task: VQATask) -> None:
    """Some rewards demand a form, which the task's prompt must ask for."""
    if check := getattr(scorer, "prompt_agrees", None):
        check(task.instructions)


def score_texts(scorer: CompletionScorer, completions: list[Completion]) -> list[Verdict]:
    """One verdict a text, in order; a scorer that fails has judged none of them."""
    try:
        return scorer.score_completions(completions)
    except Exception as error:  # a plug-in may fail in any way
        return [failed(Status.JUDGE_FAILED, reason_of(error))] * len(completions)


class AnswerRewards(RewardFunction):
    """The reward of an answer.

    Raises:
        ConfigError: on construction, when the scorer does not score texts, or rewards another form than the one that
            the task's prompt asks for.
    """

    def __init__(self, task: VQATask, setting: RewardSetting) -> None:
        super().__init__(task, setting)
        section = setting.config.scorer
        if "scorer" not in setting.config.model_fields_set:
            raise ConfigError(f"{type(task).__name__} needs a scorer of texts: set scorer.class_path: {task.SCORER}")
        self._scorer = _build(section, "scorer")
        _check_form(self._scorer, task)
        task.rules = self._scorer.policy_rules(task.language) if isinstance(self._scorer, Scorer) else ""
        own = self._scorer.identity() if isinstance(self._scorer, Scorer) else {}
        self._identity = digest([section.class_path, section.params, own])

    def outcomes(self, readings: Sequence[ParsedCompletion]) -> list[CompletionOutcome]:
        """Scores all completions at once; the same text of the same question is recorded once."""
        started = time.perf_counter()
        verdicts = score_texts(
            self._scorer, [Completion(one.completion, one.example.subject.answer) for one in readings]
        )
        self.count({"seconds/judge": time.perf_counter() - started})
        outcomes = []
        for reading, verdict in zip(readings, verdicts, strict=True):
            key = digest(["answer", self._identity, reading.example.subject.answer, reading.completion])
            self.record.add_verdict(key, verdict)
            outcomes.append(CompletionOutcome(verdict, verdict_key=key))
        return outcomes
