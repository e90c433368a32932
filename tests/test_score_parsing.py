from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.models.vlm.grammar.json_in_text import find_objects
from src.models.vlm.grammar.parsing import UnparsableReply, parse_score, score_place
from tests.score_replies import READABLE, UNREADABLE

FORMATS = (
    "Score: {}",
    "score = {}",
    "**Score:** {}",
    "Rating: {}",
    "{}/10",
    "{} / 10",
    "{} out of 10",
    "Score: {}/10",
    "Score: {} out of 10",
    "<score>{}</score>",
    '{{"score": {}}}',
    '{{"reasoning": "fine", "rating": "{}"}}',
    'Here:\n```json\n{{"评分": {}}}\n```',
    "评分：{}",
    "总分：{}分",
    "最终得分为{}",
    "On a scale of 0-10 I give {}",
    "Score (0-10): {}",
    "满分10分，打{}分",
    "On a scale from 0 to 10 this earns {}",
    "On a scale of 0 (bad) to 10 (good) it is worth {}.",
    "Out of 10, I give {}",
    "Out of 10: {}",
    "von 0 bis 10: {}",
    "0-10 scale: {}",
    "满分10分,给{}分",
    "在0到10分之间，值{}分。",
    "<think>Score: 1</think>Score: {}",
    "Lighting score: 3\nFinal score: {}",
    "I'd give it {}.",
    "Good work.\n{}",
    "{}",
)
_FULLWIDTH = str.maketrans("0123456789.", "０１２３４５６７８９．")


@pytest.mark.parametrize(("reply", "score"), READABLE)
def test_a_clear_reply_gives_its_score(reply: str, score: float) -> None:
    assert parse_score(reply) == score


@pytest.mark.parametrize("reply", UNREADABLE)
def test_an_unclear_reply_gives_no_score(reply: str) -> None:
    with pytest.raises(UnparsableReply):
        parse_score(reply)


def test_the_scale_decides_range_and_denominator() -> None:
    assert parse_score("Score: 85/100", 0, 100) == 85
    assert parse_score("On a scale of 1 to 5, I give 4", 1, 5) == 4
    assert parse_score("-1", -2, 2) == -1
    with pytest.raises(UnparsableReply, match="outside 1–5"):
        parse_score("Score: 0", 1, 5)


def test_the_error_says_what_is_wrong() -> None:
    with pytest.raises(UnparsableReply, match="holds no score"):
        parse_score("Nice.")
    with pytest.raises(UnparsableReply, match="2 different scores"):
        parse_score("Score: 6\nScore: 7")
    with pytest.raises(UnparsableReply, match="outside 0–10"):
        parse_score("Score: 11")
    with pytest.raises(UnparsableReply, match="breaks off while thinking"):
        parse_score("<think>hm")


def test_the_search_for_json_gives_up_after_many_broken_objects() -> None:
    assert find_objects('{"x ' * 10 + '{"score": 7}')[0] == [[("score", 7)]]
    assert find_objects('{"x ' * 1000 + '{"score": 7}')[0] == []


