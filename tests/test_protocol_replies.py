"""Replies in the forms that published protocols ask for: values are read, or nothing is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.models.vlm.grammar.parsing import UnparsableReply
from src.rewards.core.judge_prompt import ReplyFormat
from src.rewards.scorers.protocols.replies import (
    final_score,
    json_or_first_digit,
    json_scores,
    mean_of_any_lines,
    score_list,
    scored_lines,
)

PAIR = score_list(("a", "b"), 0, 10)
LINES = scored_lines(("a", "b", "c"), 1, 5)
FINAL = final_score("s", 1, 5)
RIGHT = final_score("s", 0, 1)
JSON = json_scores(("consistency_score",), 1, 5)
FORMS = (PAIR, LINES, FINAL, RIGHT, JSON, json_or_first_digit(("consistency_score",)), mean_of_any_lines("mean"))


@pytest.mark.parametrize(
    ("form", "reply", "values"),
    [
        (PAIR, '{"score": [3, 10], "reasoning": "x"}', [3, 10]),
        (PAIR, 'Sure.\n```json\n{"reasoning": "it has 4 cups", "score": [0, 7.5]}\n```', [0, 7.5]),
        (
            LINES,
            "Brief reasoning: fine.\nPrompt Compliance: 4\nVisual Naturalness: 4\nPhysical & Detail Integrity: 3",
            [4, 4, 3],
        ),
        (LINES, "- **Compliance:** 5\n- **Naturalness:** 5\n- **Integrity:** 1", [5, 5, 1]),
        (FINAL, "Step by step.\n\n**Final Score:** **4**", [4]),
        (FINAL, "**Final Score: 4/5**", [4]),
        (FINAL, "Final Score: 3\nI repeat, final score: 3.", [3]),
        (FINAL, "A final score needs care.\nFinal Score: 2", [2]),
        (RIGHT, "**Final Score**: **0**", [0]),
        (JSON, '{"reasoning": "r", "consistency_score": 5}', [5]),
        (JSON, '{\n"consistency_score": 4,\n"reasoning": 1. Detect Difference 2. Decision\n}', [4]),
    ],
)
def test_a_reply_of_the_form_gives_its_values(form: ReplyFormat, reply: str, values: list[float]) -> None:
    assert list(form.read(reply).values()) == values


@pytest.mark.parametrize(
    ("form", "reply"),
    [
        (PAIR, '{"score": [3]}'),
        (PAIR, '{"score": [3, 11]}'),
        (PAIR, '{"score": [3, "good"]}'),
        (PAIR, '{"score": [3, 4]} or {"score": [4, 4]}'),
        (PAIR, "[3, 4]"),
        (LINES, "Compliance: 4\nNaturalness: 4"),
        (LINES, "Cups: 2\nCompliance: 4\nNaturalness: 4\nIntegrity: 4"),
        (LINES, "Compliance: 4\nNaturalness: 6\nIntegrity: 4"),
        (LINES, "Compliance: 4\nNaturalness: 4\nIntegrity:\n3"),
        (FINAL, "4"),
        (FINAL, "Final Score: 4\nFinal Score: 5"),
        (FINAL, "Final Score: 1-5"),
        (FINAL, "Final Score: 4,5"),
        (FINAL, "Final Score: 6"),
        (FINAL, "Final Score: 8/10"),
        (FINAL, "Final Score: 4, no, the final score is X"),
        (RIGHT, "Final Score: 5"),
        (JSON, "I would say 4 of 5."),
        (JSON, "<think>Final Score: 4"),
    ],
)
def test_a_reply_of_another_form_is_no_number(form: ReplyFormat, reply: str) -> None:
    with pytest.raises(UnparsableReply):
        form.read(reply)


def test_what_the_official_scripts_make_of_a_reply_is_reproduced_only_as_published() -> None:
    assert mean_of_any_lines("mean").read("A: 5\nB: 4\nC: good") == {"mean": 4.5}
    assert mean_of_any_lines("mean").read("A: 5\nB: 4\nC: 4") == {"mean": 4.33}
    assert json_or_first_digit(("consistency_score",)).read("It keeps 3 of the 5 cups.") == {"consistency_score": 3.0}
    with pytest.raises(UnparsableReply):
        json_or_first_digit(("instruction_score", "knowledge_score")).read("It keeps 3 of the 5 cups.")


@given(st.sampled_from(FORMS), st.text())
def test_any_text_gives_values_on_the_scale_or_is_unparsable(form: ReplyFormat, text: str) -> None:
    try:
        values = form.read(text)
    except UnparsableReply:
        return
    assert all(math.isfinite(value) and 0 <= value <= 10 for value in values.values())


@given(st.integers(1, 5), st.text(alphabet="abc: .\n*", max_size=40))
def test_a_final_score_is_read_after_any_prose_without_one(score: int, prose: str) -> None:
    assert FINAL.read(f"{prose}\n**Final Score:** **{score}**") == {"s": float(score)}


def test_a_long_reply_is_read_in_time_linear_in_it() -> None:
    for form in FORMS:
        for unit in ("Final Score", "a: ", "* ", '{"score": [', "Final Score: **"):
            with pytest.raises(UnparsableReply):
                form.read(unit * 20_000)
