"""`ask`: puts requests to a model and reads values from each reply; what cannot be read is asked again."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from src.data.verdict import Status
from src.errors import ModelUnusable
from src.models.vlm.grammar.parsing import UnparsableReply, parse_score
from src.models.vlm.question import Question, Reply
from src.models.vlm.vision_language_model import VisionLanguageModel
from src.reasons import is_failure, reason_of, without_addresses

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 3


@dataclass(frozen=True)
class ScoreRequest:
    """A question, and how the values that it asks for are read from a reply."""

    question: Question
    names: tuple[str, ...]
    """The names of the values."""
    parse: Callable[[str], Mapping[str, float]]
    """Reads a value for each name from a complete reply; raises `UnparsableReply`."""
    for_score: bool = False
    """Whether it asks for one score, which a model may compute from token probabilities instead."""


@dataclass(frozen=True)
class Answer:
    """What came of one request, over all attempts and repeats."""

    status: Status
    """`scored`, `unparsable` (complete replies without clear values), `refused`, or `judge_failed`."""
    values: dict[str, float] | None
    """The values by name, on the question's scale; set exactly when `status` is `scored`."""
    reason: str | None
    """Why there are none, from the last attempt."""
    replies: tuple[str, ...]
    """Every text that came back, refusals included, first attempt first."""
    usage: dict[str, float]
    """Summed over the attempts."""
    model: str
    """The model that answered last, as resolved by the server."""
    seconds: float
    repeats: tuple[Answer, ...] = ()
    """The answers of which this is the mean, where the request was made repeatedly."""


def score_request(question: Question, name: str = "score") -> ScoreRequest:
    """Asks for one score on the question's scale, by the grammar of `parse_score`."""
    low, high = question.score_range
    return ScoreRequest(question, (name,), lambda reply: {name: parse_score(reply, low, high)}, for_score=True)


def ask(
    model: VisionLanguageModel, requests: Sequence[ScoreRequest], most_attempts: int = MOST_ATTEMPTS
) -> list[Answer]:
    """Asks until each request has an answer, and returns the answers in order.

    Replies that are unreadable, cut off or empty are asked again, all together, up to `most_attempts` times in all.
    Refusals and errors are final: the model has retried what can be retried. An expected score that the model computed
    from token probabilities refines the score that the text gives; without one in the text there is none.

    Args:
        model: It is asked everything that is open at once.
        requests: May be empty.
        most_attempts: At least 1.

    Raises:
        ModelUnusable: when the model can answer nothing at all.
    """
    replies: list[list[Reply]] = [[] for _ in requests]
    readings: dict[int, _ParsedReply] = {}
    pending = list(range(len(requests)))
    for attempt in range(most_attempts):
        if not pending:
            break
        asked = [requests[position].question for position in pending]
        for position, reply in zip(pending, _replies(model, asked, attempt), strict=True):
            replies[position].append(reply)
            readings[position] = _read(reply, requests[position])
        pending = [position for position in pending if readings[position].ask_again]
    return [_answer(readings[position], given) for position, given in enumerate(replies)]


def ask_repeatedly(model: VisionLanguageModel, requests: Sequence[ScoreRequest], repeats: int) -> list[Answer]:
    """Asks each request `repeats` times and returns the mean answers, in order.

    A question that is listed several times in one call is answered so often; servers do it in one request where they
    can. This is the one place that says how the failure of a repeat counts: repeats without values are left out of the
    mean of their request; where none has values, the answer has the status and the reason of the last repeat.
    """
    answers = ask(model, [request for request in requests for _ in range(repeats)])
    if repeats == 1:
        return answers
    return [_mean(answers[start : start + repeats]) for start in range(0, len(answers), repeats)]


@dataclass(frozen=True)
class _ParsedReply:
    status: Status
    values: dict[str, float] | None = None
    reason: str | None = None
    ask_again: bool = False


def _replies(model: VisionLanguageModel, questions: list[Question], attempt: int) -> list[Reply]:
    try:
        replies = model.ask(questions, attempt)
        if len(replies) != len(questions):
            raise ValueError(f"{type(model).__name__}.ask gave {len(replies)} replies to {len(questions)} questions")
    except ModelUnusable:
        raise
    except BaseException as error:  # a plug-in may fail in any way; one bad question must not cost its neighbours
        if not is_failure(error):
            raise
        logger.warning("%d questions to %s failed: %s", len(questions), type(model).__name__, reason_of(error))
        if len(questions) == 1:
            return [Reply(error=reason_of(error))]
        return [reply for question in questions for reply in _replies(model, [question], attempt)]
    return replies


def _read(reply: Reply, request: ScoreRequest) -> _ParsedReply:
    if reply.error is not None:
        return _ParsedReply(Status.JUDGE_FAILED, reason=without_addresses(reply.error))
    if reply.refusal is not None:
        return _ParsedReply(Status.REFUSED, reason=f"the judge refused: {reply.refusal}")
    if reply.finish_reason == "length":
        reason = "the reply was cut off at the token limit; raise max_new_tokens or max_tokens"
        return _ParsedReply(Status.JUDGE_FAILED, reason=reason, ask_again=True)
    if not reply.text.strip():
        return _ParsedReply(Status.JUDGE_FAILED, reason="the reply was empty", ask_again=True)
    try:
        values = dict(request.parse(reply.text))
    except UnparsableReply as error:
        return _ParsedReply(Status.UNPARSABLE, reason=str(error), ask_again=True)
    if reply.expected_score is not None and request.for_score:
        low, high = request.question.score_range
        if not low <= reply.expected_score <= high:  # NaN fails the comparison
            reason = f"the expected score {reply.expected_score:g} is outside {low:g}–{high:g}"
            return _ParsedReply(Status.JUDGE_FAILED, reason=reason)
        values = {request.names[0]: reply.expected_score}
    return _ParsedReply(Status.SCORED, values)


def _answer(reading: _ParsedReply, given: list[Reply]) -> Answer:
    return Answer(
        status=reading.status,
        values=reading.values,
        reason=reading.reason,
        replies=tuple(reply.text or reply.refusal or "" for reply in given if reply.error is None or reply.text),
        usage=total_usage(reply.usage for reply in given),
        model=next((reply.model for reply in reversed(given) if reply.model), ""),
        seconds=sum(reply.seconds for reply in given),
    )


def _mean(answers: list[Answer]) -> Answer:
    read = [answer.values for answer in answers if answer.values is not None]
    means = {name: _mean_value(name, read) for name in dict.fromkeys(chain.from_iterable(read))} if read else None
    return Answer(
        status=Status.SCORED if read else answers[-1].status,
        values=means,
        reason=None if read else answers[-1].reason,
        replies=tuple(reply for answer in answers for reply in answer.replies),
        usage=total_usage(answer.usage for answer in answers),
        model=answers[-1].model,
        seconds=sum(answer.seconds for answer in answers),
        repeats=tuple(answers),
    )


def _mean_value(name: str, read: Sequence[Mapping[str, float]]) -> float:
    """The mean of a value over the replies that give it: some forms leave a value out that does not apply."""
    given = [values[name] for values in read if name in values]
    return sum(given) / len(given)


def total_usage(usages: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Adds up several accounts of usage, name by name."""
    total: Counter[str] = Counter()
    for usage in usages:
        total.update(usage)
    return dict(total)
