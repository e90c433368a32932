"""`Budget`: what a run may spend in all its attempts together, and whether it is spent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from src.config import BudgetConfig
from src.data.verdict import Status, Verdict
from src.errors import ConfigError, ModelError
from src.models.vlm.asking import total_usage
from src.pipeline.scorer_plan import ScorerPlan

NO_LIMIT = BudgetConfig.model_construct()
_NEEDED = {"usd": "cost", "judge_calls": "calls"}
"""Which amount of a verdict's usage each limit counts."""


class BudgetSpent(Exception):
    """A run stops: what is in flight is recorded, and nothing new is begun. Its text says what is spent."""


class Budget:
    """Counts what is spent; safe to use from several threads.

    Args:
        limits: What may be spent; None for a run without limits.
        earlier: The usage of every verdict that was paid for by earlier attempts of the run.
        seconds: Wall time of the run, earlier attempts included.

    Raises:
        ConfigError: on construction, for a limit of money when nobody knows what earlier attempts have cost.
    """

    def __init__(
        self, limits: BudgetConfig | None, earlier: Iterable[Mapping[str, float]], seconds: Callable[[], float]
    ) -> None:
        self._limits = limits or NO_LIMIT
        paid = list(earlier) if limits else []
        if self._limits.usd is not None and has_unpriced(paid):
            raise ConfigError(
                "evaluation.budget.usd: earlier attempts of this run asked a judge without prices, so nobody knows "
                "what they have cost; use judge_calls or minutes instead, or run without --resume"
            )
        self._used = total_usage(paid)
        self._seconds = seconds
        self._lock = threading.Lock()

    def add(self, verdict: Verdict) -> None:
        """Counts a verdict.

        Raises:
            ModelError: the budget is one of money, and nobody knows what the verdict has cost.
        """
        unknown = "cost" not in verdict.usage or verdict.usage.get("prompt_tokens") == 0
        if self._limits.usd is not None and verdict.status is Status.SCORED and unknown:
            raise ModelError(
                "evaluation.budget.usd: the judge does not say how many tokens an answer took, so nobody "
                "knows what it costs; use judge_calls or minutes instead, then --resume"
            )
        with self._lock:
            self._used = total_usage([self._used, verdict.usage])

    def spent(self) -> str | None:
        """What is spent and how much it was, such as `judge_calls 40 of 40`; None while there is some left of all."""
        if self._limits is NO_LIMIT:
            return None
        with self._lock:
            used = {limit: self._used.get(amount, 0.0) for limit, amount in _NEEDED.items()}
        used["minutes"] = self._seconds() / 60
        for name, amount in used.items():
            limit = getattr(self._limits, name)
            if limit is not None and amount >= limit:
                return f"{name} {round(amount, 4):g} of {limit:g}"
        return None


def has_unpriced(usages: Iterable[Mapping[str, float]]) -> bool:
    """Whether any of these verdicts had answers whose cost is not known."""
    return any(usage.get("calls") and "cost" not in usage for usage in usages)


def check_budget(limits: BudgetConfig | None, scoring: ScorerPlan) -> None:
    """Refuses a limit on what nobody would count.

    Raises:
        ConfigError: naming the limit and what to set instead.
    """
    if limits is None:
        return
    stated = scoring.stated_usage()
    for limit, amount in _NEEDED.items():
        if getattr(limits, limit) is not None and amount not in stated:
            advice = (
                "set reward_model.params.price_per_million_prompt_tokens and price_per_million_completion_tokens"
                if limit == "usd" and "prompt_tokens" in stated
                else "use evaluation.budget.minutes"
            )
            raise ConfigError(f"evaluation.budget.{limit}: {scoring.name} does not state its {amount}; {advice}")
