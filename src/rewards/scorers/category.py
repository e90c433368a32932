"""`CategoryScorer`: the benchmark's default — one judge, one prompt pair per category, one score per edit."""

from __future__ import annotations

import logging
import numbers
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pydantic

from src.config import PromptConfig
from src.data.categories import ENGLISH, category_key, category_label
from src.data.image import ImageError
from src.data.sample import EditSample
from src.data.verdict import SCORE_RANGE, Status, Verdict, failed
from src.errors import ConfigError, ModelUnusable, did_you_mean
from src.models.base import ModelParams
from src.models.reward.base_reward import Judgement, JudgeRequest, NotApplicable
from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.asking import Answer, ScoreRequest, ask_repeatedly, score_request
from src.models.vlm.grammar.parsing import GRAMMAR
from src.models.vlm.prompts import load_prompt
from src.models.vlm.question import Question, before_and_after
from src.reasons import reason_of, without_addresses
from src.rewards.core.scorer import NO_REFERENCE, EditedSample, Scorer, ScorerSetting, reference_key

logger = logging.getLogger(__name__)

_PLACEHOLDER = re.compile(r"\{(original_description|edit_instruction)\}")


class CategoryScorer(Scorer):
    """Asks a judge for one score per edit, with the prompts of the sample's category.

    Prompts are those of the config. Where it has none for a category, a `VisionLanguageJudge` is asked the shipped
    rubric in `prompts/category`, in the run's language and with the sample's rationale; other judges need a prompt.
    Five sub-criteria a category, the score their mean: the rubrics are this project's own, after the categories and
    the neutral 5 of the older image_edit_benchmark.

    Raises:
        ConfigError: on construction, without a judge.
    """

    class Params(ModelParams):
        """All optional."""

        repeats: int = pydantic.Field(1, ge=1)
        """Independent replies per edit, of which the mean is taken; for judges that answer questions by sampling."""

    def __init__(self, params: Mapping[str, Any] | None = None, setting: ScorerSetting | None = None) -> None:
        super().__init__(params, setting)
        self._handle = self._require_judge()
        self._converses = issubclass(self._handle.judge_class, VisionLanguageJudge)
        if self.params.repeats > 1 and not self._converses:
            raise ConfigError(f"scorer.params.repeats: {self._handle.name} only scores; it is asked once an edit")
        self._handle.check_repeats(self.params.repeats)

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        """The judge's own, once loaded."""
        return self._handle.model.batch_size

    @property
    def max_concurrency(self) -> int:  # type: ignore[override]
        """The judge's own, once loaded."""
        return self._handle.model.max_concurrency

    def check_categories(self, categories: Sequence[str]) -> None:
        """Each needs a prompt in the config or a shipped rubric, unless the judge works without."""
        for category in categories:
            if problem := self._missing_prompt(category):
                raise ConfigError(problem)

    def inapplicable(self, sample: EditSample) -> str | None:
        """Where the judge needs a prompt or a reference image that is not there."""
        if problem := self._missing_prompt(sample.category):
            return problem
        if self._handle.judge_class.needs_reference and sample.reference is None:
            return f"{NO_REFERENCE}, by which {self._handle.name} judges"
        return None

    def judge_calls(self, sample: EditSample) -> int:
        """One, as often as it is repeated."""
        return int(self.params.repeats)

    def _missing_prompt(self, category: str) -> str | None:
        """What to do about a category that the judge cannot be asked about."""
        if self._inline(category) or self._has_rubric(category):
            return None
        if not self._handle.judge_class.needs_prompts:
            return None
        known = [*self.setting.prompts, *(ENGLISH if self._converses else ())]
        return (
            f"{self._handle.name} needs a prompt for category {category!r}: add prompts.{category}.system_prompt "
            "and .user_prompt_template, or leave the category out of benchmark.categories."
            + did_you_mean(category, [*self.setting.prompts, *ENGLISH, *ENGLISH.values()])
            + f" There are prompts for: {', '.join(map(category_label, known)) or 'none'}."
        )

    def _has_rubric(self, category: str) -> bool:
        return self._converses and category_key(category) in ENGLISH

    def _inline(self, category: str) -> PromptConfig | None:
        """The config's prompts for a category, by the very name or else by any that means the same."""
        prompts = self.setting.prompts
        same = (name for name in prompts if category_key(name) == category_key(category))
        return prompts.get(category) or prompts.get(next(same, ""))

    def identity(self) -> dict[str, Any]:
        """With the judge's; prompts enter each verdict's key as rendered."""
        return super().identity() | {"judge": self._handle.identity()}

    def prompt_versions(self) -> dict[str, str]:
        """The shipped rubrics in the run's language."""
        prompts = [load_prompt("category", name, self.setting.language) for name in ENGLISH.values()]
        return {prompt.version: prompt.sha256 for prompt in prompts} if self._converses else {}

    def question(self, sample: EditSample) -> Any:
        """The rendered prompts; with the grammar of the reply, and the hash of a reference image that is shown.

        Raises:
            ConfigError: when the judge needs a prompt for the sample's category and there is none.
        """
        system, user, template = self._render(sample)
        if self._converses:
            keys = {"system": system, "text": user, "template": template}
            keys |= {"language": self.setting.language, "grammar": GRAMMAR}
            return keys | ({"reference": reference_key(sample)} if self._shows_reference(sample) else {})
        return [system, user, reference_key(sample)]

    def load(self) -> None:
        """Builds the judge."""
        self._handle.load()

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        """One verdict an edit, in order; a batch that fails as a whole is judged one by one."""
        if isinstance(self._handle.model, VisionLanguageJudge):
            return self._ask_all(self._handle.model, batch)
        verdicts: list[Verdict | None] = [None] * len(batch)
        requests: dict[int, JudgeRequest] = {}
        for position, edit in enumerate(batch):
            try:
                requests[position] = self._request(edit)
            except ImageError as error:
                verdicts[position] = _without_reference(error)
        for position, verdict in zip(requests, self._judge_all(list(requests.values())), strict=True):
            verdicts[position] = verdict
        return [verdict for verdict in verdicts if verdict is not None]

    def _ask_all(self, judge: VisionLanguageJudge, batch: list[EditedSample]) -> list[Verdict]:
        verdicts: dict[int, Verdict] = {}
        requests: dict[int, ScoreRequest] = {}
        for position, edit in enumerate(batch):
            try:
                requests[position] = self._enquiry(judge, edit)
            except ImageError as error:
                verdicts[position] = _without_reference(error)
        answers = ask_repeatedly(judge, list(requests.values()), self.params.repeats)
        verdicts |= {position: _answered(answer) for position, answer in zip(requests, answers, strict=True)}
        return [verdicts[position] for position in range(len(batch))]

    def _enquiry(self, judge: VisionLanguageJudge, edit: EditedSample) -> ScoreRequest:
        system, user, _ = self._render(edit.sample)
        source = edit.source if judge.compare_with_original else None
        shown = edit.sample.reference if self._shows_reference(edit.sample) else None
        reference = shown.decode() if shown else None
        images = before_and_after(source, edit.edited, self.setting.language, reference)
        return score_request(Question(system, images, user))

    def _shows_reference(self, sample: EditSample) -> bool:
        """The shipped rubrics say what a reference is for; a config's own prompt cannot know of it."""
        judge = self._handle.judge_class
        wanted = issubclass(judge, VisionLanguageJudge) and judge.wants_reference(self._handle.params)
        return wanted and sample.reference is not None and sample.category not in self.setting.prompts

    def _judge_all(self, requests: list[JudgeRequest]) -> list[Verdict]:
        if len(requests) < 2:
            return [self._judge_one(request) for request in requests]
        started = time.perf_counter()
        try:
            judgements = self._handle.model.judge_batch(requests)
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
            judgement = self._handle.model.judge(request)
        except ModelUnusable:
            raise
        except NotApplicable as error:
            return failed(Status.NOT_APPLICABLE, without_addresses(str(error)))
        except Exception as error:  # a judge may fail in any way; the sample is counted, the run goes on
            logger.warning("a judgement failed: %r", error)
            seconds = time.perf_counter() - started
            return replace(failed(Status.JUDGE_FAILED, reason_of(error)), seconds=seconds)
        return _verdict(judgement, time.perf_counter() - started)

    def _request(self, edit: EditedSample) -> JudgeRequest:
        system_prompt, user_prompt, _ = self._render(edit.sample)
        sent = edit.sample.reference if self._handle.judge_class.takes_reference() else None
        return JudgeRequest(
            edited_image=edit.edited,
            original_image=edit.source,
            original_description=edit.sample.description,
            edit_instruction=edit.sample.instruction,
            system_prompt=system_prompt,
            user_prompt=user_prompt,
            reference_image=sent.decode() if sent else None,
        )

    def _render(self, sample: EditSample) -> tuple[str, str, str | None]:
        """System prompt, user prompt, and the shipped template that they come from, if any."""
        if prompt := self._inline(sample.category):
            return fill(prompt.system_prompt, sample), fill(prompt.user_prompt_template, sample), None
        if self._has_rubric(sample.category):
            name = ENGLISH[category_key(sample.category)]
            shipped = load_prompt("category", name, self.setting.language)
            system, user = shipped.render(
                original_description=sample.description,
                edit_instruction=sample.instruction,
                rationale=sample.rationale,
                reference=self._shows_reference(sample),
            )
            return system, user, f"{shipped.version} {shipped.sha256}"
        if problem := self._missing_prompt(sample.category):
            raise ConfigError(problem)
        return "", "", None


