from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.models.vlm.grammar.json_in_text import find_objects
from src.models.vlm.grammar.parsing import UnparsableReply, parse_score, score_place

READABLE = [
    # Labels.
    ("Score: 8.5", 8.5),
    ("score: 0", 0.0),
    ("SCORE = 10", 10.0),
    ("Score:7", 7.0),
    ("Score 7.250", 7.25),
    ("Score - 6", 6.0),
    ("Rating: 8.5", 8.5),
    ("**Score:** 8.5", 8.5),
    ("**Score: 8.5**", 8.5),
    ("**Score**: **8.5**", 8.5),
    ("## Score\n\n8", 8.0),
    ("| Score | 8 |", 8.0),
    ("Score: 8.5/10", 8.5),
    ("Score: **8.5** / 10", 8.5),
    ("Score: 8.5 out of 10", 8.5),
    ("Score: 8 points.", 8.0),
    ("The score is 8.", 8.0),
    ("I would give a score of 8, because the shadow is right.", 8.0),
    ("My score for this edit is 6.5.", 6.5),
    ("{'score': 8}", 8.0),
    ("Three lights changed.\nScore: 4.5\n", 4.5),
    ("Score: 8. There are 3 people and 2 dogs.", 8.0),
    ("A score of 10 would need shadows, so:\nScore: 7", 7.0),
    ("Gravity score: 8\nLighting score: 6\nScore: 7", 7.0),
    ("Score: 6\nAfter a second look.\nFinal score: 7", 7.0),
    ("Overall score: 7.5", 7.5),
    ("The lighting score is 6, so my score is 7 in the end.", 7.0),
    ("A score of 10 would need shadows. Final score: 7", 7.0),
    ("Score: 7\nTherefore the score is 7.", 7.0),
    # Chinese, fullwidth, decimal commas.
    ("评分：8.5", 8.5),
    ("得分: 7", 7.0),
    ("总分：９．５", 9.5),
    ("综合评分为 6.5 分", 6.5),
    ("最终得分：3", 3.0),
    ("评分：8，因为影子方向正确", 8.0),
    ("物理评分：8\n总分：7", 7.0),
    ("8,5", 8.5),
    ("Score: 0,875", 0.875),
    ("８．５／１０", 8.5),
    # JSON and tags.
    ('{"score": 8.5}', 8.5),
    ('{"reasoning": "the sky is 3/10 clear", "score": 8}', 8.0),
    ('```json\n{"score": "8.5/10"}\n```', 8.5),
    ('Here it is: {"Rating": 7} I hope it helps in 2 ways.', 7.0),
    ('{"评分"：6，"理由"："好"}', 6.0),
    ('{"score": 6, "final_score": 7}', 7.0),
    ('{"Overall Score": 7, "light_score": 3}', 7.0),
    ('{"result": {"score": 4}}', 4.0),
    ('{"scores": {"gravity": 8}, "score": 5}', 5.0),
    ('{"reasoning": "on a scale of 1 to 5\nfour", "score": 8}', 8.0),
    ('{note} {"score": 3}', 3.0),
    ('{"score": 8,}', 8.0),
    ('{"reasoning": "the "sun" moved", "score": 7}', 7.0),
    ("<score>8.5</score>", 8.5),
    ("I saw 3 errors. <SCORE> 2 </SCORE> Score: 9", 2.0),
    # Fractions, phrases, lone numbers.
    ("I'd call it 7/10.", 7.0),
    ("That makes 7.5 out of 10 for me", 7.5),
    ("2/3 of the balloons rose; 6/10", 6.0),
    ("8 (out of 10)", 8.0),
    ("I give it a 7.", 7.0),
    ("我给这次编辑打 8 分。", 8.0),
    ("8.5", 8.5),
    (" **9** \n", 9.0),
    ("There are 3 dogs.\n7.250", 7.25),
    ("8分", 8.0),
    # Restated scales and thinking.
    ("On a scale of 0-10 I give 7", 7.0),
    ("On a scale from 0 to 10, I would give this edit 7.", 7.0),
    ("Score (0-10): 7", 7.0),
    ("Score [0, 10]: 7", 7.0),
    ("Score: 7 (scale: 0.000–10.000)", 7.0),
    ("按0到10分，得分：6", 6.0),
    ("满分10分，我给8分", 8.0),
    ("On a scale from 0 to 10 this earns 3.5", 3.5),
    ("On a scale from 0 to 10, this edit earns a solid **3.5**.", 3.5),
    ("The shadow is wrong. On a scale of 0 (worst) to 10 (best) this deserves 3.5 points.", 3.5),
    ("On a scale where 0 is a failure and 10 is perfect, the 2 dogs make it 7.", 7.0),
    ("This earns 3.5 on a scale from 0 to 10.", 3.5),
    ("Out of 10, I give 7", 7.0),
    ("Out of 10, this earns 7.", 7.0),
    ("Out of a possible 10 points: 7", 7.0),
    ("I saw 3 dogs. This is, out of 10, a 6.5.", 6.5),
    ("0-10 scale: 6", 6.0),
    ("0–10 scale: **6**", 6.0),
    ("0-10: 6", 6.0),
    ("From 0 to 10: 6", 6.0),
    ("Realism (0-10): 6", 6.0),
    ("10-point scale: 6", 6.0),
    ("On a ten-fold look. On a 0 to 10 scale this is worth 6 because the sky is right.", 6.0),
    ("von 0 bis 10: 6", 6.0),
    ("Auf einer Skala von 0 bis 10 verdient das 3,5.", 3.5),
    ("Von 0 bis 10 verdient das 3,5", 3.5),
    ("Sur une échelle de 0 à 10, cela mérite 6", 6.0),
    ("En una escala de 0 a 10 esto merece un 6.", 6.0),
    ("满分10分,给7分", 7.0),
    ("满分10分，这次编辑值7分。", 7.0),
    ("10分满分，7分", 7.0),
    ("我给10分满分", 10.0),
    ("以10分为满分，这次编辑值 7 分", 7.0),
    ("10分制下这次编辑值6.5分", 6.5),
    ("在0到10分之间，这次编辑值 3.5 分。", 3.5),
    ("<think>Score: 3? No.</think>\nScore: 8", 8.0),
    ("a 2/10 at first</think>9", 9.0),
    ("<think>4</think><answer>6</answer>", 6.0),
    # Full marks, other labels and doubts beside the verdict.
    ("总分10分，得7分", 7.0),
    ("评分（总分10分）：7", 7.0),
    ("The highest possible score is 10. I assign 4.", 4.0),
    ("A perfect score of 10 is not warranted; I give it 5.", 5.0),
    ("This earns 3.5 on a 0-10 scale", 3.5),
    ("最终评分为：**7**", 7.0),
    ("Score out of 10: 7", 7.0),
    ('{"score": 4, "max_score": 10}', 4.0),
    ("This earns 3.5 on a 10-point scale.", 3.5),
    ("十分制，打7分", 7.0),
    ("The light is 7/10 but the final score is 6.", 6.0),
    ("The shadow is not right, so the score is 4.", 4.0),
    ("Score: 7 (maximum score: 10)", 7.0),
    ("The cup did not move, so I give it 3.", 3.0),
    ("没有阴影，给3分", 3.0),
]

