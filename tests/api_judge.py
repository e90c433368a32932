"""The API judge and the server that it asks, for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from src.models.http import retries
from src.models.reward.implementations.openai_reward import OpenAIRewardModel
from src.models.vlm.question import LabelledImage, Question
from tests.chat_server import Answer, ChatServer, chat_server, failure

KEY = "sk-very-secret-key"
SCHEMA = {"type": "object", "properties": {"score": {"type": "number"}}, "required": ["score"]}
Make = Callable[..., OpenAIRewardModel]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


@pytest.fixture
def judge(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a judge that asks the server; arguments are its params."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(retries, "LONGEST_WAIT", 0.05)
    return lambda **params: OpenAIRewardModel({"model": "judge", "base_url": server.url, "timeout": 20, **params})


def question(text: str = "How good?", *colors: str, **changes: Any) -> Question:
    images = tuple(LabelledImage(f"{color}:", Image.new("RGB", (16, 16), color)) for color in colors)
    return Question("You judge edits.", images, text, **changes)


def picky(word: str, status: int = 400) -> Callable[[dict[str, Any], int], Answer]:
    """A server that refuses requests with this field."""
    return lambda body, number: failure(status, f"unsupported: {word}") if word in body else Answer()
