"""`Rollout`: one completion of the policy, what was read from it, what became of it, and its row in the record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from src.data.verdict import Status, Verdict
from src.published_names import old_attribute
from src.training.storage.record import CompletionRow
from src.training.tasks.example import CompletionReader, Example, UnparsableCompletion


@dataclass(frozen=True)
class ParsedCompletion:
    """A completion from which an instruction or an answer could be read."""

    example: Example
    completion: str
    text: str
    """The instruction or answer that was read."""
    completion_ids: tuple[int, ...] = ()
    """The token ids that were sampled, with the one that ended them."""
    said = old_attribute("said")


@dataclass(frozen=True)
class CompletionOutcome:
    """The result for a parsed completion: its verdict, and the keys of edit and verdict in the record."""

    verdict: Verdict
    edit_key: str | None = None
    verdict_key: str | None = None


@dataclass
class Rollout:
    """One completion of a step on its way from the policy's text to its reward."""

    example: Example
    completion: str
    parsed: ParsedCompletion | None = None
    problem: str | None = None
    """Why nothing could be read."""
    outcome: CompletionOutcome | None = None
    """None where nothing could be read, and before the completion is rewarded."""

    @classmethod
    def read(
        cls, example: Example, completion: str, reader: CompletionReader, completion_ids: Sequence[int] = ()
    ) -> Rollout:
        """Reads a completion; one that cannot be read has a problem instead."""
        try:
            text = reader.read(completion)
            return cls(example, completion, ParsedCompletion(example, completion, text, tuple(completion_ids)))
        except UnparsableCompletion as error:
            return cls(example, completion, problem=str(error))

    def row(self, step: int, position: int, unparsable_reward: float | None) -> CompletionRow:
        """Returns the row of the record; its reward, 0–10 or None, is the one that the trainer gets."""
        outcome, verdict = self.outcome, self.outcome.verdict if self.outcome else None
        return CompletionRow(
            step=step,
            position=position,
            example_id=self.example.example_id,
            category=self.example.category,
            request=self.example.request,
            completion=self.completion,
            reading=self.parsed.text if self.parsed else None,
            problem=self.problem,
            edit_key=outcome.edit_key if outcome else None,
            verdict_key=outcome.verdict_key if outcome else None,
            status=verdict.status if verdict else None,
            reason=verdict.reason if verdict else None,
            reward=verdict.score if verdict else unparsable_reward,
        )


def verdicts_of(rollouts: Sequence[Rollout]) -> list[Verdict]:
    """Returns the verdicts of the rollouts that have one, in order."""
    return [one.outcome.verdict for one in rollouts if one.outcome is not None]


def rollout_metrics(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Returns the shares of unparsable completions and of each status, and the mean of each dimension of the scores."""
    verdicts = verdicts_of(rollouts)
    metrics = {"completions/unparsable": sum(one.problem is not None for one in rollouts) / len(rollouts)}
    for status in Status:
        if status is not Status.BAD_SAMPLE:
            metrics[f"statuses/{status.value}"] = sum(one.status is status for one in verdicts) / len(rollouts)
    dimensions: defaultdict[str, list[float]] = defaultdict(list)
    for verdict in verdicts:
        for name, value in verdict.dimensions.items():
            if value is not None:
                dimensions[name].append(value)
    return metrics | {f"dimensions/{name}": sum(values) / len(values) for name, values in dimensions.items()}
