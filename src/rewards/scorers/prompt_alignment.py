"""`PromptAlignmentScorer`: does a picture of text alone show what the text asks for, and is it well made?"""

from __future__ import annotations

from typing import Self

import pydantic

from src.data.sample import EditSample
from src.models.base import ModelParams
from src.rewards.core.judge_prompt import JudgePrompt
from src.rewards.core.judged_scorer import JudgedParams, JudgedScorer
from src.rewards.core.means import Weight, weighted_mean
from src.rewards.core.scorer import EditedSample

FOLLOWING, QUALITY = "prompt_following", "perceptual_quality"


class PromptAlignmentWeights(ModelParams):
    """The weights of the dimensions; they are relative and need not add up to 1."""

    prompt_following: Weight = 0.7
    perceptual_quality: Weight = 0.3

    @pydantic.model_validator(mode="after")
    def _some(self) -> Self:
        if not any(self.model_dump().values()):
            raise ValueError("at least one dimension needs a weight above 0")
        return self


class PromptAlignmentScorer(JudgedScorer):
    """`score = Σ w·d / Σ w` over `prompt_following` and `perceptual_quality`, 0–10 each, one question about each.

    The judge sees the picture that was made and nothing else, so that no source is needed: the scorer of pictures of
    text alone where a benchmark brings no knowledge graph. The default weights are those of the older trl_qwen_ie for
    its pictures of text alone, which it stated and never used.

    Dimensions: the two that the judge scores.
    """

    FOLDER = "prompt_alignment"
    PROMPTS = ("following", "quality")

    class Params(JudgedParams):
        """The weights of the two questions."""

        weights: PromptAlignmentWeights = PromptAlignmentWeights()

    def judge_prompts(self, sample: EditSample) -> list[JudgePrompt]:
        """Both prompts show the picture alone."""
        return [
            self.edit_prompt("following", (FOLLOWING,), sample, shows=("edited",)),
            self.edit_prompt("quality", (QUALITY,), sample, shows=("edited",)),
        ]

    def conclude(self, edit: EditedSample, values: dict[str, float]) -> tuple[float, dict[str, float | None]]:
        """The weighted mean of the two values, which are reported as they are."""
        return weighted_mean(values, self.params.weights.model_dump()), {**values}
