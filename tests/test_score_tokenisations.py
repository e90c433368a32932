"""However a reply falls into tokens, a model that is sure of them has the score of the text; nothing raises."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.verdict import Status
from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel
from src.models.vlm import exact_expected_score as local
from src.models.vlm.asking import ask, score_request
from src.models.vlm.chat_completion import Token
from src.models.vlm.expected_score import expected_score
from src.models.vlm.grammar.parsing import UnparsableReply, parse_score
from tests.api_judge import Make, judge, server  # noqa: F401 (fixtures)
from tests.api_judge import question as api_question
from tests.chat_server import Answer, ChatServer, completion
from tests.test_expected_score import from_probabilities, plain
from tests.tiny_judges import judge as local_judge
from tests.tiny_judges import qwen3_folder  # noqa: F401 (fixture)

Scale = tuple[float, float]
SCALES: list[Scale] = [(0, 10), (1, 5), (0, 100), (0, 4)]
FORMS = [
    "Score: {}",
    '{{"score": {}}}',
    "<score>{}</score>",
    "{}/{top}",
    "评分：{}",
    "{}",
    "3 lamps, I give {}.",
    "No {}!",
]
NUMBERS = [
    "0",
    "1",
    "2",
    "3.5",
    "4",
    "5",
    "8",
    "8.25",
    "9.05",
    "10",
    "10.0",
    "85",
    "100",
    "08",
    "007",
    "010",
    "00.5",
    "-3",
]
NUMBERS += ["+2", "1e0", "8.", ".5", "３", "2.50", "7-8", "7,5", "1 0", "4.0000"]
ODD_TOKENS = [
    *(" 8", "8\n", "8 ", "1 ", "0 ", "0.", "8.", "10", "0/", "10/", ".5", "25", "5\n", "00", "08", "x8", ": 8", "5}")
]
"""What vocabularies may hold beside single characters."""

replies = st.builds(
    lambda form, number, scale, tail: (form.format(number, top=f"{scale[1]:g}") + tail, scale),
    st.sampled_from(FORMS),
    st.sampled_from(NUMBERS),
    st.sampled_from(SCALES),
    st.sampled_from(["", "\n", " ", ".", "\n0 faults", "<|im_end|>"]),
)


def text_score(reply: str, scale: Scale) -> float | None:
    try:
        return parse_score(reply, *scale)
    except UnparsableReply:
        return None


def pieces(text: str, draw: Any) -> list[str]:
    """The text in parts, cut anywhere."""
    cuts = draw(st.lists(st.sampled_from([False, True, True]), min_size=len(text), max_size=len(text)))
    starts = [0, *(place for place in range(1, len(text)) if cuts[place]), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(starts) if start < end]


def told(tokens: Sequence[Token], reply: str) -> Answer:
    body = completion(reply)
    body["choices"][0]["logprobs"] = {"content": [token.model_dump(exclude={"utf8"}) for token in tokens]}
    return Answer(body)


@settings(max_examples=500, deadline=None)
@given(asked=replies, thought=st.sampled_from(["", "Score: 3\n", "8\n", "10 is too much </think>"]), data=st.data())
def test_an_api_judge_that_is_sure_of_its_tokens_gives_the_score_of_the_text(
    asked: tuple[str, Scale], thought: str, data: st.DataObject
) -> None:
    reply, scale = asked
    found = expected_score(plain(*pieces(thought + reply, data.draw)), *scale, reply)
    said = text_score(reply, scale)
    assert found is None or (said is not None and found == pytest.approx(said))


@settings(max_examples=300, deadline=None)
@given(asked=replies, data=st.data())
def test_an_api_judge_that_is_unsure_still_scores_on_the_scale_and_only_where_the_text_does(
    asked: tuple[str, Scale], data: st.DataObject
) -> None:
    reply, scale = asked
    others = st.dictionaries(st.sampled_from([*NUMBERS, *ODD_TOKENS, "x", ""]), st.just(0.1), max_size=3)
    parts = pieces(reply, data.draw)
    tokens = [
        from_probabilities(part, {name: p for name, p in data.draw(others).items() if name != part}) for part in parts
    ]
    found = expected_score(tokens, *scale, reply)
    assert found is None or (text_score(reply, scale) is not None and scale[0] <= found <= scale[1])


@pytest.fixture(scope="module")
def odd_judge(qwen3_folder: Path) -> Qwen3VLRewardModel:
    model = local_judge(qwen3_folder)
    model.processor.tokenizer.add_tokens(ODD_TOKENS)
    return model


def sure_score(model: Qwen3VLRewardModel, written: list[int], scale: Scale, sure: float = 1.0) -> float | None:
    """The local judge's expected score where it writes these tokens, each with this probability, or else ends."""
    import torch

    tokenizer = model.processor.tokenizer
    reply = [*written, tokenizer.eos_token_id]

    def after(start: list[int]) -> torch.Tensor:
        follows = reply[len(start)] if start == reply[: len(start)] and len(start) < len(reply) else reply[-1]
        found = torch.zeros(len(tokenizer))
        found[reply[-1]] = 1 - sure
        found[follows] += sure
        return found

    def next_tokens(start: list[int]) -> tuple[torch.Tensor, local.ReadOn]:
        return after(start), lambda continuations: torch.stack(
            [torch.stack([after(start + row[: end + 1]) for end in range(len(row))]) for row in continuations]
        )

    return local.expected_score(reply, tokenizer, local.NumberTokens.of(tokenizer), next_tokens, *scale)


