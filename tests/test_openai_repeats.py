"""Several independent replies to one question: in one request where the server bears it, else in several."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import random
from typing import Any

import pytest

from src.errors import ModelUnusable
from src.models.vlm import image_encoder
from src.models.vlm.question import Reply
from tests.api_judge import KEY, Make, judge, picky, question, server  # noqa: F401 (fixtures)
from tests.chat_server import FAULTS, Answer, ChatServer, completion, failure, text_of


def several(*choices: dict[str, Any]) -> Answer:
    """One answer made of the choices of others."""
    return Answer(completion() | {"choices": [choice["choices"][0] for choice in choices]})


def numbered(body: dict[str, Any], number: int) -> Answer:
    """As many choices as are asked for, each with a text of its own."""
    texts = [f"{text_of(body)} {number}.{place}" for place in range(body.get("n", 1))]
    return several(*(completion(text) for text in texts))


def texts(replies: list[Reply]) -> list[str]:
    assert [reply.error for reply in replies] == [None] * len(replies)
    return [reply.text for reply in replies]


def total(replies: list[Reply], name: str) -> float:
    return sum(reply.usage.get(name, 0) for reply in replies)


def test_repeats_are_one_request_and_are_paid_for_once(judge: Make, server: ChatServer) -> None:
    server.script = numbered
    asked, other = question("a", "red"), question("b")
    prices = {"price_per_million_prompt_tokens": 1, "price_per_million_completion_tokens": 1}
    replies = judge(seed=5, **prices).ask([asked, other, asked, asked])
    assert texts(replies) == ["a 0.0", "b 0.0", "a 0.1", "a 0.2"]
    assert sorted((body.get("n"), body["seed"]) for body in server.requests if "n" in body) == [(3, 5)]
    assert len(server.requests) == 2
    assert replies[0].usage == {"calls": 1, "prompt_tokens": 100, "completion_tokens": 10, "cost": 110 / 1e6}
    assert total(replies, "completion_tokens") == 20
    assert all(reply.seconds > 0 for reply in replies)


def test_equal_words_about_other_pictures_or_on_another_scale_are_no_repeat(judge: Make, server: ChatServer) -> None:
    judge().ask([question("a", "red"), question("a", "blue"), question("a"), question("a", score_range=(0, 5))])
    assert ["n" in body for body in server.requests] == [False] * 4


def test_each_choice_is_a_reply_with_its_own_ending_refusal_and_expected_score(judge: Make, server: ChatServer) -> None:
    sure = completion("9")
    sure["choices"][0]["logprobs"] = {"content": [{"token": "9", "logprob": 0.0}]}
    server.play(several(sure, completion("cut", finish="length"), completion(None, refusal="no thanks")))
    scored, cut, refused = judge(score_mode="expected").ask([question()] * 3)
    assert (scored.expected_score, scored.finish_reason) == (pytest.approx(9), "stop")
    assert (cut.text, cut.finish_reason, cut.expected_score) == ("cut", "length", None)
    assert (refused.text, refused.refusal, refused.error) == ("", "no thanks", None)
    assert len(server.requests) == 1


def test_a_choice_without_an_answer_is_asked_for_alone(judge: Make, server: ChatServer) -> None:
    flawed = several(completion(""), completion("one"), completion(None))
    server.script = lambda body, number: flawed if "n" in body else Answer(completion("single"))
    model = judge()
    replies = model.ask([question()] * 3)
    assert texts(replies) == ["single", "one", "single"]
    assert [body.get("n") for body in server.requests] == [3, None, None]
    assert (total(replies, "calls"), total(replies, "prompt_tokens")) == (3, 300)
    model.ask([question("again")] * 3)
    assert server.requests[3]["n"] == 3


@pytest.mark.parametrize("complaint", ["n must be 1", "only one completion choice is allowed"])
def test_a_server_that_refuses_n_is_asked_for_it_once(
    judge: Make, server: ChatServer, complaint: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = lambda body, number: failure(400, complaint) if "n" in body else numbered(body, number)
    model = judge(seed=40)
    first, second = model.ask([question()] * 3), model.ask([question("again")] * 2, attempt=1)
    assert sorted(texts(first)) == ["How good? 1.0", "How good? 2.0", "How good? 3.0"]
    assert sorted(texts(second)) == ["again 0.0", "again 1.0"]
    assert [body.get("n") for body in server.requests] == [3, None, None, None, None, None]
    assert len({body["seed"] for body in server.requests[1:]}) == 5
    assert total(first, "calls") == 4
    assert caplog.text.count("repeats are sent one by one") == 1


@pytest.mark.parametrize("given", [1, 2])
def test_a_server_that_gives_fewer_choices_is_asked_for_the_rest_one_by_one(
    judge: Make, server: ChatServer, given: int
) -> None:
    server.script = lambda body, number: numbered(body | {"n": min(given, body.get("n", 1))}, number)
    model = judge()
    replies = model.ask([question()] * 4)
    assert len(set(texts(replies))) == 4
    assert len(server.requests) == 1 + 4 - given
    model.ask([question("again")] * 2)
    assert [body.get("n") for body in server.requests[-2:]] == [None, None]


def test_more_choices_than_asked_for_are_left_aside(judge: Make, server: ChatServer) -> None:
    server.script = lambda body, number: numbered(body | {"n": 5}, number)
    assert texts(judge().ask([question(), question()])) == ["How good? 0.0", "How good? 0.1"]


def test_repeats_come_in_order_whatever_the_order_of_completion(judge: Make, server: ChatServer) -> None:
    dice = random.Random(0)

    def script(body: dict[str, Any], number: int) -> Answer:
        if "n" in body and text_of(body) in "bd":
            return failure(400, "too much at once")
        return Answer(numbered(body, number).body, seconds=dice.uniform(0, 0.1))

    server.script = script
    asked = [question(text) for text in "abcdefgh"]
    replies = judge(max_concurrency=16).ask(asked * 3)
    assert [text[0] for text in texts(replies)] == list("abcdefgh") * 3
    assert len(set(texts(replies))) == 24


def test_a_passing_fault_of_a_request_for_several_answers_is_tried_again(judge: Make, server: ChatServer) -> None:
    left = [FAULTS["500"], FAULTS["empty"], FAULTS["truncated"]]
    server.script = lambda body, number: left.pop() if left else numbered(body, number)
    replies = judge().ask([question()] * 3)
    assert len(set(texts(replies))) == 3
    assert [body.get("n") for body in server.requests] == [3] * 4


def test_a_lasting_fault_fails_all_repeats_without_asking_for_each(judge: Make, server: ChatServer) -> None:
    server.play(FAULTS["500"])
    replies = judge(max_retries=1).ask([question()] * 3)
    assert [str(reply.error).startswith("no answer in 2 tries") for reply in replies] == [True] * 3
    assert len(server.requests) == 2


def test_a_question_that_the_server_rejects_does_not_speak_against_n(judge: Make, server: ChatServer) -> None:
    server.script = lambda body, number: failure(400, "odd") if text_of(body) == "bad" else numbered(body, number)
    model = judge()
    bad = model.ask([question("bad")] * 2)
    assert ["odd" in str(reply.error) for reply in bad] == [True, True]
    model.ask([question("good")] * 2)
    assert server.requests[-1]["n"] == 2


def test_n_and_another_refused_part_are_told_apart(judge: Make, server: ChatServer) -> None:
    server.script = picky("logprobs")
    model = judge(score_mode="expected")
    model.ask([question()] * 2)
    assert [(body["n"], "logprobs" in body) for body in server.requests[:2]] == [(2, True), (2, False)]


def test_a_wrong_key_stops_repeats_at_once(judge: Make, server: ChatServer) -> None:
    server.play(failure(401, f"not {KEY}"))
    with pytest.raises(ModelUnusable):
        judge().ask([question()] * 8)
    assert len(server.requests) == 1


def test_repeats_encode_their_images_once(judge: Make, monkeypatch: pytest.MonkeyPatch, server: ChatServer) -> None:
    server.script = lambda body, number: failure(400, "one at a time") if "n" in body else Answer()
    encoded: list[Any] = []
    encode = image_encoder.encode
    monkeypatch.setattr(image_encoder, "encode", lambda *given: encoded.append(given) or encode(*given))
    asked = question("a", "red", "blue")
    judge().ask([asked] * 5)
    assert (len(encoded), len(server.requests)) == (2, 6)
