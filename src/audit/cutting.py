"""The judge once more, with replies that are cut off: whether a score is read from what is left of them."""

from __future__ import annotations

from src.config import Config
from src.pipeline.scorer_plan import ScorerPlan

_LIMITS = ("max_new_tokens", "max_tokens")
"""The names under which judges have the most tokens of a reply."""


def cut_config(config: Config, plan: ScorerPlan) -> Config | str:
    """The config with a judge whose replies are cut off at `audit.cut_tokens`, or why there is none.

    Args:
        config: What is audited.
        plan: Its scorer.
    """
    judge, tokens = config.reward_model, config.audit.cut_tokens
    if tokens is None:
        return "no reply was cut off: say by audit.cut_tokens where to cut"
    name = _limit_of_replies(plan)
    if name is None or judge is None:
        return "replies cannot be cut off: no judge is asked that has a limit of tokens (max_new_tokens, max_tokens)"
    return config.model_copy(
        update={"reward_model": judge.model_copy(update={"params": judge.params | {name: tokens}})}
    )


def _limit_of_replies(plan: ScorerPlan) -> str | None:
    """The judge's param for the most tokens of a reply; None where no judge with such a param is asked."""
    if plan.judge is None or "judge" not in plan.identity():
        return None
    typed = plan.judge.model_class.Params
    known = typed.model_fields if typed else plan.judge.params
    return next((name for name in _LIMITS if name in known), None)
