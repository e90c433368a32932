"""`ChatClient`: one endpoint, one connection pool, one limit; a question goes in, a reply or a reason comes out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

from src.errors import ModelUnusable
from src.models.http.adaptive_limit import AdaptiveLimit, AdaptiveSemaphore
from src.models.http.answer_limits import AnswerTooLong
from src.models.http.api_errors import UNUSABLE, APIFailure, FailureKind, failure_of
from src.models.http.openai_service import OpenAIService
from src.models.http.pace import Pace
from src.models.http.pauses import Pauses
from src.models.http.retries import Retries
from src.models.vlm.chat_completion import (
    ChatCompletion,
    Choice,
    Dialect,
    messages_of,
    read_completion,
    sampling_settings,
)
from src.models.vlm.chat_params import ChatParams
from src.models.vlm.expected_score import expected_score
from src.models.vlm.question import Question, Reply, Sampling

logger = logging.getLogger(__name__)

_NO_KEY = "none"
_LONGEST_REASON = 500
_LOGPROB_BYTES = 4096
"""Room for one token with its alternatives: each has about 80 bytes, and JSON may write every character as six."""
_SEEDS_OF_A_REPEAT = 1000
"""Attempts take the seeds in between, so that no re-asked repeat draws like its neighbour. Of a protocol's own seeds,
repeats take those in between."""


class ChatClient:
    """Asks one model over HTTP; all its coroutines belong to one event loop.

    A question that waits for its next try still counts as one of the concurrent requests: a server in trouble is asked
    less, and questions that have not been asked yet lose none of their retries to it.
    """

    def __init__(self, params: ChatParams, key: str) -> None:
        """Makes the connection pool; an empty key is for servers that want none."""
        import openai

        from src.models.http.bounded_client import BoundedAsyncClient

        expected = params.score_mode == "expected"
        longest = params.max_reply_bytes + (_LOGPROB_BYTES * params.max_tokens if expected else 0)
        start = min(max(params.min_concurrency, params.start_concurrency), params.max_concurrency)
        self._params = params
        self._client = openai.AsyncOpenAI(
            api_key=key or _NO_KEY,
            base_url=params.base_url,
            timeout=params.timeout,
            max_retries=0,
            http_client=BoundedAsyncClient(longest, params.timeout),
        )
        address = str(self._client.base_url)
        self._service = OpenAIService(address, key, params.api_key_env, params.model, "reward_model")
        self._limit = AdaptiveLimit(params.min_concurrency, start, params.max_concurrency)
        self._semaphore = AdaptiveSemaphore(self._limit)
        self._dialect = Dialect(params.structured_output, logprobs=expected, max_tokens=params.max_tokens)
        self._unusable: str | None = None
        self.pauses = Pauses()
        self._pace = Pace(self.pauses)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def break_off_pauses(self) -> None:
        """Ends the pauses between tries that are under way."""
        self.pauses.break_off()

    async def answer(self, question: Question, data_urls: list[str], attempt: int, repeats: int = 1) -> list[Reply]:
        """`repeats` independent replies to one question; one that failed after all retries has an error.

        They are asked for in one request, whose account is that of the first reply. What it does not bring (a server
        may refuse `n`, ignore it, or leave one answer empty) is asked for in single requests.

        Raises:
            ModelUnusable: no question can be answered; every later call raises it too, without a request.
            WaitBrokenOff: the question was in a pause between two tries when those were broken off.
        """
        body: dict[str, Any] = {"model": self._params.model, "messages": messages_of(question, data_urls)}
        sampling = question.delivery.sampling if question.delivery else None
        body |= sampling_settings(sampling or Sampling(self._params.temperature, None))
        has_seeds = sampling is not None and sampling.seed is not None
        if repeats == 1 or has_seeds or not self._dialect.several:
            return await self._one_by_one(question, body, attempt, range(repeats))
        together, usage = await self._ask(question, body | {"n": repeats} | self._seed(question, attempt, 0))
        missing = [place for place in range(repeats) if place not in together]
        singles = await self._one_by_one(question, body, attempt, missing)
        if not together and any(reply.error is None for reply in singles):
            self._dialect.ask_singly()
        replies = together | dict(zip(missing, singles, strict=True))
        first = replies[0]
        total = {name: amount + first.usage.get(name, 0.0) for name, amount in usage.items()}
        return [replace(first, usage=total), *(replies[place] for place in range(1, repeats))]

    async def _one_by_one(
        self, question: Question, body: dict[str, Any], attempt: int, places: Iterable[int]
    ) -> list[Reply]:
        """A request for each of these places among the repeats, all at once."""
        seeds = [self._seed(question, attempt, place) for place in places]
        asked = await asyncio.gather(*(self._ask(question, body | seed) for seed in seeds))
        return [replace(replies[0], usage=usage) for replies, usage in asked]

    def _seed(self, question: Question, attempt: int, place: int) -> dict[str, Any]:
        """The seed of one repeat: of a protocol's own seeds, the next one for each repeat."""
        sampling = question.delivery.sampling if question.delivery else None
        if sampling is not None and sampling.seed is not None:
            return {"seed": sampling.seed + place + _SEEDS_OF_A_REPEAT * attempt}
        seed = self._params.seed
        return {} if seed is None else {"seed": seed + attempt + _SEEDS_OF_A_REPEAT * place}

    async def _ask(self, question: Question, body: dict[str, Any]) -> tuple[dict[int, Reply], dict[str, float]]:
        """What one request brought, by place among the repeats, and the account of all its tries."""
        usage: dict[str, float] = {"calls": 0, "prompt_tokens": 0, "completion_tokens": 0}
        async with self._semaphore:
            replies = await self._persist(question, body, usage)
        return replies, self._with_cost(usage)

    def _with_cost(self, usage: dict[str, float]) -> dict[str, float]:
        prompt_price = self._params.price_per_million_prompt_tokens
        completion_price = self._params.price_per_million_completion_tokens
        if prompt_price is None or completion_price is None:
            return usage
        cost = usage["prompt_tokens"] * prompt_price + usage["completion_tokens"] * completion_price
        return usage | {"cost": cost / 1e6}

    async def _persist(self, question: Question, body: dict[str, Any], usage: dict[str, float]) -> dict[int, Reply]:
        """Tries until there are replies or the retries are spent; adds what each request cost to `usage`.

        The replies share the seconds of all tries; pauses between them are not the judge's time. No reply at all comes
        of a request for several answers that the server rejects.
        """
        repeats, retries = body.get("n", 1), Retries(self._params.max_retries, self._params.max_wait)
        tries, asked = 0, 0.0
        while True:
            tries += 1
            sent = await self._pace.turn()
            try:
                replies = await self._try(question, body, usage)
            except APIFailure as failure:
                if failure.kind is FailureKind.QUESTION and repeats > 1:
                    return {}
                self._slow_down(failure, sent)
                try:
                    seconds = retries.pause(self._reported(failure))
                except APIFailure as last:
                    replies = dict.fromkeys(range(repeats), self._last_word(last))
                else:
                    logger.debug("try %d failed, the next in %.1f s: %s", tries, seconds, failure.kind.name)
                    asked += time.monotonic() - sent
                    await self.pauses.wait(seconds, asked_for=failure.retry_after is not None)
                    continue
            else:
                self._limit.record_success(self._semaphore.in_use)
                self._pace.record_answer()
            each = (asked + time.monotonic() - sent) / len(replies)
            return {place: replace(reply, seconds=each) for place, reply in replies.items()}

    async def _try(self, question: Question, body: dict[str, Any], usage: dict[str, float]) -> dict[int, Reply]:
        """One try; a request that is refused for an optional part is sent again without it.

        Raises:
            APIFailure: no reply this time.
            ModelUnusable: no reply ever.
        """
        while True:
            if self._unusable is not None:
                raise ModelUnusable(self._unusable)
            options = self._dialect.options(question)
            usage["calls"] += 1
            try:
                completion = await self._send(body | options)
            except APIFailure as failure:
                complaint = self._service.redacted(str(failure))
                if failure.kind is FailureKind.QUESTION and self._dialect.adapt(complaint, options):
                    continue
                raise
            if completion.usage is not None:
                usage["prompt_tokens"] += completion.usage.prompt_tokens or 0
                usage["completion_tokens"] += completion.usage.completion_tokens or 0
            repeats = body.get("n", 1)
            if len(completion.choices) < repeats:
                self._dialect.ask_singly()
            return _replies(completion, question, repeats, self._params.score_mode)

    async def _send(self, body: dict[str, Any]) -> ChatCompletion:
        import openai

        try:
            async with asyncio.timeout(self._params.timeout):  # the client's own timeout starts anew with every byte
                # `chat.completions.create` walks through every message again, which costs as much as all the rest.
                text = await self._client.post("/chat/completions", cast_to=str, body=body)
        except TimeoutError:
            raise APIFailure(FailureKind.PASSING, f"no answer within {self._params.timeout:g} s") from None
        except AnswerTooLong as error:
            raise APIFailure(
                FailureKind.QUESTION, f"{error}; a longer one needs reward_model.params.max_reply_bytes"
            ) from None
        except openai.APIError as error:
            raise failure_of(error) from None
        return read_completion(text)

    def _slow_down(self, failure: APIFailure, sent: float) -> None:
        if failure.kind is FailureKind.RATE_LIMITED:
            self._limit.record_rate_limit(failure.retry_after)
            if failure.retry_after and failure.retry_after <= self._params.max_wait:
                self._pace.record_rate_limit(sent, failure.retry_after)
        elif failure.kind is FailureKind.PASSING:
            self._limit.record_failure()

    def _reported(self, failure: APIFailure) -> APIFailure:
        """The failure as others may read it: without the key, and not too long."""
        text = self._service.redacted(str(failure))[:_LONGEST_REASON]
        return APIFailure(failure.kind, text, failure.retry_after)

    def _last_word(self, failure: APIFailure) -> Reply:
        """The reply to a question that is not asked again.

        Raises:
            ModelUnusable: no other question would be answered either.
        """
        if failure.kind in UNUSABLE:
            self._unusable = self._service.remedy(failure)
            raise ModelUnusable(self._unusable)
        return Reply(refusal=str(failure)) if failure.kind is FailureKind.REFUSED else Reply(error=str(failure))


