"""`GroundTruthScorer`: how far a judge finds the edit to be the result that the benchmark gives as right."""

from __future__ import annotations

from src.data.sample import EditSample
from src.rewards.core.judge_prompt import JudgePrompt
from src.rewards.core.judged_scorer import JudgedScorer
from src.rewards.core.scorer import EditedSample

_AGREEMENT = "agreement"


class GroundTruthScorer(JudgedScorer):
    """The score is the judge's, 0–10, when it is shown the source, the edit and the sample's reference edit.

    After the ground score of EARL (arXiv 2508.01119), which shows reference and edit without the source, so that its
    judge cannot tell what had to change. `ReferenceScorer` compares pixels instead and asks nobody.

    A sample without a usable reference is not applicable. There are no dimensions besides the score.
    """

    FOLDER = "ground_truth"
    PROMPTS = ("agreement",)

    def judge_prompts(self, sample: EditSample) -> list[JudgePrompt]:
        """Returns one prompt that shows all three pictures."""
        return [self.edit_prompt("agreement", (_AGREEMENT,), sample, shows=("source", "edited", "reference"))]

    def conclude(self, edit: EditedSample, values: dict[str, float]) -> tuple[float, dict[str, float | None]]:
        """The score that the judge gave; there are no dimensions."""
        return values[_AGREEMENT], {}
