"""`VIEScorer`: does the edit do what was asked and nothing else, and is the picture well made (VIEScore)?"""

from __future__ import annotations

import math

from src.data.sample import EditSample
from src.rewards.core.judge_prompt import JudgePrompt
from src.rewards.core.judged_scorer import JudgedScorer
from src.rewards.core.scorer import EditedSample

CONSISTENCY = ("edit_success", "no_overediting")
QUALITY = ("naturalness", "no_artifacts")


class VIEScorer(JudgedScorer):
    """`score = √(SC · PQ)`, with SC and PQ each the lower of two judged values on 0–10.

    After VIEScore (Ku et al., arXiv 2312.14867; TIGER-AI-Lab/VIEScore), which GEdit-Bench and EARL use as well:

    - SC, semantic consistency, of source and edit: `min(edit_success, no_overediting)`.
    - PQ, perceptual quality, of the edit alone: `min(naturalness, no_artifacts)`.

    What differs: the question about quality tells the instruction, so that a strange picture that was asked for is not
    unnatural; an unreadable reply leaves the edit without a score instead of a random one; and with `repeats` the mean
    of each value goes into the formula, where EditScore takes the mean of the scores.

    Dimensions: the four values, `semantic_consistency` and `perceptual_quality`; high is good in all of them.
    """

    FOLDER = "vie_score"
    PROMPTS = ("semantic_consistency", "perceptual_quality")

    def judge_prompts(self, sample: EditSample) -> list[JudgePrompt]:
        """One prompt shows both images, one the edit alone."""
        return [
            self.edit_prompt("semantic_consistency", CONSISTENCY, sample),
            self.edit_prompt("perceptual_quality", QUALITY, sample, shows=("edited",)),
        ]

    def conclude(self, edit: EditedSample, values: dict[str, float]) -> tuple[float, dict[str, float | None]]:
        """The geometric mean of the two minima; the values and the minima are reported."""
        consistency = min(values[name] for name in CONSISTENCY)
        quality = min(values[name] for name in QUALITY)
        derived = {"semantic_consistency": consistency, "perceptual_quality": quality}
        return math.sqrt(consistency * quality), {**values, **derived}
