"""A picture of text alone is judged by its text, and nothing but the picture is shown."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pydantic
import pytest

from src.data.verdict import Status
from src.models.vlm.prompts import Language
from src.rewards.scorers.prompt_alignment import PromptAlignmentScorer
from tests.judged_edits import EDITED, asked, edit, judged, sample


def script(following: Any, quality: Any) -> dict[str, list[str]]:
    return {"- prompt_following": [f"Score: {following}"], "- perceptual_quality": [f"Score: {quality}"]}


@pytest.mark.parametrize(
    ("values", "weights", "expected"),
    [
        ((10, 0), {}, 7.0),
        ((9, 3), {"prompt_following": 1, "perceptual_quality": 1}, 6.0),
        ((2, 9), {"prompt_following": 1, "perceptual_quality": 0}, 2.0),
    ],
)
def test_the_score_is_the_mean_by_both_weights(
    values: tuple[int, int], weights: dict[str, float], expected: float
) -> None:
    (verdict,) = judged(PromptAlignmentScorer, script(*values), weights=weights).score([edit()])
    assert verdict.score == pytest.approx(expected)
    assert tuple(verdict.dimensions.values()) == values


@pytest.mark.parametrize("language", ["en", "zh"])
def test_both_questions_tell_the_text_and_show_the_picture_alone(language: Language) -> None:
    scorer = judged(PromptAlignmentScorer, script(5, 5), language=language)
    made = replace(edit(), sample=replace(sample(), source=None), source=None)
    scorer.score([made])
    ((following, quality),) = asked(scorer)
    for question in (following, quality):
        assert [shown.image for shown in question.images] == [EDITED]
        assert question.images[0].label == {"en": "The image:", "zh": "图像："}[language]
        assert all(told in question.text for told in ("tip it over", "tea runs out"))
        assert bool(re.search(r"[\u4e00-\u9fff]", question.system_prompt)) == (language == "zh")
    assert following.system_prompt == quality.system_prompt
    assert scorer.why_inapplicable(made.sample) is None


@pytest.mark.parametrize("values", [("much", 5), (5, 11)])
def test_either_question_without_an_answer_leaves_no_score(values: tuple[Any, Any]) -> None:
    (verdict,) = judged(PromptAlignmentScorer, script(*values)).score([edit()])
    assert (verdict.status, verdict.score) == (Status.UNPARSABLE, None)


def test_weights_must_leave_something_to_count() -> None:
    with pytest.raises(pydantic.ValidationError, match="at least one dimension"):
        PromptAlignmentScorer.Params(weights={"prompt_following": 0, "perceptual_quality": 0})
