"""The format reward gives full marks less what is deducted, and its deductions say why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from src.data.image import LazyImage
from src.data.sample import EditSample
from src.data.verdict import Status
from src.errors import ConfigError
from src.models.vlm.prompts import load_prompt
from src.registry import check_params
from src.rewards.core.scorer import Completion, EditedSample
from src.rewards.scorers.format import FormatScorer

IMAGE = Image.new("RGB", (8, 8))
SAMPLE = EditSample("a", 0, "物理", "tip it", "a cup", LazyImage(base64_text=""))
ANSWER = "<think>a tree</think>\n<answer>yes</answer>"


def rewrite(instruction: str, thought: str = "water runs down") -> str:
    return f"<CoT>{thought}</CoT>\n<Re_edit>{instruction}</Re_edit>"


def score(text: str, **params: Any) -> tuple[float | None, dict[str, float | None]]:
    (verdict,) = FormatScorer(params).score_completions([Completion(text)])
    assert verdict.status is Status.SCORED
    return verdict.score, verdict.dimensions


@pytest.mark.parametrize(
    ("length", "expected"), [(1, 10.0), (50, 10.0), (51, 9.0), (100, 9.0), (101, 7.0), (150, 7.0), (151, 5.0)]
)
@pytest.mark.parametrize("word", ["paint ", "画"])
def test_long_instructions_cost_by_the_published_steps(length: int, expected: float, word: str) -> None:
    total, dimensions = score(rewrite(word * length), length_unit="words")
    assert total == expected
    assert dimensions == {"structure_deducted": 0.0, "length_deducted": 10.0 - expected, "lines_deducted": 0.0}


def test_the_mean_length_counts_and_the_thought_is_free() -> None:
    two = rewrite("paint " * 15, thought="so " * 500) + "\n<Re_edit>dim it</Re_edit>"
    assert score(two)[0] == 10.0


@pytest.mark.parametrize(
    ("length", "expected"), [(1, 10.0), (50, 10.0), (51, 9.0), (100, 9.0), (101, 7.0), (150, 7.0), (151, 5.0)]
)
def test_lengths_are_counted_in_characters_as_in_the_source(length: int, expected: float) -> None:
    assert score(rewrite("a" * length))[0] == expected


def test_forty_five_words_are_too_long_by_the_published_count() -> None:
    assert score(rewrite("paint " * 45))[0] == 5.0


@pytest.mark.parametrize(
    ("text", "deducted"),
    [
        ("<CoT>a</CoT><Re_edit>b</Re_edit>", 4.0),
        ("<CoT>a</CoT> \t\r\n\n  <Re_edit>b</Re_edit>  ", 0.0),
        ("<CoT>a\nb</CoT>\n<Re_edit>b</Re_edit>", 2.0),
        ("<CoT>a\n</CoT><Re_edit>b</Re_edit>", 4.0),
        ("<CoT>a</CoT>" * 4 + "<Re_edit>b</Re_edit>", 10.0),
        ("<CoT>a</CoT>" * 9 + "<Re_edit>b</Re_edit>", 20.0),
    ],
)
def test_every_block_that_does_not_keep_to_its_line_costs(text: str, deducted: float) -> None:
    total, dimensions = score(text)
    assert dimensions["lines_deducted"] == deducted
    assert total == max(0.0, 10.0 - deducted)


@pytest.mark.parametrize("text", ["", "paint it red", "<CoT>a</CoT>", rewrite("b") + " done", rewrite(""), ANSWER])
def test_a_broken_structure_costs_everything_and_nothing_else_is_counted(text: str) -> None:
    assert score(text) == (0.0, {"structure_deducted": 10.0, "length_deducted": 0.0, "lines_deducted": 0.0})


def test_an_answer_after_its_thought_has_full_marks_on_as_many_lines_as_it_likes() -> None:
    assert score(ANSWER.replace("a tree", "a\ntree"), style="think_answer")[0] == 10.0
    assert score(ANSWER.replace("yes", "yes " * 20), style="think_answer")[0] == 9.0
    assert score(rewrite("b"), style="think_answer")[0] == 0.0


@given(st.text(max_size=80))
def test_every_text_has_a_score(text: str) -> None:
    total, dimensions = score(text)
    assert total == max(0.0, 10.0 - sum(value or 0.0 for value in dimensions.values()))


def test_an_edit_is_scored_by_the_completion_that_demanded_it() -> None:
    edits = [EditedSample(SAMPLE, IMAGE, IMAGE, rewrite("b")), EditedSample(SAMPLE, IMAGE, IMAGE)]
    written, unwritten = FormatScorer().score(edits)
    assert (written.status, written.score) == (Status.SCORED, 10.0)
    assert (unwritten.status, unwritten.score) == (Status.NOT_APPLICABLE, None)
    assert "no policy" in str(unwritten.reason)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"length_limits": [100, 50, 150]}, "must rise"),
        ({"length_penalties": [1, -1, 3]}, "must not be negative"),
        ({"line_penalty": -1}, "line_penalty"),
        ({"stile": "rewrite"}, "Did you mean 'style'"),
    ],
)
def test_wrong_settings_are_refused_before_anything_runs(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_params(FormatScorer, params, "scorer.params")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_shipped_rewrite_prompts_ask_for_the_tags_that_are_rewarded(language: Any) -> None:
    prompt = load_prompt("rewrite", "first_pass", language)
    system, _ = prompt.render(original_description="", edit_instruction="tip it")
    FormatScorer().prompt_agrees(system)
    with pytest.raises(ConfigError, match="FormatScorer with style think_answer demands <think>, <answer>"):
        FormatScorer({"style": "think_answer"}).prompt_agrees(system)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_rules_that_a_policy_is_told_name_every_number_that_is_deducted(language: Any) -> None:
    params = {"length_limits": [41, 83, 127], "length_penalties": [1.5, 2.5, 4], "line_penalty": 0.75}
    rules = FormatScorer(params).policy_rules(language)
    for said in ("<CoT>", "<Re_edit>", "41", "83", "127", "1.5", "2.5", "4", "0.75"):
        assert said in rules
    assert ("characters" in rules) or ("个字符" in rules)
    words = FormatScorer(params | {"length_unit": "words"}).policy_rules(language)
    assert ("41 words" in words) or ("41 个词" in words)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_costs_nothing_is_no_rule(language: Any) -> None:
    rules = FormatScorer({"length_penalties": [0, 0, 5], "line_penalty": 0}).policy_rules(language)
    assert "150" in rules
    assert "100" not in rules
    assert len(rules.splitlines()) == 3
    answer = FormatScorer({"style": "think_answer"}).policy_rules(language)
    assert "<answer>" in answer
    assert "Re_edit" not in answer
