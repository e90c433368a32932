from __future__ import annotations

from typing import Any

import pydantic
import pytest

from src.data.verdict import Status
from src.rewards.scorers.alignment_quality import AlignmentQualityScorer
from tests.judged_edits import EDITED, SOURCE, asked, edit, judged


def script(following: float, identity: float, quality: float) -> dict[str, list[Any]]:
    alignment = f'{{"instruction_following": {following}, "identity_preservation": {identity}}}'
    return {"- instruction_following": [alignment], "- perceptual_quality": [f"Score: {quality}"]}


@pytest.mark.parametrize(
    ("values", "weights", "expected"),
    [
        ((9, 6, 3), {}, 6.0),
        ((10, 10, 10), {}, 10.0),
        ((0, 10, 10), {}, 20 / 3),
        ((9, 6, 3), {"instruction_following": 2, "identity_preservation": 1, "perceptual_quality": 1}, 6.75),
        ((9, 1, 4), {"instruction_following": 0.6, "identity_preservation": 0, "perceptual_quality": 0.4}, 7.0),
        ((9, 1, 4), {"instruction_following": 0, "perceptual_quality": 0}, 1.0),
    ],
)
def test_the_score_is_the_mean_by_all_three_weights(
    values: tuple[float, ...], weights: dict[str, float], expected: float
) -> None:
    (verdict,) = judged(AlignmentQualityScorer, script(*values), weights=weights).score([edit()])
    assert verdict.score == pytest.approx(expected)
    assert tuple(verdict.dimensions.values()) == values


def test_alignment_is_judged_on_both_images_and_quality_on_the_edit_alone() -> None:
    scorer = judged(AlignmentQualityScorer, script(1, 1, 1))
    scorer.score([edit()])
    ((alignment, quality),) = asked(scorer)
    assert [shown.image for shown in alignment.images] == [SOURCE, EDITED]
    assert [shown.image for shown in quality.images] == [EDITED]


def test_repeats_take_the_mean_of_each_dimension() -> None:
    alignment = [f'{{"instruction_following": {score}, "identity_preservation": 6}}' for score in (2, 4, 9)]
    quality = [f"Score: {score}" for score in (7, 8, 9)]
    (verdict,) = judged(AlignmentQualityScorer, alignment + quality, repeats=3).score([edit()])
    assert tuple(verdict.dimensions.values()) == (5.0, 6.0, 8.0)


@pytest.mark.parametrize("name", ["- instruction_following", "- perceptual_quality"])
def test_either_failed_question_leaves_no_score(name: str) -> None:
    (verdict,) = judged(AlignmentQualityScorer, {**script(9, 6, 3), name: [{"error": "gone"}]}).score([edit()])
    assert (verdict.status, verdict.score) == (Status.JUDGE_FAILED, None)


def test_weights_must_leave_something_to_count() -> None:
    weights = {"instruction_following": 0, "identity_preservation": 0, "perceptual_quality": 0}
    with pytest.raises(pydantic.ValidationError, match="at least one dimension"):
        AlignmentQualityScorer.Params(weights=weights)
