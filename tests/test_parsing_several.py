from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.models.vlm.grammar.parsing import UnparsableReply
from src.models.vlm.grammar.parsing_several import parse_scores, parse_yes_no, scores_schema

NAMES = ("edit_success", "naturalness")
BOTH = {"edit_success": 7.0, "naturalness": 3.5}
ONE_DECIMAL = st.integers(0, 100).map(lambda tenths: tenths / 10)


@pytest.mark.parametrize(
    "reply",
    [
        '{"edit_success": 7, "naturalness": 3.5}',
        '{"reasoning": "naturalness: 9 at first", "edit_success": 7.0, "naturalness": 3.5}',
        'Here you are:\n```json\n{"Edit Success": "7/10", "naturalness": "3.5"}\n```\nDone.',
        '{"scores": {"edit-success": 7, "naturalness": 3.5}, "comment": "ok"}',
        '{"edit_success": {"reason": "all there", "score": 7}, "naturalness": {"评分": 3.5}}',
        '{"edit_success": 7}\n{"naturalness": 3.5}',
        '<think>{"edit_success": 1, "naturalness": 1}</think>{"edit_success": 7, "naturalness": 3.5}',
        '<answer>{"edit_success": 7, "naturalness": 3.5}</answer>',
        "edit_success: 7\nnaturalness: 3.5",
        "- **Edit success**: 7/10\n- **Naturalness**: **3.5**",
        "Edit success = 7\nover all: 2\nNaturalness：３.５分",
        "naturalness: the light is right.\nedit_success: all of it is there.\nedit_success: 7\nnaturalness: 3.5",
    ],
)
def test_every_usual_form_of_several_scores_is_read(reply: str) -> None:
    assert parse_scores(reply, NAMES) == BOTH


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "no value for edit_success, naturalness"),
        ("It is fine.", "no value for edit_success, naturalness"),
        ('{"edit_success": 7}', "no value for naturalness"),
        ('{"edit_success": 7, "naturalness": null}', "naturalness is not one number"),
        ('{"edit_success": 7, "naturalness": true}', "naturalness is not one number"),
        ('{"edit_success": 7, "naturalness": [3, 4]}', "naturalness is not one number"),
        ('{"edit_success": 7, "naturalness": {"score": 3, "rating": 4}}', "naturalness is not one number"),
        ('{"edit_success": 7, "naturalness": "4/5"}', "naturalness is not one number"),
        ('{"edit_success": 7, "naturalness": 11}', "11 of naturalness is outside 0–10"),
        ('{"edit_success": -1, "naturalness": 1}', "-1 of edit_success is outside 0–10"),
        ('{"edit_success": NaN, "naturalness": 1}', "nan of edit_success is outside 0–10"),
        ('{"edit_success": 7, "edit_success": 8, "naturalness": 1}', "edit_success twice"),
        ('{"edit_success": 7, "naturalness": 3}\n{"edit_success": 8, "naturalness": 3}', "edit_success twice"),
        ("edit_success: 6-8\nnaturalness: 3", "edit_success is not one number"),
        ("edit_success: 7\nnaturalness: seven", "no value for naturalness"),
        ('<think>{"edit_success": 7, "naturalness": 3', "breaks off while thinking"),
        ('{"edit_success": 7, "naturalness": 3', "no value"),
    ],
)
def test_what_is_missing_ambiguous_or_off_the_scale_is_not_read(reply: str, reason: str) -> None:
    with pytest.raises(UnparsableReply, match=reason):
        parse_scores(reply, NAMES)


def test_values_are_read_on_the_scale_that_was_asked_for() -> None:
    assert parse_scores('{"a": 1, "b": "0.5"}', ("a", "b"), 0, 1) == {"a": 1.0, "b": 0.5}
    with pytest.raises(UnparsableReply, match="outside 0–1"):
        parse_scores('{"a": 1, "b": 2}', ("a", "b"), 0, 1)


@given(ONE_DECIMAL, ONE_DECIMAL, st.text(max_size=40).filter(lambda text: "<" not in text))  # "<think>" would count
def test_a_reply_by_the_schema_is_read_whatever_it_explains(first: float, second: float, reasoning: str) -> None:
    reply = json.dumps({"reasoning": reasoning, "edit_success": first, "naturalness": second})
    assert parse_scores(reply, NAMES) == {"edit_success": first, "naturalness": second}


@given(st.text(alphabet='{}[]":,. \n0123456789-/edit_successnaturalness', max_size=200))
def test_any_reply_gives_every_value_on_the_scale_or_is_unparsable(reply: str) -> None:
    try:
        values = parse_scores(reply, NAMES)
    except UnparsableReply:
        return
    assert set(values) == set(NAMES)
    assert all(0 <= value <= 10 for value in values.values())


@pytest.mark.parametrize("opening", ['{"a":', '{"answer":', '{"a":['])
def test_deep_nesting_is_unparsable_and_never_an_error(opening: str) -> None:
    closing = "]}" if "[" in opening else "}"
    for depth in (200, 700, 5_000):
        reply = opening * depth + "1" + closing * depth
        with pytest.raises(UnparsableReply):
            parse_scores(reply, NAMES)
        with pytest.raises(UnparsableReply):
            parse_yes_no(reply)


def test_the_schema_demands_an_explanation_first_and_then_every_value() -> None:
    schema = scores_schema(NAMES)
    assert list(schema["properties"]) == schema["required"] == ["reasoning", *NAMES]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("word", ["yes", "Yes", "YES", "true", "是", "是的"])
@pytest.mark.parametrize(
    "form", ["{}", "**{}**", "{}.", "Answer: {}", "The cup lies.\nAnswer: {}", '{{"answer": "{}"}}', "{}, it is there."]
)
def test_every_usual_form_of_yes_is_read(form: str, word: str) -> None:
    assert parse_yes_no(form.format(word)) is True


@pytest.mark.parametrize(
    "reply",
    ["no", "No.", "否", "不是。", "答案：否", '{"answer": false}', "<think>yes</think>no", "No, yes would be wrong."],
)
def test_every_usual_form_of_no_is_read(reply: str) -> None:
    assert parse_yes_no(reply) is False


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "maybe",
        "yes\nno",
        "yes or no",
        "Yes/No",
        "No other cup was moved",
        "nothing",
        "yesterday",
        '{"answer": 1}',
        '{"answer": ["yes"]}',
        '{"answer": "yes"} {"answer": "no"}',
        "<think>yes",
    ],
)
def test_neither_both_and_words_that_only_begin_alike_are_no_answer(reply: str) -> None:
    with pytest.raises(UnparsableReply):
        parse_yes_no(reply)


@given(
    st.lists(st.sampled_from(["yes", "no", "是", "\n", ", ", " ", ":", ".", '{"answer": "yes"}', "cup"]), max_size=8)
)
def test_no_answer_is_read_that_the_reply_does_not_contain(pieces: list[str]) -> None:
    try:
        answer = parse_yes_no("".join(pieces))
    except UnparsableReply:
        return
    words = ("yes", "是") if answer else ("no",)
    assert any(word in piece for piece in pieces for word in words)