UNREADABLE = [
    "",
    "   \n",
    "The edit is good.",
    "There are 3 people in the picture.",
    "Score: N/A",
    "Score: high",
    "Score: eight",
    # Outside the scale.
    "Score: 11",
    "Score: -3",
    "Score: −3",
    "-3",
    '{"score": 85}',
    '{"score": NaN}',
    '{"score": 1e999}',
    "12/10",
    # Another scale or unit.
    "4/5",
    "Score: 4/5",
    "Score: 35/50",
    "85%",
    "Score: 85 %",
    "Score: 8%",
    "Rating: 4 stars",
    "Rating: 4★",
    "On a scale of 1 to 5, I give 4",
    "满分5分，得分：4",
    "Score (1-5): 4",
    "百分制：评分 9",
    "From 1 to 5, I give 4",
    "Out of 5, I give 4",
    "1-5 scale: 4",
    "5-point scale: 4",
    "Auf einer Skala von 1 bis 5 verdient das 4",
    "5分满分，给4分",
    # A stated scale, and a number that is something else.
    "On a scale from 0 to 10 I see 3 dogs",
    "On a scale from 0 to 10 I cannot say. There are 3.",
    "按0到10分评，图中有3只狗。",
    "The count went from 0 to 10, and I see 3.",
    "On a scale from 0 to 10 this earns 3.5 or 4",
    "On a scale from 0 to 10 the light earns 3, the shadow 4.",
    "On a scale from 0 to 10 this earns 35 %.",
    "Out of 10 dogs I see 7",
    # Only a scale.
    "On a scale of 0-10",
    "0到10分",
    "Score: 0-10",
    # Several or none in particular.
    "Score: 7-8",
    "Score: 7 to 8",
    "Score: 7 or 8",
    "between 7 and 8/10",
    "7-8/10",
    "Score: 5 + 2 = 7",
    "Score: 6\nScore: 7",
    "Final score: 6\nFinal score: 7",
    "Final score: 6. Or rather: score: 7",
    "7/10 for light, 5/10 for shadow",
    "Gravity score: 8\nLighting score: 6",
    "3\n4",
    '{"score": 6, "score": 7}',
    '{"a": {"score": 6}, "b": {"score": 7}}',
    '{"light": {"score": 3}, "score": 7',
    '{"score": null}',
    '{"score": true}',
    '{"score": [8, 9]}',
    '{"reasoning": "Score: 7"}',
    '{"score": 8.5.2}',
    # Not quite numbers.
    "Score: 7.5.2",
    "Score: 7e0",
    "Score: 8th",
    "Score: 7,500",
    "Score:\n1. Gravity holds.\n2. Light is right.",
    "9/10 of the picture is unchanged",
    "Made on 2026/8/10",
    "underscore: 5",
    # Cut off.
    "<think>maybe 7/10",
    "Score: 7</think><think>no",
    # Another number, scale, unit, time or a negation beside the number.
    "On a scale from 0 to 10 this earns 3.5 (not 4)",
    "On a scale from 0 to 10 this earns 3.5 rather than 4.",
    "On a scale from 0 to 10 this earns 3.5 but could have been 6.",
    "On a scale from 0 to 10 this earns a 3.5 instead of a 7.",
    "On a scale from 0 to 10 it is not a 7.",
    "On a scale from 0 to 10 this is below 3.",
    "On a scale from 0 to 10 image 2 is better than image 1.",
    "满分10分，扣2分",
    "满分10分，不到5分",
    "评分：4（总分5分）",
    "Score: 4 (on a scale of 1 to 5)",
    "Score: 4 (scale 1-5)",
    "Score: 4 (1–5)",
    "评分：4（1-5分）",
    "评分：4，最高5分",
    "1-5分，打4分",
    "Scale: [1, 5]. Score: 4",
    "With 1 being worst and 5 being best, I'd rate this a 4.",
    "Score: 4 points out of 5",
    "Score: 4 out of a possible 5",
    "This edit earns a score of 4 out of five",
    "五分制打4分",
    '{"score": 4, "max_score": 5}',
    "Score: 7‑8",
    "Score: 7‐8",
    "Score: 7―8",
    "Score: 7 through 8",
    "Score: 7 (or 8)",
    "Score: 7 or maybe 8",
    "Score: 7, maybe 8",
    "评分：7分到8分",
    "Score: 4⁄5",
    "Score: 4∕5",
    "Score: 4:5",
    "Score: 7 1/2",
    "Score: 7½",
    "Score: 7 per cent",
    "Score: 7‰",
    "The maximum score is 10.",
    "Total score is 10. I give 7.",
    "It does not deserve a score of 8.",
    "Previously, the score was 8. Now it is 4.",
    "A rating of 5 is neutral, this is better: 7/10",
    "Less than 5/10",
    "This isn't worth 9/10.",
    "7/10 objects were kept",
    "不给10分",
    "给7分还是8分？",
    "Lighting score is 6. I give it 7.",
    "4/10 looks bad; I give it 5.",
    "Score: 4 out of five",
    "五分满分，评分：4",
]

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
