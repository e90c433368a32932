"""Sums up the completions of one step, and tells an outage of editor or judge from bad luck."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from src.data.verdict import Status, Verdict
from src.record.record import DONE


@dataclass(frozen=True)
class StepSummary:
    """The result of a step in one process, as all others get it, so that they go on or stop alike."""

    readable: int = 0
    """Number of completions from which an instruction or answer could be read."""
    scored: int = 0
    """Number of completions with a score."""
    reason: str | None = None
    """The commonest reason why a completion has no score, with its number."""
    problem: str | None = None
    """Why this process cannot go on."""


def step_summary(verdicts: Collection[Verdict], problem: str | None) -> StepSummary:
    """Sums up the verdicts of this process in one step, and why it cannot go on, if so."""
    unscored = [one for one in verdicts if one.status is not Status.SCORED]
    return StepSummary(len(verdicts), len(verdicts) - len(unscored), commonest_failure(unscored), problem)


def commonest_failure(verdicts: Collection[Verdict]) -> str | None:
    """Returns the commonest status and reason with their number, as a sentence part; None if there are no verdicts."""
    if not verdicts:
        return None
    (status, reason), count = Counter((one.status.value, one.reason) for one in verdicts).most_common(1)[0]
    return f"{count} of them: {status}: {reason}"


def outage_reason(verdicts: Collection[Verdict], most_failures: float) -> str | None:
    """Returns why these verdicts look as if editor or judge were away; None where they do not.

    A refusal, and a verdict that does not apply, is an answer: asking again brings the same.
    """
    failures = [one for one in verdicts if one.status is not Status.SCORED and one.status not in DONE]
    if len(failures) <= most_failures * len(verdicts):
        return None
    return (
        f"{len(failures)} of {len(verdicts)} completions of this step failed, which is more than "
        f"training.most_failures ({most_failures:g}) allows; {commonest_failure(failures)}. "
        "Repair this, then go on with --resume"
    )
