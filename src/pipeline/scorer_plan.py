"""`ScorerPlan`: everything about scorer and judge that is known before they load — identity, questions, keys."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from src.config import ClassConfig, ModelConfig, PromptConfig
from src.data.sample import EditSample
from src.models.vlm.prompts import Language
from src.pipeline.keys import digest, verdict_key
from src.pipeline.placement import Placement
from src.pipeline.work_item import PendingVerdict
from src.registry import resolve
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import Scorer, ScorerSetting, question_key


class ScorerPlan:
    """Checked sections `scorer`, `reward_model` and `prompts`.

    Args:
        scorer: Class path and params of the scorer.
        judge: Those of the judge, if there is one.
        prompts: Inline prompts by category.
        language: The language of the samples.
        placement: Where the judge runs; in this process when absent.
        has_completions: Whether a policy's text is scored with each edit, as in a training.

    Raises:
        ConfigError: on construction, for anything in these sections that could not run.
    """

    def __init__(
        self,
        scorer: ClassConfig,
        judge: ModelConfig | None,
        prompts: Mapping[str, PromptConfig],
        language: Language,
        placement: Placement | None = None,
        *,
        has_completions: bool = False,
    ) -> None:
        self.judge = JudgeHandle(judge) if judge else None
        self._judge_actors = 0
        self._placement = placement
        if self.judge is not None and placement is not None:
            self._place(self.judge, placement)
        self.prompts = prompts
        self._has_completions = has_completions
        setting = ScorerSetting(self.judge, prompts, language, has_completions)
        self.scorer = resolve(scorer, Scorer, "scorer")(scorer.params, setting)  # type: ignore[type-abstract]

    def _place(self, judge: JudgeHandle, placement: Placement) -> None:
        self._judge_actors = count = placement.judge_count(judge)
        if count:
            placement.check(judge.model_class, judge.params, "reward_model")
            judge.load_elsewhere = lambda: placement.judge(judge, count)

    def identity(self) -> dict[str, Any]:
        """What decides the verdicts, judge included; JSON-able.

        Raises:
            ModelError: when the judge's weights are missing.
        """
        return self._identity

    @cached_property
    def _identity(self) -> dict[str, Any]:
        return self.scorer.identity()

    @cached_property
    def digest(self) -> str:
        """The identity's digest, which enters the key of every verdict."""
        return digest(self.identity())

    @property
    def name(self) -> str:
        """What is loaded: the judge's class, or the scorer's where there is no judge."""
        return self.judge.name if self.judge else type(self.scorer).__name__

    @property
    def judge_actors(self) -> int:
        """How many processes of a cluster judge; none for a judge in this process, or one that is not asked."""
        return self._judge_actors if self._judge_actors and self._asks_judge else 0

    @property
    def _asks_judge(self) -> bool:
        """Whether the scorer asks the judge; a judge that is not asked is not loaded."""
        return "judge" in self.identity()

    def stated_usage(self) -> frozenset[str]:
        """The amounts that the judge states of every answer; none where no judge is asked."""
        judge = self.judge if self._asks_judge else None
        return judge.model_class.stated_usage(judge.params) if judge else frozenset()

    def check_weights(self) -> None:
        """Raises `ModelError` when weights are missing, or say that they are not for this judge."""
        if self._asks_judge and self.judge is not None:
            self.judge.check_weights()

    def check_devices(self) -> None:
        """Raises `ModelError` when the judge asks for a GPU that is not on this machine, or not in the cluster."""
        if self._asks_judge and self.judge is not None:
            if self._placement is not None and self.judge_actors:
                self._placement.check_judges(self.judge.name, self.judge_actors)
            else:
                self.judge.check_devices()

    def unload(self) -> None:
        """Frees the judge, if there is one."""
        if self.judge is not None:
            self.judge.unload()

    def pending_verdict(
        self, sample: EditSample, edit_key: str, completion: str | None = None, uneditable: str | None = None
    ) -> PendingVerdict:
        """What is asked about an edit of the sample, rendered once, and the content key of the verdict.

        Args:
            sample: The sample.
            edit_key: The edit's content key.
            completion: The text of a policy that demanded the edit.
            uneditable: Why there can be no edit of the sample, if so; then there is nothing to ask.
        """
        inapplicable = uneditable or self.scorer.why_inapplicable(sample)
        question = None if inapplicable else self.scorer.question(sample)
        asked = inapplicable or question_key(question)
        if self._has_completions and self.scorer.reads_completion:
            asked = [asked, completion]
        key = verdict_key(self.digest, asked, edit_key)
        return PendingVerdict(sample, key, question, inapplicable, completion)
