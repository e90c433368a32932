"""`CategoryScorer`: the benchmark's default — one judge, one prompt pair per category, one score per edit."""

from __future__ import annotations

import logging
import numbers
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from src.config import ModelConfig, PromptConfig
from src.data.image import ImageError, content_hash
from src.data.sample import EditSample
from src.errors import ConfigError, ModelUnusable
from src.models.reward.base_reward import BaseRewardModel, Judgement, JudgeRequest, NotApplicable
from src.models.reward.dialogue import Question, VisionLanguageJudge, before_and_after
from src.registry import build, check_params, load_class
from src.rewards.asking import ask_for_scores
from src.rewards.base import EditedSample
from src.rewards.parsing import GRAMMAR
from src.rewards.prompts import Language, load_prompt
from src.rewards.verdict import SCORE_RANGE, Status, Verdict, failed

logger = logging.getLogger(__name__)

SHIPPED_PROMPTS = {
    "物理": "physical",
    "环境": "environment",
    "社会": "social",
    "因果": "causal",
    "指代": "referential",
}
"""The rubric in `prompts/category` of each category; a category may also be called by the rubric's own name."""

_PLACEHOLDER = re.compile(r"\{(original_description|edit_instruction)\}")


class CategoryScorer:
    """Asks a judge for one score per edit, with the prompts of the sample's category.

    Prompts are those of the config. Where it has none for a category, a `VisionLanguageJudge` is asked the shipped
    rubric in `prompts/category`, in the run's language and with the sample's rationale; other judges need a prompt.
    Five sub-criteria a category, the score their mean: the rubrics are this project's own, after the categories and
    the neutral 5 of the older image_edit_benchmark.

    The judge's class and params are checked on construction; its weights load in `load`.

    Raises:
        ConfigError: on construction, for a wrong class path or params.
    """

    def __init__(self, judge: ModelConfig, prompts: Mapping[str, PromptConfig], language: Language = "en") -> None:
        self.judge_class = load_class(judge.class_path, BaseRewardModel)  # type: ignore[type-abstract]
        check_params(self.judge_class, judge.params, "reward_model.params")
        self._params = judge.params
        self._prompts = dict(prompts)
        self._language = language
        self._converses = issubclass(self.judge_class, VisionLanguageJudge)
        self._judge: BaseRewardModel | None = None

    @property
    def batch_size(self) -> int:
        """The judge's own, once loaded."""
        return self._loaded.batch_size

    @property
    def max_concurrency(self) -> int:
        """The judge's own, once loaded."""
        return self._loaded.max_concurrency

    def has_prompt(self, category: str) -> bool:
        """Whether the judge can be asked about a category: by the config, by a shipped rubric, or without prompts."""
        return category in self._prompts or not self.judge_class.needs_prompts or self._has_rubric(category)

    def _has_rubric(self, category: str) -> bool:
        return self._converses and SHIPPED_PROMPTS.get(category, category) in SHIPPED_PROMPTS.values()

    def identity(self) -> dict[str, Any]:
        """Class of the scorer and identity of the judge; prompts enter each verdict's key as rendered."""
        judge = self.judge_class.identity(self._params)
        return {"class": f"{type(self).__module__}.{type(self).__qualname__}", "judge": judge}

    def question(self, sample: EditSample) -> Any:
        """The rendered prompts; with the grammar of the reply or, for plain judges, the hash of the reference image.

        Raises:
            ConfigError: when the judge needs a prompt for the sample's category and there is none.
        """
        system, user, template = self._render(sample)
        if self._converses:
            keys = {"system": system, "text": user, "template": template}
            return keys | {"language": self._language, "grammar": GRAMMAR}
        reference = None
        if sample.reference is not None:
            try:
                reference = content_hash(sample.reference.read_bytes())
            except ImageError as error:
                reference = str(error)
        return [system, user, reference]

    def load(self) -> None:
        """Builds the judge."""
        if self._judge is None:
            self._judge = build(self.judge_class, self._params)
            self._judge.load_to_gpu()

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        """One verdict an edit, in order; a batch that fails as a whole is judged one by one."""
        if isinstance(self._loaded, VisionLanguageJudge):
            return self._ask_all(self._loaded, batch)
        verdicts: list[Verdict | None] = [None] * len(batch)
        requests: dict[int, JudgeRequest] = {}
        for position, edit in enumerate(batch):
            try:
                requests[position] = self._request(edit)
            except ImageError as error:
                verdicts[position] = failed(Status.NOT_APPLICABLE, f"the reference image cannot be used: {error}")
        for position, verdict in zip(requests, self._judge_all(list(requests.values())), strict=True):
            verdicts[position] = verdict
        return [verdict for verdict in verdicts if verdict is not None]

    def _ask_all(self, judge: VisionLanguageJudge, batch: list[EditedSample]) -> list[Verdict]:
        questions = []
        for edit in batch:
            system, user, _ = self._render(edit.sample)
            source = edit.source if judge.compare_with_original else None
            questions.append(Question(system, before_and_after(source, edit.edited, self._language), user))
        return [
            Verdict(
                status=answer.status,
                score=answer.score,
                reason=answer.reason,
                replies=answer.replies,
                usage=answer.usage,
                seconds=answer.seconds,
                model=answer.model,
            )
            for answer in ask_for_scores(judge, questions)
        ]

    def _judge_all(self, requests: list[JudgeRequest]) -> list[Verdict]:
        if len(requests) < 2:
            return [self._judge_one(request) for request in requests]
        started = time.perf_counter()
        try:
            judgements = self._loaded.judge_batch(requests)
        except ModelUnusable:
            raise
        except Exception as error:  # one bad edit must not cost its neighbours their verdicts
            logger.warning("a batch of %d judgements failed (%r); judging one by one", len(requests), error)
            return [self._judge_one(request) for request in requests]
        seconds = (time.perf_counter() - started) / len(requests)
        return [_verdict(judgement, seconds) for judgement in judgements]

    def _judge_one(self, request: JudgeRequest) -> Verdict:
        started = time.perf_counter()
        try:
            judgement = self._loaded.judge(request)
        except ModelUnusable:
            raise
        except NotApplicable as error:
            return failed(Status.NOT_APPLICABLE, str(error))
        except Exception as error:  # a judge may fail in any way; the sample is counted, the run goes on
            logger.warning("a judgement failed: %r", error)
            seconds = time.perf_counter() - started
            return replace(failed(Status.JUDGE_FAILED, f"{type(error).__name__}: {error}"), seconds=seconds)
        return _verdict(judgement, time.perf_counter() - started)

    def _request(self, edit: EditedSample) -> JudgeRequest:
        system_prompt, user_prompt, _ = self._render(edit.sample)
        return JudgeRequest(
            edited_image=edit.edited,
            original_image=edit.source,
            original_description=edit.sample.description,
            edit_instruction=edit.sample.instruction,
            system_prompt=system_prompt,
            user_prompt=user_prompt,
            reference_image=edit.sample.reference.decode() if edit.sample.reference else None,
        )

    def _render(self, sample: EditSample) -> tuple[str, str, str | None]:
        """System prompt, user prompt, and the shipped template that they come from, if any."""
        if prompt := self._prompts.get(sample.category):
            return fill(prompt.system_prompt, sample), fill(prompt.user_prompt_template, sample), None
        if self._has_rubric(sample.category):
            name = SHIPPED_PROMPTS.get(sample.category, sample.category)
            shipped = load_prompt("category", name, self._language)
            system, user = shipped.render(
                original_description=sample.description,
                edit_instruction=sample.instruction,
                rationale=sample.rationale,
            )
            return system, user, f"{shipped.version} {shipped.sha256}"
        if self.judge_class.needs_prompts:
            raise ConfigError(missing_prompt(sample.category, self.judge_class.__name__))
        return "", "", None

    @property
    def _loaded(self) -> BaseRewardModel:
        assert self._judge is not None, "CategoryScorer.load() must be called before scoring"
        return self._judge


def missing_prompt(category: str, judge: str) -> str:
    """The text of the error for a category without prompts."""
    return (
        f"{judge} needs a prompt for category {category!r}: add prompts.{category}.system_prompt and "
        f".user_prompt_template, or leave the category out of benchmark.categories"
    )


def fill(template: str, sample: EditSample) -> str:
    """Replaces the two placeholders in one pass: other braces, and braces in the data, survive."""
    values = {"original_description": sample.description, "edit_instruction": sample.instruction}
    return _PLACEHOLDER.sub(lambda match: values[match.group(1)], template)


def _verdict(judgement: Judgement, seconds: float) -> Verdict:
    score = judgement.score
    low, high = SCORE_RANGE
    is_number = isinstance(score, numbers.Real) and not isinstance(score, bool)
    if not is_number or not low <= score <= high:  # NaN fails the comparison
        reason = f"the judge returned {score!r}, which is not a number from {low:g} to {high:g}"
        return replace(failed(Status.JUDGE_FAILED, reason), replies=judgement.replies, seconds=seconds)
    return Verdict(
        status=Status.SCORED,
        score=float(score),
        dimensions=judgement.dimensions,
        replies=judgement.replies,
        usage=judgement.usage,
        seconds=seconds,
    )
