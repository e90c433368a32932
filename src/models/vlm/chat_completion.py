"""The chat-completions protocol: what is sent, what a server may refuse of it, what comes back."""

from __future__ import annotations

import logging
from typing import Annotated, Any, Literal, cast

import pydantic

from src.errors import ModelUnusable
from src.models.http.api_errors import APIFailure, FailureKind
from src.models.vlm.question import Question, Sampling

logger = logging.getLogger(__name__)

TOP_LOGPROBS = 20
"""Alternatives per token that are asked for: the most that OpenAI gives."""

_ROUNDING = 1e-3
"""How far above 0 the logarithm of a probability may come by a server's arithmetic."""


class _ServerObject(pydantic.BaseModel):
    """A JSON object of a server; fields that servers add on their own are ignored."""

    model_config = pydantic.ConfigDict(extra="ignore", frozen=True)


class Alternative(_ServerObject):
    """A token that the model might have chosen, with its log-probability."""

    token: str
    logprob: float = pydantic.Field(le=_ROUNDING)
    utf8: list[Annotated[int, pydantic.Field(ge=0, le=255)]] | None = pydantic.Field(None, alias="bytes")

    @property
    def data(self) -> bytes:
        """The token in UTF-8; a token may hold a part of a character only."""
        return self.token.encode() if self.utf8 is None else bytes(self.utf8)


class Token(Alternative):
    """The token that was chosen, and what else might have been."""

    top_logprobs: list[Alternative] = []


class _Logprobs(_ServerObject):
    content: list[Token] | None = None


class Message(_ServerObject):
    """The message of the model in one choice."""

    content: str | None = None
    refusal: str | None = None


class Choice(_ServerObject):
    """One of the answers that a response holds."""

    message: Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None

    @pydantic.field_validator("logprobs", mode="wrap")
    @classmethod
    def _possible(cls, given: Any, read: pydantic.ValidatorFunctionWrapHandler) -> _Logprobs | None:
        """Log-probabilities that no token can have are none: the answer beside them may be sound."""
        try:
            return cast("_Logprobs | None", read(given))
        except pydantic.ValidationError:
            return None


MOST_TOKENS = 10**9


class Usage(_ServerObject):
    """The token account of one request."""

    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0

    @pydantic.field_validator("prompt_tokens", "completion_tokens")
    @classmethod
    def _possible(cls, tokens: int | None) -> int | None:
        """A number that no request can have is none: the answer beside it may be sound."""
        return tokens if tokens is not None and 0 <= tokens <= MOST_TOKENS else None


class ChatCompletion(_ServerObject):
    """The body of a response of `/chat/completions`."""

    choices: list[Choice]
    model: str | None = None
    usage: Usage | None = None


def read_completion(data: str) -> ChatCompletion:
    """Reads a response body.

    Raises:
        APIFailure: it is no JSON, or not of this protocol.
    """
    try:
        return ChatCompletion.model_validate_json(data)
    except pydantic.ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in detail["loc"])
        text = f"the server's answer is no chat completion: {where or 'body'}: {detail['msg']}"
        raise APIFailure(FailureKind.PASSING, text) from None


def messages_of(question: Question, data_urls: list[str]) -> list[dict[str, Any]]:
    """System prompt, each image after its label, then the text, or the text first; empty parts are left out."""
    delivery = question.delivery
    detail = {"detail": delivery.detail} if delivery and delivery.detail else {}
    images: list[dict[str, Any]] = []
    for labelled, url in zip(question.images, data_urls, strict=True):
        if labelled.label:
            images.append({"type": "text", "text": labelled.label})
        images.append({"type": "image_url", "image_url": {"url": url, **detail}})
    text = [{"type": "text", "text": question.text}] if question.text or delivery is None else []
    content = [*text, *images] if delivery and delivery.text_first else [*images, *text]
    system = [{"role": "system", "content": question.system_prompt}] if question.system_prompt else []
    return [*system, {"role": "user", "content": content}]


def sampling_settings(sampling: Sampling) -> dict[str, Any]:
    """The fields of a request that say how a reply is drawn, as far as they are set; limit and seed are not here."""
    named = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
    return {name: value for name, value in named.items() if value is not None}


class Dialect:
    """The optional parts of a request that a server accepts: all, until it refuses one.

    What is refused is left out from then on, with one warning; `max_tokens` is called `max_completion_tokens` where
    the server wants that.
    """

    def __init__(self, structured_output: Literal["auto", "on", "off"], *, logprobs: bool, max_tokens: int) -> None:
        self._structured = structured_output != "off"
        self._must_be_structured = structured_output == "on"
        self._logprobs = logprobs
        self._max_tokens = max_tokens
        self._max_tokens_name = "max_tokens"
        self.several = True
        """Whether to ask for several answers with one request (`n`)."""

    def options(self, question: Question) -> dict[str, Any]:
        """Returns the parts to send with this question."""
        sampling = question.delivery.sampling if question.delivery else None
        max_tokens = sampling.max_tokens if sampling else self._max_tokens
        options: dict[str, Any] = {} if max_tokens is None else {self._max_tokens_name: max_tokens}
        if self._structured and question.schema is not None:
            schema = {"name": "answer", "schema": dict(question.schema), "strict": True}
            options["response_format"] = {"type": "json_schema", "json_schema": schema}
        if self._logprobs:
            options |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        return options

    def adapt(self, complaint: str, sent: dict[str, Any]) -> bool:
        """Leaves out what the server's complaint names; False when it names nothing that was sent.

        Raises:
            ModelUnusable: structured output is a must, and refused.
        """
        if "response_format" in sent and "response_format" in complaint:
            if self._must_be_structured:
                raise ModelUnusable(f"structured_output is on, but refused; set it to auto: {complaint}")
            if self._structured:
                logger.warning("the server refuses response_format; answers come as plain text")
            self._structured = False
        elif "logprobs" in sent and "logprobs" in complaint:
            if self._logprobs:
                logger.warning("the server refuses logprobs; there are no expected scores")
            self._logprobs = False
        elif "max_tokens" in sent and "max_completion_tokens" in complaint:
            self._max_tokens_name = "max_completion_tokens"
        else:
            return False
        return True

    def ask_singly(self) -> None:
        """Sends repeats of a question as requests of their own from now on."""
        if self.several:
            logger.warning("the server gives fewer answers than `n` asks for; repeats are sent one by one")
        self.several = False