def fill(template: str, sample: EditSample) -> str:
    """Replaces the two placeholders in one pass: other braces, and braces in the data, survive."""
    values = {"original_description": sample.description, "edit_instruction": sample.instruction}
    return _PLACEHOLDER.sub(lambda match: values[match.group(1)], template)


def _without_reference(error: ImageError) -> Verdict:
    return failed(Status.NOT_APPLICABLE, f"the reference image cannot be used: {error}")


def _answered(answer: Answer) -> Verdict:
    return Verdict(
        status=answer.status,
        score=answer.values["score"] if answer.values else None,
        reason=answer.reason,
        replies=answer.replies,
        usage=answer.usage,
        seconds=answer.seconds,
        model=answer.model,
    )


def _verdict(judgement: Judgement, seconds: float) -> Verdict:
    score = judgement.score
    low, high = SCORE_RANGE
    is_number = isinstance(score, numbers.Real) and not isinstance(score, bool)
    if not is_number or not low <= score <= high:  # NaN fails the comparison
        reason = f"the judge returned {without_addresses(repr(score))}, which is not a number from {low:g} to {high:g}"
        return replace(failed(Status.JUDGE_FAILED, reason), replies=judgement.replies, seconds=seconds)
    return Verdict(
        status=Status.SCORED,
        score=float(score),
        dimensions=judgement.dimensions,
        replies=judgement.replies,
        usage=judgement.usage,
        seconds=seconds,
    )
