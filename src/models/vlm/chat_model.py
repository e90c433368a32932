"""`ChatModel`: a model behind OpenAI's chat-completions protocol — GPT-4o, vLLM, `transformers serve` …"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Hashable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from typing import Any, ClassVar

from src.errors import ModelError
from src.models.base import BaseModel
from src.models.http.loop_thread import LoopThread
from src.models.vlm.chat_client import ChatClient
from src.models.vlm.chat_params import ChatParams
from src.models.vlm.image_encoder import LOSSLESS, ImageEncoder, ImagePolicy
from src.models.vlm.question import Delivery, Question, Reply
from src.models.vlm.vision_language_model import VisionLanguageModel


class ChatModel(VisionLanguageModel, BaseModel):
    """Asks many questions at once, as many as the server bears.

    A rate limit, a server error, a lost or silent connection and an unreadable or empty answer are tried again with
    growing pauses, at most `max_retries` times a question; after that the reply has an `error`. Proxies are those of
    the environment (HTTPS_PROXY, NO_PROXY …).

    Raises:
        ModelError: on construction, when OpenAI's own server is meant and the environment holds no key.
    """

    Params = ChatParams

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = BaseModel.NOT_IN_IDENTITY | {
        "api_key_env",
        "timeout",
        "max_reply_bytes",
        "max_retries",
        "max_wait",
        "min_concurrency",
        "start_concurrency",
        "max_concurrency",
        "price_per_million_prompt_tokens",
        "price_per_million_completion_tokens",
        "prices_as_of",
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

    @classmethod
    def stated_usage(cls, params: dict[str, Any]) -> frozenset[str]:
        """Names the amounts that every reply states: calls and tokens, and with prices the cost."""
        priced = cls.Params(**params).price_per_million_prompt_tokens is not None
        return frozenset({"calls", "prompt_tokens", "completion_tokens"} | ({"cost"} if priced else set()))

    def _initialize(self) -> None:
        self.check_ready(self.config)
        params = self.params
        self.max_concurrency: int = params.max_concurrency
        self._images = ImageEncoder(ImagePolicy(params.image_max_side, params.image_format, params.image_quality))
        self._client = ChatClient(params, os.environ.get(params.api_key_env, ""))
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
                policy = _policy(question.delivery)
                urls = [self._images.data_url(labelled.image, policy) for labelled in question.images]
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

    def seconds_to_wait(self) -> float:
        """Seconds of the longest pause that the server has asked for, as far as it is not over."""
        return self._client.pauses.seconds_left()

    def stop_waiting(self) -> None:
        """Breaks off the pauses between tries: `ask` raises `WaitBrokenOff` where a question is in one."""
        self._loop.submit(self._client.break_off_pauses())


def _words_and_images(question: Question) -> Hashable:
    shown = tuple((labelled.label, id(labelled.image)) for labelled in question.images)
    words = (question.system_prompt, question.text, json.dumps(question.schema, default=dict))
    return words, shown, question.score_range, question.delivery


def _policy(delivery: Delivery | None) -> ImagePolicy | None:
    """How the images of a question are encoded; None where that is the model's own setting."""
    if delivery is None:
        return None
    return ImagePolicy(max_side=None, format=delivery.image_format, quality=delivery.image_quality or LOSSLESS)
