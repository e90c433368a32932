"""`ask_for_scores`: puts questions to a judge and reads a score from each reply; what cannot be read is asked again."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from src.errors import ModelUnusable
from src.models.reward.dialogue import Question, Reply, VisionLanguageJudge
from src.rewards.parsing import UnparsableReply, parse_score
from src.rewards.verdict import Status

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 3


@dataclass(frozen=True)
class Answer:
    """What came of one question, over all attempts."""

    status: Status
    """`scored`, `unparsable` (complete replies without a clear score), `refused`, or `judge_failed`."""
    score: float | None
    """On the question's scale; set exactly when `status` is `scored`."""
    reason: str | None
    """Why there is no score, from the last attempt."""
    replies: tuple[str, ...]
    """Every text that came back, refusals included, first attempt first."""
    usage: dict[str, float]
    """Summed over the attempts."""
    model: str
    """The model that answered last, as resolved by the server."""
    seconds: float


def ask_for_scores(
    judge: VisionLanguageJudge,
    questions: Sequence[Question],
    parse: Callable[[str], float] = parse_score,
    most_attempts: int = MOST_ATTEMPTS,
) -> list[Answer]:
    """One answer a question, in order.

    Replies that are unreadable, cut off or empty are asked again, all together, up to `most_attempts` times in all.
    Refusals and errors are final: the judge has retried what can be retried. An expected score that the judge computed
    from token probabilities goes before the text.

    Args:
        judge: Asked for everything that is open at once.
        questions: May be empty.
        parse: Reads a complete reply; raises `UnparsableReply`.
        most_attempts: At least 1.

    Raises:
        ModelUnusable: when the judge can answer nothing at all.
    """
    replies: list[list[Reply]] = [[] for _ in questions]
    readings: dict[int, _Reading] = {}
    pending = list(range(len(questions)))
    for attempt in range(most_attempts):
        if not pending:
            break
        asked = [questions[position] for position in pending]
        for position, reply in zip(pending, _replies(judge, asked, attempt), strict=True):
            replies[position].append(reply)
            readings[position] = _read(reply, questions[position], parse)
        pending = [position for position in pending if readings[position].ask_again]
    return [_answer(readings[position], given) for position, given in enumerate(replies)]


@dataclass(frozen=True)
class _Reading:
    status: Status
    score: float | None = None
    reason: str | None = None
    ask_again: bool = False


def _replies(judge: VisionLanguageJudge, questions: list[Question], attempt: int) -> list[Reply]:
    try:
        replies = judge.ask(questions, attempt)
        if len(replies) != len(questions):
            raise ValueError(f"{type(judge).__name__}.ask gave {len(replies)} replies to {len(questions)} questions")
    except ModelUnusable:
        raise
    except Exception as error:  # a plug-in may fail in any way; one bad question must not cost its neighbours
        logger.warning("%d questions to %s failed: %r", len(questions), type(judge).__name__, error)
        if len(questions) == 1:
            return [Reply(error=f"{type(error).__name__}: {error}")]
        return [reply for question in questions for reply in _replies(judge, [question], attempt)]
    return replies


def _read(reply: Reply, question: Question, parse: Callable[[str], float]) -> _Reading:
    if reply.error is not None:
        return _Reading(Status.JUDGE_FAILED, reason=reply.error)
    if reply.refusal is not None:
        return _Reading(Status.REFUSED, reason=f"the judge refused: {reply.refusal}")
    if reply.expected_score is not None:
        low, high = question.score_range
        if not low <= reply.expected_score <= high:  # NaN fails the comparison
            reason = f"the expected score {reply.expected_score:g} is outside {low:g}–{high:g}"
            return _Reading(Status.JUDGE_FAILED, reason=reason)
        return _Reading(Status.SCORED, reply.expected_score)
    if reply.finish_reason == "length":
        reason = "the reply was cut off at the token limit; raise max_new_tokens or max_tokens"
        return _Reading(Status.JUDGE_FAILED, reason=reason, ask_again=True)
    if not reply.text.strip():
        return _Reading(Status.JUDGE_FAILED, reason="the reply was empty", ask_again=True)
    try:
        return _Reading(Status.SCORED, parse(reply.text))
    except UnparsableReply as error:
        return _Reading(Status.UNPARSABLE, reason=str(error), ask_again=True)


def _answer(reading: _Reading, given: list[Reply]) -> Answer:
    usage: Counter[str] = Counter()
    for reply in given:
        usage.update(reply.usage)
    return Answer(
        status=reading.status,
        score=reading.score,
        reason=reading.reason,
        replies=tuple(reply.text or reply.refusal or "" for reply in given if reply.error is None or reply.text),
        usage=dict(usage),
        model=next((reply.model for reply in reversed(given) if reply.model), ""),
        seconds=sum(reply.seconds for reply in given),
    )
