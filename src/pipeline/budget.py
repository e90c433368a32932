"""`Budget`: what a run may spend in all its attempts together, and whether it is spent."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate

from src.config import BudgetConfig
from src.data.verdict import Status, Verdict
from src.errors import ConfigError, ModelError
from src.models.vlm.asking import total_usage
from src.pipeline.scorer_plan import ScorerPlan

NO_LIMIT = BudgetConfig.model_construct()
_NEEDED = {"usd": "cost", "judge_calls": "calls"}
"""Which amount of a verdict's usage each limit counts."""
_ROUNDING = 1e-9
"""The share of a question by which sums of prices may miss a limit that holds exactly so many."""


class BudgetSpent(Exception):
    """A run stops: what is in flight is recorded, and nothing new is begun. Its text says what is spent."""


class Budget:
    """Counts what is spent and holds back what would not fit; safe to use from several threads.

    What is in flight counts as spent with the amount that it is expected to take. The price of a question is the mean
    of what was paid for so far; while none is known, one verdict is asked for at a time.

    Args:
        limits: What may be spent; None for a run without limits.
        earlier: The usage of every verdict that was paid for by earlier attempts of the run.
        seconds: Wall time of the run, earlier attempts included.
        price: The expected price of a question before the run has paid for any, where an earlier run tells it.

    Raises:
        ConfigError: on construction, for a limit of money when nobody knows what earlier attempts have cost.
    """

    def __init__(
        self,
        limits: BudgetConfig | None,
        earlier: Iterable[Mapping[str, float]],
        seconds: Callable[[], float],
        price: float | None = None,
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
        self._price_before = price
        self._paid_questions = sum(usage.get("calls", 1.0) for usage in paid if usage.get("cost"))
        self._in_flight = 0
        self._too_little: str | None = None
        self._changed = threading.Condition()

    @contextmanager
    def reserved(self, questions: Sequence[int], stopping: threading.Event) -> Iterator[int]:
        """Waits until a verdict fits, and holds what the verdicts are expected to take within the block.

        Args:
            questions: How many questions each verdict takes, in the order in which they would be begun.
            stopping: Set when the run stops: then nothing fits.

        Yields:
            How many of the verdicts may be begun now. With 0 nothing ever will: the budget is spent, or the run stops.
        """
        wanted = [max(1, count) for count in questions]
        with self._changed:
            self._changed.wait_for(lambda: stopping.is_set() or not self._in_flight or self._fitting(wanted))
            count = 0 if stopping.is_set() else self._fitting(wanted)
            if not count and not stopping.is_set():
                self._refuse(wanted[0])
            held = sum(wanted[:count])
            self._in_flight += held
        try:
            yield count
        finally:
            with self._changed:
                self._in_flight -= held
                self._changed.notify_all()

    def _fitting(self, wanted: Sequence[int]) -> int:
        """The number of verdicts, from the first, that fit into what is left."""
        free = min(self._left(limit) for limit in _NEEDED) - self._in_flight + _ROUNDING
        fitting = sum(total <= free for total in accumulate(wanted))
        if self._limits.usd is None or self._price() is not None:
            return fitting
        return min(fitting, 0 if self._in_flight else 1)

    def _left(self, limit: str) -> float:
        """The number of questions, those in flight included, that a limit still holds."""
        most: float | None = getattr(self._limits, limit)
        if most is None:
            return math.inf
        left = most - self._used.get(_NEEDED[limit], 0.0)
        if left <= 0 or limit == "judge_calls":
            return left
        price = self._price()
        return left / price if price else math.inf

    def _price(self) -> float | None:
        """The expected price of a question; None where nothing is known."""
        return self._used.get("cost", 0.0) / self._paid_questions if self._paid_questions else self._price_before

    def _refuse(self, questions: int) -> None:
        limit = next(limit for limit in _NEEDED if self._left(limit) + _ROUNDING < questions)
        self._too_little = f"{self._said(limit, self._used.get(_NEEDED[limit], 0.0))}, too little for the next verdict"

    def _said(self, limit: str, amount: float) -> str:
        return f"{limit} {round(amount, 4):g} of {getattr(self._limits, limit):g}"

    def add(self, verdict: Verdict, questions: int) -> None:
        """Counts a verdict, which took so many questions without those that were asked again.

        Raises:
            ModelError: the budget is one of money, and nobody knows what the verdict has cost.
        """
        unknown = "cost" not in verdict.usage or verdict.usage.get("prompt_tokens") == 0
        if self._limits.usd is not None and verdict.status is Status.SCORED and unknown:
            raise ModelError(
                "evaluation.budget.usd: the judge does not say how many tokens an answer took, so nobody "
                "knows what it costs; use judge_calls or minutes instead, then --resume"
            )
        with self._changed:
            self._used = total_usage([self._used, verdict.usage])
            if "cost" in verdict.usage and (verdict.usage["cost"] or verdict.status is Status.SCORED):
                self._paid_questions += max(1, questions)

    def spent(self) -> str | None:
        """What is spent and how much it was, such as `judge_calls 40 of 40`; None while verdicts can be begun."""
        if self._limits is NO_LIMIT:
            return None
        with self._changed:
            used = {limit: self._used.get(amount, 0.0) for limit, amount in _NEEDED.items()}
        used["minutes"] = self._seconds() / 60
        for name, amount in used.items():
            limit = getattr(self._limits, name)
            if limit is not None and amount >= limit:
                return self._said(name, amount)
        return self._too_little


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
