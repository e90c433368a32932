"""`ChatParams`: what can be set of a conversation with a server of OpenAI's chat-completions protocol."""

from __future__ import annotations

import datetime
import os
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import pydantic

from src.models.base import ModelParams
from src.models.http.answer_limits import TEXT_BYTES
from src.models.http.retries import LONGEST_RETRY_AFTER


class ChatParams(ModelParams):
    """Server, model, replies and patience. The key is no parameter: it comes from the environment only."""

    model: str = "gpt-4o"
    base_url: str | None = pydantic.Field(default_factory=lambda: os.environ.get("OPENAI_BASE_URL") or None)
    """The server, as `http://127.0.0.1:8000/v1`; None is OPENAI_BASE_URL where that is set, else OpenAI's own."""
    api_key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; it may be unset for a `base_url` that wants no key."""
    max_tokens: int = pydantic.Field(1024, ge=1)
    """Longest reply, in tokens; a longer one is cut off and counts as failed."""
    max_reply_bytes: int = pydantic.Field(TEXT_BYTES, ge=1000)
    """A longer answer of the server is not read to its end, and its question fails; log-probabilities have room
    of their own."""
    temperature: float | None = pydantic.Field(0.0, ge=0)
    """Sampling temperature; None leaves it to the server, for models that refuse a value."""
    seed: int | None = None
    """Sampling seed; a re-asked question takes the next one. None sends none."""
    structured_output: Literal["auto", "on", "off"] = "auto"
    """JSON by schema, for questions that have one. `auto`: plain text once the server has refused it."""
    score_mode: Literal["text", "expected"] = "text"
    """`expected` asks for log-probabilities and sets `expected_score`, None where the server gives none."""
    image_max_side: int | None = pydantic.Field(1024, ge=8)
    """Pixels; larger images are scaled down before they are sent. None sends them as they are."""
    image_format: Literal["png", "jpeg"] = "png"
    image_quality: int = pydantic.Field(90, ge=1, le=100)
    """JPEG quality."""
    timeout: float = pydantic.Field(120.0, gt=0)
    """Seconds for one try, from sending to the last byte."""
    max_retries: int = pydantic.Field(8, ge=0, le=20)
    """Further tries of a question; the default outlives a server that is gone for a minute."""
    max_wait: float = pydantic.Field(LONGEST_RETRY_AFTER, ge=0)
    """Seconds: the longest pause that the server may ask for by `Retry-After`, and the sum of those that it asks of one
    question by "too many requests" (429). They are waited for, and take none of `max_retries`; a server that asks for
    more gets no further try of that question."""
    min_concurrency: int = pydantic.Field(1, ge=1)
    start_concurrency: int = pydantic.Field(10, ge=1)
    """Requests at once in the beginning; it grows while all goes well and shrinks on rate limits."""
    max_concurrency: int = pydantic.Field(32, ge=1)
    price_per_million_prompt_tokens: float | None = pydantic.Field(None, ge=0)
    price_per_million_completion_tokens: float | None = pydantic.Field(None, ge=0)
    """Where both prices are given, each reply's usage has a `cost` in their currency."""
    prices_as_of: datetime.date | None = None
    """The day on which the prices were written down, as `2026-01-31`; `check` says it with what a run will cost."""

    @pydantic.field_validator("structured_output", mode="before")
    @classmethod
    def _undo_yaml_booleans(cls, value: Any) -> Any:
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else value  # YAML reads on as true

    @pydantic.field_validator("base_url")
    @classmethod
    def _check_address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://")
        if parts.scheme not in ("http", "https"):
            raise ValueError("must begin with http:// or https://")
        if "@" in parts.netloc or parts.query:
            raise ValueError(
                "must hold no credentials and no query; the key goes into the variable that api_key_env names"
            )
        return value

    @pydantic.model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if not self.min_concurrency <= self.max_concurrency:
            raise ValueError("min_concurrency must not exceed max_concurrency")
        if (self.price_per_million_prompt_tokens is None) != (self.price_per_million_completion_tokens is None):
            raise ValueError("set both prices or none")
        return self
