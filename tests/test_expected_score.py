"""The expected score, from tokens as two kinds of tokenizer make them: `10` in one piece, or digit by digit."""

from __future__ import annotations

import math

import pytest

from src.models.vlm.chat_completion import Token
from src.models.vlm.expected_score import expected_score


def token(text: str, **others: float) -> Token:
    return from_probabilities(text, {name.strip("_"): value for name, value in others.items()})


def from_probabilities(text: str, others: dict[str, float]) -> Token:
    """`others`: probability of each alternative; the chosen token has the rest."""
    chosen = {text: 1.0 - math.fsum(others.values())}
    top = [{"token": name, "logprob": math.log(p)} for name, p in (chosen | others).items()]
    return Token.model_validate({**top[0], "top_logprobs": top})


def plain(*texts: str) -> list[Token]:
    return [token(text) for text in texts]


def test_a_bare_number_is_averaged_over_its_alternatives() -> None:
    assert expected_score([token("8", _7=0.25, _9=0.25)], 0, 10) == pytest.approx(8)
    assert expected_score([token("8", _4=0.5)], 0, 10) == pytest.approx(6)


@pytest.mark.parametrize(("text", "value"), [("10", 10.0), ("7", 7.0), ("0", 0.0)])
def test_a_lone_number_is_itself_whatever_its_probability(text: str, value: float) -> None:
    for rest in range(1, 400):
        assert expected_score([from_probabilities(text, {"x": rest / 1000})], 0, 10) == pytest.approx(value)
        found = expected_score([from_probabilities(text, {"x": rest / 1000})], 0, 10)
        assert found is not None
        assert 0 <= found <= value


def test_the_last_labelled_number_is_the_score() -> None:
    tokens = [*plain("Score", ":", " 3", "\n", "Final", " score", ":", " **"), from_probabilities("8", {"6": 0.5})]
    assert expected_score(tokens, 0, 10) == pytest.approx(7)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["评分", "："], ["\n"]),
        (['{"', "score", '":', " "], ["}"]),
        (["<score", ">"], ["</score", ">"]),
        (["Rating", " =", " "], []),
        (["On a scale from ", "0", " to ", "10", " this earns", " "], ["."]),
    ],
)
def test_scores_of_many_kinds_are_found(before: list[str], after: list[str]) -> None:
    assert expected_score([*plain(*before), token("8", _6=0.5), *plain(*after)], 0, 10) == pytest.approx(7)


@pytest.mark.parametrize(
    "reply",
    ["<think>Score: 3? No", "Score: 4/5", "Score: 7-8", "Score: 6\nScore: 7", "Score: 85", "<score>8"],
)
def test_a_reply_that_the_grammar_cannot_read_has_no_expected_score(reply: str) -> None:
    assert expected_score(plain(*reply), 0, 10) is None


def test_of_several_scores_the_one_that_the_grammar_reads_is_refined() -> None:
    tokens = [*plain("Score: "), token("8", _6=0.5), *plain("\n", "Artifact score: "), token("3", _9=0.5)]
    assert expected_score(tokens, 0, 10) == pytest.approx(7)


def test_thinking_that_a_server_keeps_back_is_passed_over() -> None:
    tokens = [*plain("Score: 4", "\n\n", "Score: "), token("8", _6=0.5)]
    assert expected_score(tokens, 0, 10, "Score: 8") == pytest.approx(7)
    assert expected_score(tokens, 0, 10, "Score: 9") is None


def test_a_label_may_be_split_within_a_character() -> None:
    data = "评分：".encode()
    halves = [Token.model_validate({"token": "?", "logprob": 0, "bytes": list(part)}) for part in (data[:4], data[4:])]
    assert expected_score([*halves, token("8", _6=0.5)], 0, 10) == pytest.approx(7)


def test_ten_in_one_token_is_a_score_like_any_other() -> None:
    assert expected_score([from_probabilities("9", {"10": 0.25, "1": 0.25})], 0, 10) == pytest.approx(7.25)
    assert expected_score([from_probabilities("10", {"8": 0.5})], 0, 10) == pytest.approx(9)


def test_ten_in_two_tokens_shares_its_first_digit_with_one() -> None:
    chosen_ten = [token("1", _9=0.5), from_probabilities("0", {"\n": 0.2})]
    assert expected_score(chosen_ten, 0, 10) == pytest.approx(0.5 * 9 + 0.4 * 10 + 0.1 * 1)
    chosen_one = [token("1", _9=0.5), from_probabilities(".", {"0": 0.2}), *plain("0")]
    assert expected_score(chosen_one, 0, 10) == pytest.approx(0.5 * 9 + 0.4 * 1 + 0.1 * 10)


def test_a_one_that_was_not_chosen_is_left_out_as_nobody_knows_what_followed() -> None:
    assert expected_score([token("9", _1=0.25, _8=0.25)], 0, 10) == pytest.approx((9 * 0.5 + 8 * 0.25) / 0.75)


def test_the_fraction_is_averaged_too_and_never_leads_above_the_scale() -> None:
    half = [token("8", _7=0.5), *plain("."), token("5", _0=0.5)]
    assert expected_score(half, 0, 10) == pytest.approx(7.5 + 0.25)
    assert expected_score([from_probabilities("9", {"10": 0.5}), *plain(".", "5")], 0, 10) == pytest.approx(9.75)


def test_later_decimals_that_were_written_stay() -> None:
    tokens = plain("Score: ", "8", ".", "2", "5")
    assert expected_score(tokens, 0, 10) == pytest.approx(8.25)


def test_numbers_off_the_scale_and_words_are_left_out() -> None:
    assert expected_score([from_probabilities("4", {"7": 0.3, "N": 0.1})], 0, 5) == pytest.approx(4)


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        plain("The edit is fine"),
        plain("It has 3 wheels and 4 doors"),
        [token("9", _N=0.6)],
        plain("85"),
        plain("Score: 8"),
    ],
    ids=["nothing", "no number", "no label", "unlikely", "off the scale", "not a token of its own"],
)
def test_where_no_score_can_be_made_out_there_is_none(tokens: list[Token]) -> None:
    assert expected_score(tokens, 0, 10) is None


def test_without_alternatives_the_expected_score_is_the_score() -> None:
    bare = [Token(token=text, logprob=0.0) for text in ("Score", ": ", "8", ".", "5")]
    assert expected_score(bare, 0, 10) == pytest.approx(8.5)
