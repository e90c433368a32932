"""How often a judge puts held-out pairs into the stated order, and what that costs: the same for every judge."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from src.data.image import LazyImage
from src.data.sample import EditSample
from src.data.verdict import Status
from src.pipeline.scorer_plan import ScorerPlan
from src.reporting.paired import paired_difference
from src.reporting.statistics import mean_interval
from src.rewards.core.scorer import EditedSample
from src.rewards.core.scoring import scored
from src.training.preference.data import PreferenceExample
from src.training.preference.trainer import order

_SHARE = (0.0, 1.0)
NO_CATEGORY = "(none)"


@dataclass(frozen=True)
class Judged:
    """What a judge says of pairs."""

    scores: list[tuple[float | None, float | None]]
    """Scores of the chosen and of the rejected edit of each pair; None where the judge gave none."""
    seconds: float
    """Wall time of one question, with everything that is asked again."""
    questions: int

    @property
    def right(self) -> list[float | None]:
        """For each pair 1, 0.5 for a tie, 0; None where a score is missing."""
        return [None if one is None or other is None else order(one, other) for one, other in self.scores]


def judge_pairs(plan: ScorerPlan, pairs: Sequence[PreferenceExample]) -> Judged:
    """Has a scorer judge both edits of every pair; it never learns which one was chosen.

    Raises:
        ModelError: the judge cannot be loaded, or can judge nothing at all.
    """
    scorer = plan.scorer
    scorer.load()
    edits = [edit for pair in pairs for edit in _edits(pair)]
    started = time.perf_counter()
    scores: list[float | None] = []
    for start in range(0, len(edits), scorer.batch_size):
        scores += list(_scores(plan, edits[start : start + scorer.batch_size]))
    seconds = (time.perf_counter() - started) / max(1, len(edits))
    return Judged(list(zip(scores[::2], scores[1::2], strict=True)), seconds, len(edits))


def _edits(pair: PreferenceExample) -> Iterator[tuple[EditSample, LazyImage]]:
    sample = EditSample(
        sample_id=pair.pair_id,
        index=0,
        category=pair.category or NO_CATEGORY,
        instruction=pair.instruction,
        description="",
        source=pair.source,
        rationale=pair.rationale,
    )
    yield from ((sample, edit) for edit in (pair.chosen, pair.rejected))


def _scores(plan: ScorerPlan, edits: Sequence[tuple[EditSample, LazyImage]]) -> Iterator[float | None]:
    applicable = [plan.scorer.inapplicable(sample) is None for sample, _ in edits]
    batch = [
        EditedSample(sample, sample.given_source.decode(), edit.decode(), question=plan.scorer.question(sample))
        for (sample, edit), applies in zip(edits, applicable, strict=True)
        if applies
    ]
    names = [edit.sample.sample_id for edit in batch]
    verdicts = iter(scored(lambda: plan.scorer.score(batch), names) if batch else [])
    for applies in applicable:
        verdict = next(verdicts) if applies else None
        yield verdict.score if verdict is not None and verdict.status is Status.SCORED else None


def agreement(pairs: Sequence[PreferenceExample], judged: Judged) -> dict[str, Any]:
    """The figures of one judge, over all pairs and for each category. JSON-able."""
    rows = list(zip(pairs, judged.right, strict=True))
    names = sorted({pair.category or NO_CATEGORY for pair in pairs})
    by_category = {name: _accuracy([row for row in rows if (row[0].category or NO_CATEGORY) == name]) for name in names}
    every = _accuracy(rows)
    return every | {"categories": by_category, "seconds_per_question": judged.seconds, "questions": judged.questions}


def _accuracy(rows: Sequence[tuple[PreferenceExample, float | None]]) -> dict[str, Any]:
    """Share of pairs in the stated order, ties half, with its 95 % interval clustered by source picture."""
    known = [(pair.source_id, right) for pair, right in rows if right is not None]
    values, sources = [right for _, right in known], [source for source, _ in known]
    return {
        "pairs": len(rows),
        "judged": len(known),
        "sources": len(set(sources)),
        "accuracy": sum(values) / len(values) if values else None,
        "ci95": mean_interval(values, sources, _SHARE) if values else None,
        "ties": sum(value == 0.5 for value in values),
    }


def difference(pairs: Sequence[PreferenceExample], ours: Judged, other: Judged) -> dict[str, Any]:
    """The trained judge's accuracy less the other's, on the pairs that both judged, with its 95 % interval."""
    found = paired_difference(other.right, ours.right, [pair.source_id for pair in pairs], bootstrap=False)
    return {"pairs": found.pairs, "difference": found.difference, "ci95": found.ci95, "p": found.p}