@settings(max_examples=500, deadline=None)
@given(asked=replies, data=st.data())
def test_a_local_judge_that_is_sure_of_its_tokens_gives_the_score_of_the_text(
    odd_judge: Qwen3VLRewardModel, asked: tuple[str, Scale], data: st.DataObject
) -> None:
    reply, scale = asked
    tokenizer = odd_judge.processor.tokenizer
    tokens = [index for part in pieces(reply, data.draw) for index in tokenizer.encode(part)]
    said = text_score(str(tokenizer.decode(tokens, skip_special_tokens=True)), scale)
    found = sure_score(odd_judge, tokens, scale)
    assert found is None or (said is not None and found == pytest.approx(said))


ONCE_MISVALUED = [
    (list("Score: 08"), 8.0),
    (list('{"score": 08}'), 8.0),
    (list("Score: 007"), 7.0),
    (list("Score: 010"), 10.0),
    (list("Score: 00.5"), 0.5),
    (["Score:", " 1", "0.", "0"], 10.0),
    (["Score: ", "1", "0/", "10"], 10.0),
    (["Score: ", "8\n"], 8.0),
    (["Score: ", "8 "], 8.0),
    (["Score: ", "8", ".", "5\n"], 8.5),
    (["Score: ", "8", ".5", "5"], 8.55),
]


@pytest.mark.parametrize(("parts", "value"), ONCE_MISVALUED)
def test_what_was_once_misvalued_has_the_value_of_its_text(
    judge: Make, server: ChatServer, odd_judge: Qwen3VLRewardModel, parts: list[str], value: float
) -> None:
    reply = "".join(parts)
    server.play(told([from_probabilities(part, {"x": 0.1}) for part in parts], reply.strip()))
    answers = [ask(judge(score_mode=mode), [score_request(api_question())])[0] for mode in ("text", "expected")]
    assert [answer.values for answer in answers] == [{"score": pytest.approx(value)}] * 2
    tokenizer = odd_judge.processor.tokenizer
    found = sure_score(odd_judge, [index for part in parts for index in tokenizer.encode(part)], (0, 10))
    assert found is None or found == pytest.approx(value)


@pytest.mark.parametrize("parts", [parts for parts, _ in ONCE_MISVALUED])
def test_a_local_number_that_its_tokens_do_not_write_exactly_is_not_refined(
    odd_judge: Qwen3VLRewardModel, parts: list[str]
) -> None:
    tokens = [index for part in parts for index in odd_judge.processor.tokenizer.encode(part)]
    assert sure_score(odd_judge, tokens, (0, 10), sure=0.9) is None


