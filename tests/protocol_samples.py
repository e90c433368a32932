"""Samples and a judge behind a server, for tests of published protocols."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from src.config import ModelConfig
from src.data.image import LazyImage
from src.data.sample import EditSample
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import EditedSample, ScorerSetting
from src.rewards.scorers.protocol import ProtocolScorer
from tests.chat_server import Answer, ChatServer, completion

JUDGE = "src.models.reward.implementations.openai_reward.OpenAIRewardModel"


def picture(color: str, size: tuple[int, int] = (16, 12)) -> Image.Image:
    """A picture with an edge in it: a codec or a resize leaves a trace."""
    image = Image.new("RGB", size, color)
    image.paste("white", (0, 0, size[0] // 2, size[1] // 3))
    return image


def lazy(image: Image.Image) -> LazyImage:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return LazyImage.from_bytes(buffer.getvalue())


SOURCE, EDITED, REFERENCE = picture("red"), picture("blue", (20, 20)), picture("green")


def sample(category: str = "style", instruction: str = "Make it blue.", **changes: Any) -> EditSample:
    return EditSample("s1", 0, category, instruction, "", lazy(SOURCE), **changes)


def edit(of: EditSample, edited: Image.Image = EDITED) -> EditedSample:
    return EditedSample(of, SOURCE, edited)


def protocol_scorer(protocol: str, judge: dict[str, Any] | None = None, **params: Any) -> ProtocolScorer:
    """The scorer, with a judge of these params; loaded if the judge has an address."""
    handle = JudgeHandle(ModelConfig(class_path=JUDGE, params=judge or {"base_url": "http://127.0.0.1:9/v1"}))
    scorer = ProtocolScorer({"protocol": protocol, **params}, ScorerSetting(handle))
    if judge and "base_url" in judge:
        scorer.load()
    return scorer


def replies(server: ChatServer, by_word: dict[str, str | list[str]]) -> None:
    """The server answers a question by the word that it holds; a list has a reply for each attempt."""

    def script(body: dict[str, Any], number: int) -> Answer:
        words = "\n".join(part["text"] for part in body["messages"][-1]["content"] if part["type"] == "text")
        said = next(said for word, said in by_word.items() if word in words)
        return Answer(completion(said if isinstance(said, str) else said[min(number, len(said) - 1)]))

    server.script = script
