"""`SixDimensionScorer`: five judged dimensions and the form of the policy's text, in one score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

import pydantic

from src.data.sample import EditSample
from src.models.base import ModelParams
from src.models.vlm.prompts import Language
from src.rewards.core.judge_prompt import JudgePrompt
from src.rewards.core.judged_scorer import JudgedParams, JudgedScorer
from src.rewards.core.means import Weight, weighted_geometric_mean, weighted_mean
from src.rewards.core.scorer import Completion, EditedSample, ScorerSetting
from src.rewards.scorers.format import NO_COMPLETION, FormatScorer

JUDGED = ("physical_geometric", "environment_context", "cultural_social", "logical_causal", "target_attribution")
"""Dimensions that the judge scores, one for each of the benchmark's categories."""


class SixDimensionWeights(ModelParams):
    """The weights of the dimensions; they are relative and need not add up to 1."""

    physical_geometric: Weight = 0.15
    environment_context: Weight = 0.15
    cultural_social: Weight = 0.15
    logical_causal: Weight = 0.15
    target_attribution: Weight = 0.15
    format: Weight = 0.25

    @pydantic.model_validator(mode="after")
    def _some_judged(self) -> Self:
        if not any(getattr(self, name) for name in JUDGED):
            raise ValueError(
                "at least one judged dimension needs a weight above 0; for the form alone use FormatScorer"
            )
        return self


class SixDimensionScorer(JudgedScorer):
    """The reward of the older official_grpo_rl_post_edit_module, its four strategies included.

    With d the dimensions on 0–10, w their weights, and J the judged ones:

    - `weighted_sum`: `Σ w·d / Σ w` over all six.
    - `gated`: 0 when the format is below `gate`, else `Σ w·d / Σ w` over J.
    - `multiplicative`: `∏ d^(w / Σ w)` over all six; one 0 that has a weight makes it 0.
    - `max_deviation`: `judged_share·d* + (1 − judged_share)·format`, where d* is the dimension of J, among those with a
      weight, that lies farthest from `reference_point`; of two equally far ones the lower.

    The format is `FormatScorer`'s score of the completion. An edit that no policy's text demanded has none: the
    dimension is None, its weight or share goes to the others, and nothing is gated.

    What differs from the original: it always computed `weighted_sum` or `max_deviation`, whichever was named. Its
    rubric's neutral score was later lowered to 2 while deviations were still measured from 5, so that a dimension
    without bearing on the edit was taken for its worst fault; here one setting, `reference_point`, is what the prompt
    tells the judge to give to such a dimension and what deviations are measured from. An unreadable reply was a 5;
    here it leaves the edit without a score.

    Dimensions: the five that the judge scores, and `format`.
    """

    FOLDER = "six_dimensions"
    PROMPTS = ("criteria",)
    reads_completion = True

    class Params(JudgedParams):
        """Defaults are the published ones, with format points doubled to 0–10."""

        weights: SixDimensionWeights = SixDimensionWeights()
        strategy: Literal["weighted_sum", "gated", "multiplicative", "max_deviation"] = "weighted_sum"
        gate: float = pydantic.Field(5.0, ge=0, le=10)
        """The least format, 0–10, with which the strategy `gated` gives more than 0."""
        judged_share: float = pydantic.Field(0.8, ge=0, le=1)
        """The share of the judged dimension in the score of the strategy `max_deviation`, 0–1."""
        reference_point: float = pydantic.Field(5.0, ge=0, le=10)
        """The score of a dimension that the edit has no bearing on."""
        calls: Literal["one", "five"] = "five"
        """`five` questions that share everything but the criterion are independent, and can be answered with an
        expected score; `one` question for all costs a fifth of the replies."""
        format: FormatScorer.Params = FormatScorer.Params()

    def __init__(self, params: Mapping[str, Any] | None = None, setting: ScorerSetting | None = None) -> None:
        super().__init__(params, setting)
        self._format = FormatScorer(self.params.format.model_dump())
        self._weights: dict[str, float] = self.params.weights.model_dump()

    def identity(self) -> dict[str, Any]:
        """What decides the verdicts, the judge and the rules of the format included."""
        return super().identity() | {"format": self._format.identity()}

    def left_out(self, sample: EditSample) -> dict[str, str]:
        """The format, in a run in which no policy's text is scored."""
        return {} if self.setting.has_completions or not self._counts_format else {"format": NO_COMPLETION}

    @property
    def _counts_format(self) -> bool:
        """Whether the format would move the score."""
        match self.params.strategy:
            case "gated":
                return bool(self.params.gate > 0)
            case "max_deviation":
                return bool(self.params.judged_share < 1)
            case _:
                return self._weights["format"] > 0

    def policy_rules(self, language: Language) -> str:
        """Returns the rules of the format."""
        return self._format.policy_rules(language)

    def prompt_agrees(self, template: str) -> None:
        """Checks that a policy's prompt asks for the tags that the format demands."""
        self._format.prompt_agrees(template)

    def judge_prompts(self, sample: EditSample) -> list[JudgePrompt]:
        """One prompt for all judged dimensions, or one for each."""
        asked = [JUDGED] if self.params.calls == "one" else [(name,) for name in JUDGED]
        return [self.edit_prompt("criteria", names, sample, neutral=self.params.reference_point) for names in asked]

    def conclude(self, edit: EditedSample, values: dict[str, float]) -> tuple[float, dict[str, float | None]]:
        """The score by the strategy, and the six dimensions."""
        form = None
        if edit.completion is not None:
            (verdict,) = self._format.score_completions([Completion(edit.completion)])
            form = verdict.score
        return self._combine(values, form), {**values, "format": form}

    def _combine(self, judged: dict[str, float], form: float | None) -> float:
        every = judged if form is None else {**judged, "format": form}
        match self.params.strategy:
            case "weighted_sum":
                return weighted_mean(every, self._weights)
            case "gated":
                is_closed = form is not None and form < self.params.gate
                return 0.0 if is_closed else weighted_mean(judged, self._weights)
            case "multiplicative":
                return weighted_geometric_mean(every, self._weights)
            case _:
                return self._by_deviation(judged, form)

    def _by_deviation(self, judged: dict[str, float], form: float | None) -> float:
        point, share = self.params.reference_point, self.params.judged_share
        counted = [value for name, value in judged.items() if self._weights[name] > 0]
        farthest = max(counted, key=lambda value: (abs(value - point), -value))
        if form is None:
            return farthest
        return weighted_mean({"judged": farthest, "format": form}, {"judged": share, "format": 1 - share})