def _replies(
    completion: ChatCompletion, question: Question, repeats: int, score_mode: Literal["text", "expected"]
) -> dict[int, Reply]:
    """The answers by place, at most `repeats`; an empty one is left out.

    Raises:
        APIFailure: there is none.
    """
    read = [_reply(choice, completion.model or "", question, score_mode) for choice in completion.choices[:repeats]]
    replies = {place: reply for place, reply in enumerate(read) if reply is not None}
    if not replies:
        reasons = ", ".join(str(choice.finish_reason) for choice in completion.choices)
        raise APIFailure(
            FailureKind.PASSING, f"the answer is empty (finish_reason {reasons})" if reasons else "there is no answer"
        )
    return replies


def _reply(choice: Choice, model: str, question: Question, score_mode: Literal["text", "expected"]) -> Reply | None:
    text, finish = choice.message.content or "", choice.finish_reason
    if choice.message.refusal or finish == "content_filter":
        refusal = choice.message.refusal or text or "stopped by the content filter"
        return Reply(refusal=refusal, finish_reason=finish, model=model)
    if not text.strip() and finish != "length":
        return None
    # Some servers give log-probabilities unasked.
    tokens = choice.logprobs.content if choice.logprobs and score_mode == "expected" else None
    score = expected_score(tokens, *question.score_range, text) if tokens else None
    return Reply(text=text, finish_reason=finish, expected_score=score, model=model)
