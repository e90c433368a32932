"""How long a run will take: its stages overlap as in the pipeline, each with its workers at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from src.models.base import BaseModel
from src.pipeline.plan import RunPlan
from src.pipeline.rates import Rate, Work, earlier_rate
from src.reporting.wording import duration


@dataclass(frozen=True)
class GivenRates:
    """Seconds of one edit and of one judgement that the user states; None where nothing is stated."""

    edit: float | None = None
    judgement: float | None = None

    @property
    def stated(self) -> bool:
        """Whether the user states anything."""
        return self.edit is not None or self.judgement is not None

    def of(self, work: Work) -> Rate | None:
        """The stated rate of this kind of work."""
        seconds = self.edit if work == "edit" else self.judgement
        return None if seconds is None else Rate(seconds, "as given")


@dataclass(frozen=True)
class StageForecast:
    """One kind of work that a run has to do."""

    work: Work
    count: int
    rate: Rate | None
    workers: int
    """How many calls at once the config promises; an earlier run may have shown more."""

    @property
    def at_once(self) -> int:
        """Returns how many samples are worked on at the same time."""
        shown = round(self.rate.at_once) if self.rate else 1
        return max(1, min(self.count, max(self.workers, shown)))

    @property
    def each(self) -> float:
        """Seconds of one piece of work; 0 where nothing is known or to be done."""
        return self.rate.seconds if self.rate and self.count else 0.0

    @property
    def seconds(self) -> float:
        """Wall time of the stage alone: whole rounds of all workers."""
        return math.ceil(self.count / self.at_once) * self.each

    def line(self) -> str:
        """Says what is known, where from, and what to give where nothing is."""
        if self.rate is None:
            option = "--edit-seconds" if self.work == "edit" else "--judge-seconds"
            return (
                f"time     {self.work}s: unknown, no earlier run here or beside made any with these models; "
                f"give {option}, or run a few samples first (--limit)"
            )
        return f"time     {self.work}s: {duration(self.rate.seconds)} each ({self.rate.source}), {self.at_once} at once"


def wall_seconds(editing: StageForecast, judging: StageForecast, *, two_stage: bool) -> float:
    """Seconds from the first edit to the last judgement, without the loading of models.

    Overlapped, the slower stage sets the pace: all edits and then the last judgement, or the first edit and then all
    judgements. In two stages one follows the other.
    """
    if two_stage:
        return editing.seconds + judging.seconds
    return max(editing.seconds + judging.each, editing.each + judging.seconds)


def forecast(plan: RunPlan, left: Mapping[Work, int], whole: Mapping[Work, int], given: GivenRates) -> Iterator[str]:
    """Lines that say how long a run will take, and where each number comes from.

    Args:
        plan: What the run would do.
        left: How much there is to do with `--resume`.
        whole: How much there is to do without `--resume`; equal where there is no record yet.
        given: How fast the models are, where the user knows.
    """
    info, output_dir = plan.info(), plan.config.evaluation.output_dir
    workers: dict[Work, int] = {"edit": _editor_workers(plan), "judgement": _judge_workers(plan)}
    rates = {work: given.of(work) or earlier_rate(work, info, output_dir) for work in whole}

    def in_all(counts: Mapping[Work, int]) -> str:
        editing, judging = (
            StageForecast(work, counts[work], rates[work], workers[work]) for work in ("edit", "judgement")
        )
        least = any(stage.count and stage.rate is None for stage in (editing, judging))
        seconds = wall_seconds(editing, judging, two_stage=plan.two_stage())
        return ("at least " if least else "") + duration(seconds)

    stages = [StageForecast(work, count, rates[work], workers[work]) for work, count in whole.items() if count]
    yield from (stage.line() for stage in stages)
    if any(stage.rate for stage in stages):
        ways = in_all(whole) if left == whole else f"with --resume {in_all(left)}; without, {in_all(whole)}"
        yield f"time     in all {ways}; loading the models comes on top"


def _editor_workers(plan: RunPlan) -> int:
    params, placement = plan.editor.replicas(), plan.editor.placement
    count = len(params) if placement is None else placement.expected_editors(plan.judges_beside_editors())
    return count * _concurrency(plan.editor.model_class, params[0])


def _judge_workers(plan: RunPlan) -> int:
    judge = plan.scoring.judge
    if judge is None:
        return plan.scoring.scorer.max_concurrency
    return max(1, plan.scoring.judge_actors) * _concurrency(judge.model_class, judge.params)


def _concurrency(model_class: type[BaseModel], params: dict[str, object]) -> int:
    """Calls at once that params or class promise. A plug-in may decide otherwise when it loads: records show that."""
    typed = model_class.Params(**params) if model_class.Params else None
    promised: int = getattr(typed, "max_concurrency", getattr(model_class, "max_concurrency", 1))
    return promised
