"""`AlignmentQualityScorer`: is the instruction followed, the identity kept, the picture well made (Complex-Edit)?"""

from __future__ import annotations

from typing import Self

import pydantic

from src.data.sample import EditSample
from src.models.base import ModelParams
from src.rewards.core.judge_prompt import JudgePrompt
from src.rewards.core.judged_scorer import JudgedParams, JudgedScorer
from src.rewards.core.means import Weight, weighted_mean
from src.rewards.core.scorer import EditedSample

ALIGNMENT = ("instruction_following", "identity_preservation")
QUALITY = ("perceptual_quality",)


class AlignmentQualityWeights(ModelParams):
    """The weights of the dimensions; they are relative and need not add up to 1."""

    instruction_following: Weight = 1.0
    identity_preservation: Weight = 1.0
    perceptual_quality: Weight = 1.0

    @pydantic.model_validator(mode="after")
    def _some(self) -> Self:
        if not any(self.model_dump().values()):
            raise ValueError("at least one dimension needs a weight above 0")
        return self


class AlignmentQualityScorer(JudgedScorer):
    """`score = Σ w·d / Σ w` over `instruction_following`, `identity_preservation` and `perceptual_quality`, 0–10 each.

    After Complex-Edit (UCSC-VLAA, 2025), whose overall score is the plain mean, and the reward of the older
    trl_qwen_ie: one question about the first two with both images, one about quality with the edit alone.

    What differs from trl_qwen_ie: it asked for identity and then left it out (0.6, 0 and 0.4 are its effective
    weights); its `n_evals`, here `repeats`, had no effect; and a failure was worth 0.5 of 1.

    Dimensions: the three that the judge scores.
    """

    FOLDER = "alignment_quality"
    PROMPTS = ("alignment", "quality")

    class Params(JudgedParams):
        """The weights are equal by default, as in Complex-Edit."""

        weights: AlignmentQualityWeights = AlignmentQualityWeights()

    def judge_prompts(self, sample: EditSample) -> list[JudgePrompt]:
        """One prompt shows both images, one the edit alone."""
        return [
            self.edit_prompt("alignment", ALIGNMENT, sample),
            self.edit_prompt("quality", QUALITY, sample, shows=("edited",)),
        ]

    def conclude(self, edit: EditedSample, values: dict[str, float]) -> tuple[float, dict[str, float | None]]:
        """The weighted mean of the three values, which are reported as they are."""
        return weighted_mean(values, self.params.weights.model_dump()), {**values}
