"""A scorer's JSON schema on its way through the API judge: enforced by the server, or given up for plain text."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import json
from typing import Any

import pytest
from PIL import Image

from src.config import ModelConfig
from src.data.image import LazyImage
from src.data.sample import EditSample
from src.data.verdict import Status, Verdict
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.judged_scorer import JudgedScorer, JudgePrompt
from src.rewards.core.scorer import EditedSample, ScorerSetting
from tests.api_judge import Make, judge, server  # noqa: F401 (fixtures)
from tests.chat_server import Answer, ChatServer, completion, failure
from tests.conftest import png

SCHEMA = {
    "type": "object",
    "properties": {"change": {"type": "number"}, "rest": {"type": "number"}},
    "required": ["change", "rest"],
}


class ChangeAndRest(JudgedScorer):
    """The smallest scorer with a schema."""

    def judge_prompts(self, sample: EditSample) -> list[JudgePrompt]:
        text = f"Rate both for: {sample.instruction}"
        return [JudgePrompt("You judge.", text, "test 1", ("change", "rest"), schema=SCHEMA)]

    def conclude(self, edit: EditedSample, values: dict[str, float]) -> tuple[float, dict[str, float | None]]:
        return min(values.values()), dict(values)


def verdict(url: str, **params: Any) -> Verdict:
    config = ModelConfig(
        class_path="src.models.reward.implementations.openai_reward.OpenAIRewardModel",
        params={"model": "judge", "base_url": url, "temperature": 1.0},
    )
    scorer = ChangeAndRest(params, ScorerSetting(JudgeHandle(config)))
    scorer.load()
    sample = EditSample("a", 0, "物理", "make it red", "", LazyImage.from_bytes(png()))
    (result,) = scorer.score([EditedSample(sample, Image.new("RGB", (8, 8)), Image.new("RGB", (8, 8), "red"))])
    return result


def test_a_scorers_schema_reaches_the_server_and_its_json_becomes_a_verdict(judge: Make, server: ChatServer) -> None:
    server.play(Answer(completion(json.dumps({"change": 8, "rest": 6.5}))))
    given = verdict(server.url)
    assert (given.status, given.score, given.dimensions) == (Status.SCORED, 6.5, {"change": 8.0, "rest": 6.5})
    assert server.requests[0]["response_format"]["json_schema"]["schema"] == SCHEMA


@pytest.mark.parametrize("text", ['```json\n{"change": 8, "rest": 6.5}\n```', "change: 8\nrest: 6.5"])
def test_where_the_server_refuses_schemas_the_verdict_comes_from_plain_text(
    judge: Make, server: ChatServer, text: str
) -> None:
    refusal = failure(400, "response_format is not supported")
    server.script = lambda body, number: refusal if "response_format" in body else Answer(completion(text))
    given = verdict(server.url)
    assert (given.status, given.score) == (Status.SCORED, 6.5)
    assert given.usage["calls"] == 2


def test_repeats_with_a_schema_are_one_request_and_one_mean(judge: Make, server: ChatServer) -> None:
    answers = [completion(json.dumps({"change": 8, "rest": rest})) for rest in (4, 6)]
    server.play(Answer(answers[0] | {"choices": [answer["choices"][0] for answer in answers]}))
    given = verdict(server.url, repeats=2)
    assert (given.score, given.dimensions["rest"]) == (5.0, 5.0)
    assert (len(server.requests), given.usage["prompt_tokens"]) == (1, 100)


def test_a_schema_that_was_cut_off_everywhere_is_a_failure_and_no_number(judge: Make, server: ChatServer) -> None:
    server.play(Answer(completion('{"change": 8, "re', finish="length")))
    given = verdict(server.url)
    assert (given.status, given.score) == (Status.JUDGE_FAILED, None)
