"""`CompletionQualityScorer`: is the text from which a picture was made to the point, concrete, and well written?"""

from __future__ import annotations

from src.data.sample import EditSample
from src.data.verdict import SCORE_RANGE
from src.models.vlm.grammar.parsing_several import scores_schema
from src.rewards.core.judge_prompt import JudgedQuestion, JudgePrompt, judge_prompt
from src.rewards.core.judged_scorer import JudgedScorer
from src.rewards.core.means import weighted_mean
from src.rewards.core.scorer import EditedSample

ASPECTS = ("relevance", "concreteness", "language")
SCALE = (1.0, 5.0)
NO_COMPLETION = "a benchmark has no policy's text of which to judge the quality; only a training has"


class CompletionQualityScorer(JudgedScorer):
    """`score = 10 × (m − 1) / 4`, with m the mean of `relevance`, `concreteness` and `language`, 1–5 each.

    After the completion reward of the older trl_qwen_ie. One question shows the judge the request and the policy's
    text, and no picture; it is meant as a part of a `CombinedScorer` beside a scorer of the picture, such as
    `KnowledgeGraphScorer`.

    What differs from trl_qwen_ie: a failed question leaves the completion without a score, where it was worth 0.

    Dimensions: the three values, 1–5 each.
    """

    FOLDER = "completion_quality"
    PROMPTS = ("quality",)
    reads_completion = True

    def inapplicable(self, sample: EditSample) -> str | None:
        """Says so of every sample in a run in which no policy's text is scored."""
        return super().inapplicable(sample) if self.setting.has_completions else NO_COMPLETION

    def judge_prompts(self, sample: EditSample) -> list[JudgePrompt]:
        """The one prompt before there is a text; the text itself is a part of the verdict's key by its own right."""
        return [self._about(sample, "")]

    def question_about(self, edit: EditedSample) -> JudgedQuestion:
        """The prompt about the text that led to this edit; none where no text did."""
        prompts = () if edit.completion is None else (self._about(edit.sample, edit.completion),)
        return JudgedQuestion(prompts, edit.sample)

    def conclude(self, edit: EditedSample, values: dict[str, float]) -> tuple[float, dict[str, float | None]]:
        """The mean on 0–10, and the three values as they were given."""
        low, high = SCALE
        mean = weighted_mean(values, dict.fromkeys(ASPECTS, 1.0))
        return SCORE_RANGE[1] * (mean - low) / (high - low), {**values}

    def _about(self, sample: EditSample, completion: str) -> JudgePrompt:
        told = {
            "original_description": sample.description,
            "edit_instruction": sample.instruction,
            "rationale": sample.rationale,
            "completion": completion,
        }
        changes = {"shows": (), "schema": scores_schema(ASPECTS), "score_range": SCALE}
        return judge_prompt(self.prompt("quality"), ASPECTS, told, **changes)
