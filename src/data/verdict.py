"""`Verdict`: what a scorer says of one edit. A failure is a status, never a number."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """How a sample ended. Only `SCORED` carries a score; every other status is counted, never averaged."""

    SCORED = "scored"
    EDIT_FAILED = "edit_failed"
    JUDGE_FAILED = "judge_failed"
    REFUSED = "refused"
    UNPARSABLE = "unparsable"
    NOT_APPLICABLE = "not_applicable"
    BAD_SAMPLE = "bad_sample"


SCORE_RANGE = (0.0, 10.0)


@dataclass(frozen=True)
class SentPrompt:
    """One prompt as it was sent to a judge: system prompt, then each image after its label, then the text."""

    system: str
    labels: tuple[str, ...]
    """The words before each image, in order; an empty text where an image has none."""
    text: str


@dataclass(frozen=True)
class Verdict:
    """The result of scoring one edit.

    Raises:
        ValueError: on construction, when score and status contradict each other, the score leaves 0–10, or the texts
            of the repeats are not the `replies`.
    """

    status: Status
    score: float | None = None
    """0 (worst) to 10 (best); set exactly when `status` is `scored`."""
    dimensions: dict[str, float | None] = field(default_factory=dict)
    """Sub-scores by name, on the scorer's own scale (0–10 unless its docstring says otherwise)."""
    reason: str | None = None
    """Why there is no score, for every status but `scored`."""
    replies: tuple[str, ...] = ()
    """The judge's raw texts, in the order of its questions."""
    usage: dict[str, float] = field(default_factory=dict)
    """What the judgement cost: `calls`, `prompt_tokens`, `completion_tokens` …"""
    seconds: float = 0.0
    model: str = ""
    """The judge model that answered, as resolved by its server; empty where none did."""
    repeats: tuple[Verdict, ...] | None = ()
    """What follows from each single repeat, where the judge was asked repeatedly; None where that is not known."""
    prompts: tuple[SentPrompt, ...] = ()
    """What the judge was asked, each prompt once."""

    def __post_init__(self) -> None:
        if (self.score is not None) != (self.status is Status.SCORED):
            raise ValueError(f"status {self.status.value!r} with score {self.score!r}: only 'scored' has a score")
        low, high = SCORE_RANGE
        if self.score is not None and not low <= self.score <= high:  # also refuses NaN
            raise ValueError(f"score {self.score!r} is outside {low:g}–{high:g}")
        if self.repeats and {text for one in self.repeats for text in one.replies} != set(self.replies):
            raise ValueError("the replies of the repeats are not those of the verdict")


def failed(status: Status, reason: str) -> Verdict:
    """Makes a verdict without a score."""
    return Verdict(status=status, reason=reason)
