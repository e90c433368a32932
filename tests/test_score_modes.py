"""Text mode and expected mode read a reply by one grammar: they agree on whether there is a score, whoever judges."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.data.verdict import Status
from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.asking import Answer, ask, score_request
from src.models.vlm.grammar.parsing import UnparsableReply, parse_score
from tests.api_judge import Make, judge, server  # noqa: F401 (fixtures)
from tests.api_judge import question as api_question
from tests.chat_server import Answer as Sent
from tests.chat_server import ChatServer, completion
from tests.tiny_judges import dictated, ids, qwen3_folder  # noqa: F401 (fixture)
from tests.tiny_judges import judge as local_judge
from tests.tiny_judges import question as local_question

ONCE_MISREAD = [
    "<think>Score: 3? No, the shadow",
    "Score: 4/5",
    "Score: 7-8",
    "Score: 6\nScore: 7",
    "Score: 85",
    "Score: 8\nArtifact score: 3",
    "On a scale from 0 to 10 this earns 3.5",
]
_PIECES = st.sampled_from(
    [
        *(
            "Score: ",
            "Final score: ",
            "I give ",
            "评分：",
            "分",
            "满分10分，",
            '{"score": ',
            "}",
            "<think>",
            "</think>",
        ),
        *(
            "<score>",
            "</score>",
            "8",
            "9.5",
            "10",
            "３",
            "-3",
            "85",
            "0-10 ",
            "/10",
            "/5",
            "%",
            " to ",
            ",",
            ".",
            " ",
            "\n",
        ),
    ]
)
REPLIES = st.one_of(st.sampled_from(ONCE_MISREAD), st.lists(_PIECES, min_size=1, max_size=8).map("".join))


def status_in_text(reply: str) -> Status:
    """By the grammar alone."""
    if not reply.strip():
        return Status.JUDGE_FAILED
    try:
        parse_score(reply)
    except UnparsableReply:
        return Status.UNPARSABLE
    return Status.SCORED


def ask_once(model: VisionLanguageJudge, question: Any) -> Answer:
    (answer,) = ask(model, [score_request(question)], most_attempts=1)
    return answer


def told(reply: str, ending: str = "stop") -> Sent:
    """The reply in tokens of a character each; where a digit stands, another one was half as likely."""
    tokens = []
    for character in reply:
        others = {character: 1.0}
        if character in "0123456789":
            others = {character: 2 / 3, str((int(character) + 1) % 10): 1 / 3}
        top = [{"token": text, "logprob": math.log(p)} for text, p in others.items()]
        tokens.append({**top[0], "top_logprobs": top})
    body = completion(reply, ending)
    body["choices"][0]["logprobs"] = {"content": tokens}
    return Sent(body)


@pytest.mark.parametrize("reply", ONCE_MISREAD)
@pytest.mark.parametrize("ending", ["stop", "length"])
def test_what_was_once_misread_has_the_status_of_its_text(
    judge: Make, server: ChatServer, reply: str, ending: str
) -> None:
    server.play(told(reply, ending))
    answers = [ask_once(judge(score_mode=mode), api_question()) for mode in ("text", "expected")]
    expected = status_in_text(reply) if ending == "stop" else Status.JUDGE_FAILED
    assert [answer.status for answer in answers] == [expected] * 2


def test_the_expectation_is_that_of_the_number_which_the_text_gives(judge: Make, server: ChatServer) -> None:
    server.play(told("Score: 8\nArtifact score: 3"))
    assert ask_once(judge(score_mode="expected"), api_question()).values == {"score": pytest.approx(8 * 2 / 3 + 9 / 3)}


@pytest.fixture
def both_modes(judge: Make) -> list[VisionLanguageJudge]:
    return [judge(score_mode=mode, max_retries=0) for mode in ("text", "expected")]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reply=REPLIES, ending=st.sampled_from(["stop", "stop", "length"]))
def test_an_api_judge_agrees_with_the_text_on_the_status_of_any_reply(
    both_modes: list[VisionLanguageJudge], server: ChatServer, reply: str, ending: str
) -> None:
    server.play(told(reply, ending))
    text, expected = (ask_once(model, api_question()) for model in both_modes)
    assert (expected.status, expected.reason) == (text.status, text.reason)
    assert text.status is (status_in_text(reply) if ending == "stop" else Status.JUDGE_FAILED)
    if text.values is not None:
        assert text.values == {"score": parse_score(reply)}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reply=REPLIES, cut=st.booleans())
def test_a_local_judge_agrees_with_the_text_on_the_status_of_any_reply(
    qwen3_folder: Path, reply: str, cut: bool
) -> None:
    text, expected = (_local(qwen3_folder, mode) for mode in ("text", "expected"))
    written = ids(text, reply) + ([] if cut else [text.processor.tokenizer.eos_token_id])
    answers = []
    for model in (text, expected):
        with dictated(model, written):
            answers.append(ask_once(model, local_question()))
    assert (answers[1].status, answers[1].reason) == (answers[0].status, answers[0].reason)
    assert answers[0].status is (Status.JUDGE_FAILED if cut else status_in_text(reply))


_LOADED: dict[tuple[Path, str], Any] = {}


def _local(folder: Path, mode: str) -> Any:
    if (folder, mode) not in _LOADED:
        _LOADED[folder, mode] = local_judge(folder, score_mode=mode)
    return _LOADED[folder, mode]
