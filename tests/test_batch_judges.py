"""Judges of several edits at once see the references that judges of one edit see."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from src.models.reward.base_reward import BaseRewardModel, JudgeRequest

SOURCE, EDITED, REFERENCE = (Image.new("RGB", (4, 4), color) for color in ("red", "green", "blue"))
REQUESTS = [
    JudgeRequest(EDITED, SOURCE, "", "", reference_image=REFERENCE),
    JudgeRequest(EDITED, SOURCE, "", "", reference_image=None),
]


class SingleJudge(BaseRewardModel):
    """8 with a reference, 2 without."""

    def _initialize(self) -> None:
        self.batches = 0

    def score(self, *columns: Any, reference_image: Image.Image | None = None, **kwargs: Any) -> float:
        return 2.0 if reference_image is None else 8.0


class BatchJudge(SingleJudge):
    """The same, several at once."""

    def batch_score(
        self, *columns: Any, reference_images: list[Image.Image | None] | None = None, **kwargs: Any
    ) -> list[float]:
        self.batches += 1
        assert reference_images is not None
        return [self.score(reference_image=reference) for reference in reference_images]


class OlderJudge(SingleJudge):
    """Several at once, without a parameter for references."""

    def batch_score(self, edited_images: list[Image.Image], *columns: Any, **kwargs: Any) -> list[float]:
        self.batches += 1
        return [2.0] * len(edited_images)


@pytest.mark.parametrize("judge", [SingleJudge({}), BatchJudge({}), OlderJudge({})])
def test_a_batch_is_judged_with_the_references_of_its_edits(judge: SingleJudge) -> None:
    assert [judgement.score for judgement in judge.judge_batch(REQUESTS)] == [8.0, 2.0]
    assert judge.batches == (type(judge) is BatchJudge)


def test_a_batch_without_references_is_judged_at_once_by_a_judge_that_could_not_take_them() -> None:
    judge = OlderJudge({})
    assert [judgement.score for judgement in judge.judge_batch(REQUESTS[1:] * 2)] == [2.0, 2.0]
    assert judge.batches == 1


def test_the_default_batch_score_hands_each_reference_to_its_score() -> None:
    columns = ([EDITED] * 2, [""] * 2, [""] * 2, [""] * 2, [""] * 2)
    assert SingleJudge({}).batch_score(*columns, reference_images=[None, REFERENCE]) == [2.0, 8.0]