def test_white_space_in_a_numbers_token_does_not_hide_its_alternatives() -> None:
    tokens = [*plain("Score: "), from_probabilities("8\n", {"6\n": 0.25, "4": 0.25})]
    assert expected_score(tokens, 0, 10, "Score: 8") == pytest.approx(8 * 0.5 + 6 * 0.25 + 4 * 0.25)


def test_a_one_that_white_space_ends_is_no_beginning_of_a_ten() -> None:
    tokens = [from_probabilities("9", {"1\n": 0.5})]
    assert expected_score(tokens, 0, 10) == pytest.approx(5)
    assert expected_score([*plain("1"), from_probabilities("\n", {" 0": 0.5})], 0, 10) == pytest.approx(1)


def test_an_alternative_that_goes_on_with_a_digit_and_more_is_left_out() -> None:
    tokens = [from_probabilities("1", {"9": 0.2}), from_probabilities("\n", {"0.": 0.5})]
    assert expected_score(tokens, 0, 10) == pytest.approx((0.2 * 9 + 0.4 * 1) / 0.6)


def test_where_a_number_goes_on_so_may_its_alternatives() -> None:
    tokens = [from_probabilities("10", {"5": 0.4}), *plain("0")]
    assert expected_score(tokens, 0, 100) == pytest.approx(100)


def test_a_fraction_that_shares_its_token_with_the_point_is_not_refined() -> None:
    assert expected_score([*plain("8", ".2"), from_probabilities("5", {"7": 0.5})], 0, 10) is None


def test_of_a_number_that_was_thought_and_then_said_the_said_one_is_refined() -> None:
    tokens = [*plain("8", "\n"), from_probabilities("8", {"6": 0.5})]
    assert expected_score(tokens, 0, 10, "8") == pytest.approx(7)


def test_a_thought_that_breaks_off_within_a_character_shifts_no_number() -> None:
    broken = Token.model_validate({"token": "?", "logprob": 0, "bytes": [0xE8]})
    tokens = [broken, from_probabilities("8", {"6": 0.5}), *plain("\n2")]
    assert expected_score(tokens, 0, 10, "8\n2 lamps"[:2]) == pytest.approx(7)


def test_a_local_number_that_shares_its_token_with_a_word_is_not_refined(odd_judge: Qwen3VLRewardModel) -> None:
    tokenizer = odd_judge.processor.tokenizer
    assert sure_score(odd_judge, tokenizer.encode("Score") + tokenizer.encode(": 8"), (0, 10)) is None


def test_text_mode_is_the_text_where_a_server_gives_log_probabilities_unasked(judge: Make, server: ChatServer) -> None:
    server.play(told([*plain("Score: "), from_probabilities("8", {"2": 0.4})], "Score: 8"))
    text, expected = (ask(judge(score_mode=mode), [score_request(api_question())])[0] for mode in ("text", "expected"))
    assert text.values == {"score": 8.0}
    assert expected.values == {"score": pytest.approx(8 * 0.6 + 2 * 0.4)}


@pytest.mark.parametrize("mode", ["text", "expected"])
@pytest.mark.parametrize(
    "wrong",
    [
        *({"logprob": value} for value in (1000, math.nan, math.inf, None, "x")),
        {"bytes": [300]},
        {"token": None},
        {"top_logprobs": 3},
        {"top_logprobs": [{"token": "9", "logprob": 0.5}]},
    ],
)
def test_impossible_log_probabilities_leave_the_score_of_the_text(
    judge: Make, server: ChatServer, wrong: dict[str, Any], mode: str
) -> None:
    body = completion("8")
    body["choices"][0]["logprobs"] = {"content": [{"token": "8", "logprob": 0.0} | wrong]}
    server.play(Answer(body))
    (answer,) = ask(judge(score_mode=mode, max_retries=0), [score_request(api_question())], most_attempts=1)
    assert (answer.status, answer.values) == (Status.SCORED, {"score": 8.0})


def test_a_certain_token_may_have_a_log_probability_a_rounding_error_above_nought() -> None:
    top = [{"token": "8", "logprob": 1e-6}, {"token": "2", "logprob": -math.inf}]
    assert expected_score([Token.model_validate({**top[0], "top_logprobs": top})], 0, 10) == 8.0
