"""The scorers of completions as texts: built from a config and checked against the task."""

from __future__ import annotations

from src.config import ClassConfig
from src.errors import ConfigError
from src.registry import resolve
from src.rewards.core.scorer import CompletionScorer
from src.training.config import TrainingConfig
from src.training.tasks.base import Task


def text_scorers(config: TrainingConfig) -> list[CompletionScorer]:
    """Builds the training's scorer, then the evaluation's, if there is one.

    Raises:
        ConfigError: one of them does not score texts, or has wrong params.
    """
    sections = {"scorer": config.scorer, "evaluation.scorer": config.evaluation.scorer}
    return [build_text_scorer(section, where) for where, section in sections.items() if section is not None]


def build_text_scorer(section: ClassConfig, where: str) -> CompletionScorer:
    """Builds the scorer that a section names.

    Args:
        section: Its class path and params.
        where: Place of the section in the config, for messages.

    Raises:
        ConfigError: the class does not score texts, or its params are wrong.
    """
    scorer_class = resolve(section, CompletionScorer, where)  # type: ignore[type-abstract]
    scorer = scorer_class(section.params)  # type: ignore[call-arg]
    scorer.check_texts_suffice()
    return scorer


def check_form(scorer: CompletionScorer, task: Task) -> None:
    """Refuses a scorer that demands a form which the task's prompt does not ask for; not every scorer demands one.

    Raises:
        ConfigError: the scorer rewards another form.
    """
    if check := getattr(scorer, "prompt_agrees", None):
        check(task.instructions)


def check_text_evaluation(task: Task, config: TrainingConfig) -> None:
    """Finds before training what the comparison of answers could not use.

    Raises:
        ConfigError: a scorer does not score texts or rewards another form, or there are settings of edits.
    """
    for scorer in text_scorers(config):
        check_form(scorer, task)
    own = config.evaluation
    edits = {"reward_model": own.reward_model, "diffusion_params": own.diffusion_params}
    if given := [f"evaluation.{name}" for name, value in edits.items() if value]:
        raise ConfigError(f"{', '.join(given)}: {type(task).__name__} edits nothing and asks no judge; leave them out")
