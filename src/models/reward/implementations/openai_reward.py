"""`OpenAIRewardModel`: a judge behind OpenAI's chat-completions protocol — GPT-4o, vLLM, `transformers serve` …"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Hashable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

import pydantic

from src.errors import ModelError
from src.models.base import ModelParams
from src.models.http.adaptive_limit import AdaptiveLimit
from src.models.http.answer_limits import TEXT_BYTES
from src.models.http.loop_thread import LoopThread
from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.chat_client import ChatClient
from src.models.vlm.chat_completion import Dialect
from src.models.vlm.image_encoder import ImageEncoder, ImagePolicy
from src.models.vlm.question import Question, Reply


class OpenAIRewardModel(VisionLanguageJudge):
    """Asks many questions at once, as many as the server bears.

    A rate limit, a server error, a lost or silent connection and an unreadable or empty answer are tried again with
    growing pauses, at most `max_retries` times a question; after that the reply has an `error`. Proxies are those of
    the environment (HTTPS_PROXY, NO_PROXY …).

    Raises:
        ModelError: on construction, when OpenAI's own server is meant and the environment holds no key.
    """

    class Params(ModelParams):
        """The key itself is no parameter: it comes from the environment only."""

        model: str = "gpt-4o"
        base_url: str | None = pydantic.Field(default_factory=lambda: os.environ.get("OPENAI_BASE_URL") or None)
        """Such as `http://127.0.0.1:8000/v1`; None is OPENAI_BASE_URL where that is set, else OpenAI's own."""
        api_key_env: str = "OPENAI_API_KEY"
        """The environment variable that holds the key; it may be unset for a `base_url` that wants no key."""
        compare_with_original: bool = True
        """Show the source image before the edited one."""
        compare_with_reference: bool = True
        """Show the reference image, where there is one, after the edit, to rubrics that speak of it."""
        max_tokens: int = pydantic.Field(1024, ge=1)
        """Longest reply, in tokens; a longer one is cut off and counts as failed."""
        max_reply_bytes: int = pydantic.Field(TEXT_BYTES, ge=1000)
        """A longer answer of the server is not read to its end, and its question fails; log-probabilities have room
        of their own."""
        temperature: float | None = pydantic.Field(0.0, ge=0)
        """None leaves it to the server, for models that refuse a value."""
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
        min_concurrency: int = pydantic.Field(1, ge=1)
        start_concurrency: int = pydantic.Field(10, ge=1)
        """Requests at once in the beginning; it grows while all goes well and shrinks on rate limits."""
        max_concurrency: int = pydantic.Field(32, ge=1)
        price_per_million_prompt_tokens: float | None = pydantic.Field(None, ge=0)
        price_per_million_completion_tokens: float | None = pydantic.Field(None, ge=0)
        """With both prices, each reply's usage has a `cost`, in the currency of the prices."""

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

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = VisionLanguageJudge.NOT_IN_IDENTITY | {
        "api_key_env",
        "timeout",
        "max_reply_bytes",
        "max_retries",
        "min_concurrency",
        "start_concurrency",
        "max_concurrency",
        "price_per_million_prompt_tokens",
        "price_per_million_completion_tokens",
    }

    @classmethod
    def check_ready(cls, params: dict[str, Any]) -> None:
        """Raises `ModelError` when OpenAI's own server is meant and the environment holds no key."""
        checked = cls.Params(**params)
        if checked.base_url is None and not os.environ.get(checked.api_key_env):
            raise ModelError(
                f"{checked.model} needs a key: set the environment variable {checked.api_key_env} "
                "(or base_url, for a server of your own)"
            )

    def _initialize(self) -> None:
        self.check_ready(self.config)
        params = self.params
        key = os.environ.get(params.api_key_env, "")
        self.max_concurrency: int = params.max_concurrency
        self._images = ImageEncoder(ImagePolicy(params.image_max_side, params.image_format, params.image_quality))
        start = min(max(params.min_concurrency, params.start_concurrency), params.max_concurrency)
        limit = AdaptiveLimit(params.min_concurrency, start, params.max_concurrency)
        logprobs = params.score_mode == "expected"
        dialect = Dialect(params.structured_output, logprobs=logprobs, max_tokens=params.max_tokens)
        self._client = ChatClient(params, key, limit, dialect)
        self._loop = LoopThread(f"judge {params.model}", self._client.close)

    def ask(self, questions: Sequence[Question], attempt: int = 0) -> list[Reply]:
        """Answers each question, in order; may be called by several threads at once, which share the limit.

        Args:
            questions: Each goes out as soon as its images are encoded and the limit allows it. One that occurs several
                times (the same words about the same image objects) goes out once, with `n`, where the server bears it.
            attempt: Added to the seed, where there is one.

        Raises:
            ModelUnusable: the key is refused, the model unknown, the account empty, or `structured_output: on` refused.
        """
        groups: defaultdict[Hashable, list[int]] = defaultdict(list)
        for place, question in enumerate(questions):
            groups[_words_and_images(question)].append(place)
        asked: list[Future[list[Reply]]] = []
        try:
            for places in groups.values():
                question = questions[places[0]]
                urls = [self._images.data_url(labelled.image) for labelled in question.images]
                asked.append(self._loop.submit(self._client.answer(question, urls, attempt, len(places))))
            for answered in wait(asked, return_when=FIRST_EXCEPTION).done:
                answered.result()
            grouped = zip(groups.values(), asked, strict=True)
            replies = {
                place: reply for places, future in grouped for place, reply in zip(places, future.result(), strict=True)
            }
            return [replies[place] for place in range(len(questions))]
        finally:
            for future in asked:
                future.cancel()


def _words_and_images(question: Question) -> Hashable:
    shown = tuple((labelled.label, id(labelled.image)) for labelled in question.images)
    return question.system_prompt, shown, question.text, json.dumps(question.schema, default=dict), question.score_range
