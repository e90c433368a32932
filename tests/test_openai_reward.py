"""The API judge against a real HTTP server on this machine that misbehaves in every way."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import base64
import io
import json
import logging
import os
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from src.errors import ConfigError, ModelError, ModelUnusable
from src.models.http import retries
from src.models.reward.implementations.openai_reward import OpenAIRewardModel
from src.models.vlm import image_encoder
from src.models.vlm.question import LabelledImage, Question
from src.registry import check_params
from tests.api_judge import KEY, SCHEMA, Make, judge, picky, question, server  # noqa: F401 (fixtures)
from tests.chat_server import FAULTS, Answer, ChatServer, chat_server, completion, failure, text_of


def test_a_question_is_laid_out_as_system_prompt_labelled_images_and_text(judge: Make, server: ChatServer) -> None:
    [reply] = judge().ask([question("这个编辑如何？", "red", "blue")])
    assert (reply.text, reply.finish_reason, reply.model) == ("Score: 7.0", "stop", "judge-2026-01-01")
    assert reply.usage == {"calls": 1, "prompt_tokens": 100, "completion_tokens": 10}
    assert reply.seconds > 0
    [body] = server.requests
    system, user = body["messages"]
    assert system == {"role": "system", "content": "You judge edits."}
    assert [part["type"] for part in user["content"]] == ["text", "image_url", "text", "image_url", "text"]
    assert [part["text"] for part in user["content"] if "text" in part] == ["red:", "blue:", "这个编辑如何？"]
    assert pixel(user["content"][1]) == (255, 0, 0)
    assert pixel(user["content"][3]) == (0, 0, 255)
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("judge", 0, 1024)
    assert not {"seed", "response_format", "logprobs"} & set(body)
    assert server.keys == [f"Bearer {KEY}"]


def pixel(part: dict[str, Any]) -> Any:
    data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
    return Image.open(io.BytesIO(data)).getpixel((0, 0))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_passing_fault_is_tried_again(judge: Make, server: ChatServer, fault: str) -> None:
    server.play(FAULTS[fault], FAULTS[fault], Answer())
    [reply] = judge(timeout=1 if fault == "hang" else 20).ask([question()])
    assert (reply.text, reply.error, reply.usage["calls"]) == ("Score: 7.0", None, 3)


@pytest.mark.parametrize("fault", ["429", "500", "reset", "wrong schema", "empty"])
def test_a_lasting_fault_ends_in_an_error_after_the_retries(judge: Make, server: ChatServer, fault: str) -> None:
    server.play(FAULTS[fault])
    [reply] = judge(max_retries=2).ask([question()])
    assert reply.text == ""
    assert reply.error is not None
    assert reply.error.startswith("no answer in 3 tries; the last: ")
    assert len(server.requests) == 3


def test_a_score_comes_from_source_and_edit_in_this_order_or_from_the_edit_alone(
    judge: Make, server: ChatServer
) -> None:
    source, edited = Image.new("RGB", (16, 16), "red"), Image.new("RGB", (16, 16), "blue")
    for compare, pictures in ((True, [(255, 0, 0), (0, 0, 255)]), (False, [(0, 0, 255)])):
        assert judge(compare_with_original=compare).score(edited, "", "", "system", "user", source) == 7.0
        shown = [part for part in server.requests[-1]["messages"][1]["content"] if part["type"] == "image_url"]
        assert [pixel(part) for part in shown] == pictures


def test_at_thirty_percent_faults_every_question_is_answered_in_order(judge: Make, server: ChatServer) -> None:
    names = sorted(FAULTS)

    def script(body: dict[str, Any], number: int) -> Answer:
        dice = random.Random(f"{text_of(body)} {number}")
        return FAULTS[dice.choice(names)] if dice.random() < 0.3 else Answer(completion(text_of(body)))

    server.script = script
    texts = [f"question {index}" for index in range(80)]
    replies = judge(timeout=1, start_concurrency=16).ask([question(text) for text in texts])
    assert [reply.text for reply in replies] == texts
    assert len(server.requests) > 100


def test_order_does_not_depend_on_the_order_of_completion(judge: Make, server: ChatServer) -> None:
    dice = random.Random(0)
    server.script = lambda body, number: Answer(completion(text_of(body)), seconds=dice.uniform(0, 0.1))
    model = judge(max_concurrency=16)
    asked = [[f"thread {thread} question {index}" for index in range(10)] for thread in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answered = list(pool.map(lambda texts: model.ask([question(text) for text in texts]), asked))
    assert [[reply.text for reply in replies] for replies in answered] == asked
    assert 2 <= server.most_under_way <= 16


def test_no_more_requests_are_under_way_than_allowed(judge: Make, server: ChatServer) -> None:
    server.script = lambda body, number: Answer(seconds=0.02)
    judge(max_concurrency=3).ask([question(str(index)) for index in range(12)])
    assert server.most_under_way == 3


def test_requests_at_once_grow_while_all_goes_well(judge: Make, server: ChatServer) -> None:
    server.script = lambda body, number: Answer(seconds=0.05)
    judge(start_concurrency=1, max_concurrency=8).ask([question(str(index)) for index in range(40)])
    assert 4 < server.most_under_way <= 8


def test_retry_after_is_waited_for(judge: Make, server: ChatServer) -> None:
    server.play(failure(429, retry_after="1"), Answer())
    started = time.monotonic()
    [reply] = judge().ask([question()])
    assert reply.error is None
    assert time.monotonic() - started >= 1


def test_a_retry_after_beyond_all_patience_is_an_error_at_once(judge: Make, server: ChatServer) -> None:
    server.play(failure(429, retry_after="86400"))
    [reply] = judge().ask([question()])
    assert reply.error is not None
    assert "asks to wait 86400 s" in reply.error
    assert len(server.requests) == 1


def test_a_server_that_goes_and_comes_back_costs_no_question(judge: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "LONGEST_WAIT", 0.2)
    with chat_server() as before:
        model = judge(base_url=before.url, timeout=2, max_retries=15)
        assert model.ask([question("before")])[0].error is None
    with ThreadPoolExecutor(1) as pool:
        replies = pool.submit(model.ask, [question(str(index)) for index in range(20)])
        time.sleep(0.4)
        assert not replies.done()
        with chat_server(port=int(before.url.split(":")[2].split("/")[0])):
            assert [reply.error for reply in replies.result(timeout=20)] == [None] * 20


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (failure(401, f"Incorrect API key provided: {KEY}"), "OPENAI_API_KEY"),
        (failure(403, "not for you"), "OPENAI_API_KEY"),
        (failure(429, "no money", "insufficient_quota"), "OPENAI_API_KEY.* has no credit left: .*no money"),
        (failure(403, "no money", "billing_not_active"), "has no credit left"),
        (failure(402, "no money"), "has no credit left"),
        (failure(404, "The model `judge` does not exist"), "no model 'judge'"),
    ],
)
def test_what_no_question_can_survive_stops_at_once_without_repeating_the_key(
    judge: Make, server: ChatServer, answer: Answer, message: str
) -> None:
    server.play(answer)
    model = judge(start_concurrency=2, max_concurrency=2)
    with pytest.raises(ModelUnusable, match=message) as caught:
        model.ask([question(str(index)) for index in range(50)])
    assert KEY not in str(caught.value)
    with pytest.raises(ModelUnusable):
        model.ask([question()])
    assert len(server.requests) <= 2


@pytest.mark.parametrize(
    "answer",
    [
        Answer(completion(None, refusal="I cannot help with that")),
        Answer(completion("I cannot help with that", finish="content_filter")),
        *(failure(status, "I cannot help with that", "content_filter") for status in (400, 403, 429, 500)),
        failure(403, "I cannot help with that", "moderation_blocked"),
        Answer({"error": {"message": "I cannot help with that", "type": "content_policy_violation"}}, 403),
        Answer(
            {
                "error": {
                    "message": "I cannot help with that",
                    "code": "BadRequest",
                    "innererror": {"code": "ResponsibleAIPolicyViolation"},
                }
            },
            400,
        ),
        Answer(
            {
                "error": {
                    "message": "I cannot help with that",
                    "code": 403,
                    "metadata": {"reasons": ["violence"], "flagged_input": "…"},
                }
            },
            403,
        ),
    ],
)
def test_a_refusal_is_neither_text_nor_error_and_is_not_tried_again(
    judge: Make, server: ChatServer, answer: Answer
) -> None:
    server.play(answer)
    [reply] = judge().ask([question()])
    assert "I cannot help with that" in (reply.refusal or "")
    assert (reply.text, reply.error, len(server.requests)) == ("", None, 1)


@pytest.mark.parametrize("text", ["The sky is", ""])
def test_a_cut_off_reply_keeps_its_text_and_says_so(judge: Make, server: ChatServer, text: str) -> None:
    server.play(Answer(completion(text, finish="length")))
    [reply] = judge().ask([question()])
    assert (reply.text, reply.finish_reason, reply.error, len(server.requests)) == (text, "length", None, 1)


def test_a_question_that_the_server_rejects_fails_alone(judge: Make, server: ChatServer) -> None:
    server.script = lambda body, number: failure(400, "image too odd") if text_of(body) == "1" else Answer()
    replies = judge().ask([question(str(index)) for index in range(3)])
    assert [reply.error is None for reply in replies] == [True, False, True]
    assert "image too odd" in (replies[1].error or "")
    assert len(server.requests) == 3


def test_structured_output_is_asked_for_where_a_question_has_a_schema(judge: Make, server: ChatServer) -> None:
    judge().ask([question("with", schema=SCHEMA)])
    judge(structured_output=False).ask([question("off", schema=SCHEMA)])  # what YAML makes of `off`
    [with_schema, off] = server.requests
    assert with_schema["response_format"]["json_schema"]["schema"] == SCHEMA
    assert "response_format" not in off


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_without_structured_output_is_asked_for_it_once(
    judge: Make, server: ChatServer, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = picky("response_format", status)
    model = judge(max_retries=0)
    replies = [model.ask([question(str(index), schema=SCHEMA)])[0] for index in range(3)]
    assert [reply.error for reply in replies] == [None] * 3
    assert [reply.usage["calls"] for reply in replies] == [2, 1, 1]
    assert caplog.text.count("refuses response_format") == 1


def test_structured_output_that_must_be_is_not_given_up(judge: Make, server: ChatServer) -> None:
    server.script = picky("response_format")
    with pytest.raises(ModelUnusable, match="set it to auto"):
        judge(structured_output="on").ask([question(schema=SCHEMA)])


def test_a_model_that_wants_max_completion_tokens_gets_them(judge: Make, server: ChatServer) -> None:
    complaint = failure(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    server.script = lambda body, number: complaint if "max_tokens" in body else Answer()
    assert judge(max_tokens=99, temperature=None).ask([question()])[0].error is None
    assert server.requests[-1]["max_completion_tokens"] == 99
    assert "temperature" not in server.requests[-1]


def test_the_expected_score_comes_from_log_probabilities_on_the_questions_scale(
    judge: Make, server: ChatServer
) -> None:
    top = [{"token": "7", "logprob": -0.6931}, {"token": "9", "logprob": -0.6931}]
    answer = completion("7")
    answer["choices"][0]["logprobs"] = {"content": [{"token": "7", "logprob": -0.6931, "top_logprobs": top}]}
    server.play(Answer(answer))
    model = judge(score_mode="expected")
    assert model.ask([question()])[0].expected_score == pytest.approx(8)
    assert model.ask([question(score_range=(0, 8))])[0].expected_score == pytest.approx(7)
    assert (server.requests[0]["logprobs"], server.requests[0]["top_logprobs"]) == (True, 20)
    assert judge().ask([question()])[0].text == "7"
    assert "logprobs" not in server.requests[-1]


def test_without_log_probabilities_there_is_a_text_and_no_expected_score(judge: Make, server: ChatServer) -> None:
    server.script = picky("logprobs")
    [reply] = judge(score_mode="expected").ask([question()])
    assert (reply.text, reply.expected_score) == ("Score: 7.0", None)


def test_a_reasked_question_has_the_next_seed(judge: Make, server: ChatServer) -> None:
    model = judge(seed=40)
    model.ask([question()])
    model.ask([question()], attempt=2)
    assert [body["seed"] for body in server.requests] == [40, 42]


def test_prices_make_a_cost_of_all_tries(judge: Make, server: ChatServer) -> None:
    server.play(Answer(completion("")), Answer())
    [reply] = judge(price_per_million_prompt_tokens=2, price_per_million_completion_tokens=10).ask([question()])
    expected = {"calls": 2, "prompt_tokens": 200, "completion_tokens": 20, "cost": (200 * 2 + 20 * 10) / 1e6}
    assert reply.usage == pytest.approx(expected)


def test_each_image_is_encoded_once_however_many_questions_and_threads_ask(
    judge: Make, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = []
    original = image_encoder.encode
    monkeypatch.setattr(
        image_encoder, "encode", lambda image, policy: encoded.append(image.getpixel((0, 0))) or original(image, policy)
    )
    model = judge()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: model.ask([question(str(index), "red", "blue") for index in range(5)]), range(4)))
    assert sorted(encoded) == [(0, 0, 255), (255, 0, 0)]
    assert len({json.dumps(body["messages"][1]["content"][:-1]) for body in server.requests}) == 1
    assert len(server.requests) == 20


def test_large_images_are_scaled_down_by_the_policy(judge: Make, server: ChatServer) -> None:
    wide = Question("", (LabelledImage("", Image.new("RGB", (300, 100), "red")),), "?")
    judge(image_max_side=30, image_format="jpeg").ask([wide])
    [message] = server.requests[0]["messages"]
    kind, _, data = message["content"][0]["image_url"]["url"].partition(";base64,")
    assert kind == "data:image/jpeg"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (30, 10)


def test_what_changes_replies_is_part_of_the_identity_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    plain = OpenAIRewardModel.identity({})
    assert KEY not in json.dumps(plain)
    speed = {"timeout": 9, "max_retries": 1, "max_concurrency": 3, "start_concurrency": 2, "api_key_env": "OTHER"}
    assert OpenAIRewardModel.identity(speed) == plain
    for name, value in {"image_max_side": 512, "image_format": "jpeg", "model": "x", "score_mode": "expected"}.items():
        assert OpenAIRewardModel.identity({name: value}) != plain
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert OpenAIRewardModel.identity({}) != plain


def test_the_key_is_never_logged_nor_repeated(
    judge: Make, server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.play(failure(500, f"failed for {KEY}"), failure(400, f"failed for {KEY}"))
    with caplog.at_level(logging.DEBUG, logger="src"):
        [reply] = judge().ask([question()])
    assert "failed for ***" in (reply.error or "")
    assert "try 1 failed" in caplog.text
    assert KEY not in caplog.text + repr(reply)


def test_a_missing_key_is_an_error_only_where_one_is_needed(
    judge: Make, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ModelError, match="MY_KEY"):
        OpenAIRewardModel({"api_key_env": "MY_KEY"})
    with pytest.raises(ModelError, match="set the environment variable MY_KEY"):
        check_params(OpenAIRewardModel, {"api_key_env": "MY_KEY"}, "reward_model.params")  # before any model loads
    assert judge(api_key_env="MY_KEY").ask([question()])[0].error is None


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"base_url": "http://user:word@server/v1"}, "must hold no credentials"),
        ({"base_url": "server/v1"}, "must begin with http"),
        ({"min_concurrency": 9, "max_concurrency": 8}, "must not exceed"),
        ({"price_per_million_prompt_tokens": 1}, "both prices or none"),
        ({"api_key": KEY}, "unknown key"),
    ],
)
def test_wrong_params_are_found_before_anything_is_sent(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check_params(OpenAIRewardModel, params, "reward_model.params")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("ending", ["", "threading.Thread(target=hang, daemon=True).start(); time.sleep(0.3)"])
def test_the_interpreter_ends_without_hanging_or_warning(server: ChatServer, ending: str) -> None:
    server.script = lambda body, number: Answer(seconds=60 * number)
    program = f"""
import concurrent.futures, contextlib, threading, time
from src.models.vlm.question import Question
from src.models.reward.implementations.openai_reward import OpenAIRewardModel
judge = OpenAIRewardModel({{"model": "judge", "base_url": {server.url!r}}})
def ask():
    return judge.ask([Question("", (), "?")])
def hang():
    with contextlib.suppress(concurrent.futures.CancelledError):
        ask()
print(ask()[0].text)
{ending}
"""
    environment = os.environ | {"no_proxy": "127.0.0.1"}
    command = [sys.executable, "-W", "default::ResourceWarning", "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr, done.returncode) == ("Score: 7.0\n", "", 0)


def test_a_forgotten_judge_leaves_no_thread_behind(judge: Make) -> None:
    model = judge(model="short-lived")
    model.ask([question()])
    assert any(thread.name == "judge short-lived" for thread in threading.enumerate())
    del model
    assert not any(thread.name == "judge short-lived" for thread in threading.enumerate())