@given(
    form=st.sampled_from(FORMATS),
    thousandths=st.integers(0, 10_000),
    places=st.sampled_from((0, 1, 2, 3)),
    comma=st.booleans(),
    fullwidth=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_a_score_written_in_any_supported_way_comes_back_exactly(
    form: str, thousandths: int, places: int, comma: bool, fullwidth: bool
) -> None:
    text = f"{thousandths / 1000:.{places}f}"
    bare_json = '": {}' in form  # numbers of JSON have one spelling
    if comma and not bare_json and places in (1, 2):
        text = text.replace(".", ",")
    elif fullwidth:
        text = text.translate(_FULLWIDTH)
    expected = float(
        text.replace(",", ".").translate(
            {ord(wide): plain for plain, wide in zip("0123456789.", "０１２３４５６７８９．", strict=True)}
        )
    )
    assert parse_score(form.format(text)) == expected


@pytest.mark.parametrize(
    ("reply", "rest"),
    [
        ("Score: 8.5", "8.5"),
        ("Score: 3 at first. Final score: 7", "7"),
        ("Score: 7\nTherefore the score is 7.", "7\nTherefore the score is 7."),
        ("Score: 8\nArtifact score: 3", "8\nArtifact score: 3"),
        ('{"score": 7, "why": "2 trees"}', '7, "why": "2 trees"}'),
        ('3 {"why": "2, \\"9\\"", "parts": [1, {"a": 4}], "score": "6/10"} 5', '6/10"} 5'),
        ('{"a": {"b": 1, "score": 4}}', "4}}"),
        ("3 trees <score> **7** </score>", "7** </score>"),
        ("**Score:** 6.0", "6.0"),
        ("Score (0-10): 9", "9"),
        ("Score out of 10: 7", "7"),
        ("The score is 4", "4"),
        ("我看了，３ 棵树，评分：7", "7"),
        ("<think>Score: 2</think>\nScore: 9", "9"),
        ("<think>9</think><answer>9</answer>", "9</answer>"),
        ("The 3 trees: 8/10", "8/10"),
        ("On a scale from 0 to 10 this earns +3.5.", "3.5."),
        ('{"note": 7}\n0-10 scale, the 3 trees.\n7', "7"),
        (" 10 ", "10 "),
        ("I saw 3 trees", None),
        ("<think>Score: 2</think> I do not know", None),
        ("<think>Score: 3? No", None),
        ("Score: 85", None),
        ("Score: high", None),
        ("Score: -3", None),
        ("Score: 8,5", None),
        ("Score: ８", None),
        ("", None),
    ],
)
def test_the_place_of_a_score_is_where_the_number_that_was_read_begins(reply: str, rest: str | None) -> None:
    place = score_place(reply, 0, 10)
    assert (None if place is None else reply[place:]) == rest


_STATEMENTS = st.tuples(
    st.sampled_from(("On a scale", "on the scale", "In a range", "Scale", "Auf einer Skala")),
    st.sampled_from(
        (" from {} to {}", " of {} to {}", " of {}-{}", " between {} and {}", ": {} to {}", " von {} bis {}")
    ),
    st.sampled_from((",", "", ":", " I find that", ", with 2 dogs or 3 cats in it,")),
    st.sampled_from((" this earns", " the edit is worth", "", " it is a", " verdient das")),
).map("".join)


@given(statement=_STATEMENTS, tenths=st.integers(0, 100), high=st.sampled_from((5, 10, 100)))
@settings(max_examples=300, deadline=None)
def test_a_number_after_a_stated_scale_is_a_score_of_that_scale_and_of_no_other(
    statement: str, tenths: int, high: int
) -> None:
    score = f"{tenths / 10:g}"
    reply = f"The sky is right. {statement.format(0, high)} {score}"
    if high == 10:
        assert parse_score(reply) == float(score)
    else:
        with pytest.raises(UnparsableReply):
            parse_score(reply)


_PIECES = st.sampled_from(
    [
        *("Score", "Final ", "I give ", "评分", "分", "满分", '"score"', "<think>", "</think>", "<score>", "</score>"),
        *("8", "９", "-3", "11", "0-10", "/10", "/5", "%", "NaN", "Infinity", "1e9", " to ", ":", ".", ",", " ", "\n"),
        *("{", "}", "[", "(", ")", "**", "｛"),
    ]
)


@given(st.one_of(st.text(), st.lists(_PIECES, max_size=14).map("".join)))
@settings(max_examples=600, deadline=None)
def test_no_text_gives_a_score_outside_the_scale(reply: str) -> None:
    try:
        score = parse_score(reply)
    except UnparsableReply:
        return
    assert 0 <= score <= 10


HOSTILE = [
    *(
        "1",
        "1,",
        "1.",
        "1-",
        "{",
        '{"',
        '{"a":',
        '{"a":[1,',
        "[",
        "(",
        " ",
        "\n",
        "*",
        "Score",
        "Score ",
        "Score:",
        "Score: 1\n",
    ),
    *(
        "score for a ",
        "<score>",
        "<think>",
        "</think>",
        "<answer>",
        "1/10 ",
        "I give ",
        "满分",
        "评分",
        "0 to ",
        "scale of ",
        "- ",
    ),
    *("out of 10, ", "0-10 scale 1 ", "0 is a 10 is b ", "scale of 0 (", '{"a": 1} ', "10分满分", "1 ", "1.1. "),
    *("a", "\\", '{"score": 1} ', '"', "over", "final ", "(out of 1", "the ", "1 分", '{"a":"\\"'),
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_long_hostile_reply_is_read_in_linear_time(piece: str) -> None:
    started = time.process_time()
    with contextlib.suppress(UnparsableReply):
        parse_score((piece * 100_000)[:100_000])
    assert time.process_time() - started < 2.0  # quadratic matching takes far longer
