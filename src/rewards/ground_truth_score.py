"""`GroundTruthScore`: how far a judge finds the edit to be the result that the benchmark gives as right."""

from __future__ import annotations

from src.data.sample import EditSample
from src.rewards.base import EditedSample
from src.rewards.judged_scorer import Inquiry, JudgedScorer

_AGREEMENT = "agreement"


class GroundTruthScore(JudgedScorer):
    """The judge's one score, 0–10, of source, edit and the sample's reference edit.

    After the ground score of EARL (arXiv 2508.01119), which shows reference and edit without the source, so that its
    judge cannot tell what had to change. `ReferenceScore` compares pixels instead and asks nobody.

    A sample without a usable reference is not applicable. There are no dimensions besides the score.
    """

    FOLDER = "ground_truth"
    PROMPTS = ("agreement",)

    def inquiries(self, sample: EditSample) -> list[Inquiry]:
        """One question."""
        return [self.edit_inquiry("agreement", (_AGREEMENT,), sample, shows=("source", "edited", "reference"))]

    def conclude(self, edit: EditedSample, values: dict[str, float]) -> tuple[float, dict[str, float | None]]:
        """The reply's value."""
        return values[_AGREEMENT], {}
