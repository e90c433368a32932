"""`CategoryScorer`: the benchmark's default — one judge, one prompt pair per category, one score per edit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from src.config import PromptConfig
from src.data.categories import ENGLISH, category_key, category_label
from src.data.image import ImageError
from src.data.sample import EditSample
from src.data.verdict import SentPrompt, Verdict
from src.errors import ConfigError, did_you_mean
from src.models.reward.base_reward import JudgeRequest
from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.grammar.parsing import GRAMMAR
from src.models.vlm.prompts import Language
from src.models.vlm.question import Picture
from src.rewards.core.judge_prompt import JudgedQuestion, JudgePrompt
from src.rewards.core.judged_scorer import JudgedScorer, unusable_reference
from src.rewards.core.plain_judging import judge_all
from src.rewards.core.scorer import NO_REFERENCE, EditedSample, reference_key

_PLACEHOLDER = re.compile(r"\{(original_description|edit_instruction)\}")
_SCORE = "score"


@dataclass(frozen=True)
class CategoryQuestion(JudgedQuestion):
    """The one prompt of a sample's category."""

    language: Language | None = None
    """The language of the images' labels; None for a judge that only scores: it gets no labels, and the reference image
    whatever the prompt shows."""

    def key(self) -> Any:
        """The prompt; with the grammar of the reply, and with the reference image where it is sent. JSON-able."""
        (asked,) = self.prompts
        if self.language is None:
            return [asked.system, asked.text, reference_key(self.sample)]
        keys = {"system": asked.system, "text": asked.text, "template": asked.template}
        keys |= {"language": self.language, "grammar": GRAMMAR}
        reference = {"reference": reference_key(self.sample)} if self.shows_reference else {}
        further = self.further_sources_key()
        return keys | reference | ({"further sources": further} if further else {})


class CategoryScorer(JudgedScorer):
    """Asks a judge for one score per edit, with the prompts of the sample's category.

    Prompts are those of the config. Where it has none for a category, a `VisionLanguageJudge` is asked the shipped
    rubric in `prompts/category`, in the run's language and with the sample's rationale; other judges need a prompt.
    Five sub-criteria a category, the score their mean: the rubrics are this project's own, after the categories and
    the neutral 5 of the older image_edit_benchmark.

    Raises:
        ConfigError: on construction, without a judge, or for repeats of a judge that only scores.
    """

    FOLDER = "category"
    PROMPTS = tuple(ENGLISH.values())

    def check_judge(self) -> None:
        """Takes any judge; only one that answers questions can repeat its reply."""
        if self.params.repeats > 1 and not self._converses:
            raise ConfigError(f"scorer.params.repeats: {self._handle.name} only scores; it is asked once an edit")

    def check_categories(self, categories: Sequence[str]) -> None:
        """Refuses a category without a prompt in the config or a shipped rubric, unless the judge works without."""
        for category in categories:
            if problem := self._missing_prompt(category):
                raise ConfigError(problem)

    def needs_source(self, sample: EditSample) -> bool:
        """The shipped rubrics do; a prompt of the config asks about what it says; a judge that only scores says so."""
        if self._missing_prompt(sample.category) is not None:
            return False
        return self._inline(sample.category) is None if self._converses else self._handle.model_class.needs_source

    def inapplicable(self, sample: EditSample) -> str | None:
        """Why the sample cannot be judged: the judge needs a prompt or a reference image that is not there."""
        if problem := self._missing_prompt(sample.category):
            return problem
        if self._handle.model_class.needs_reference and sample.reference is None:
            return f"{NO_REFERENCE}, by which {self._handle.name} judges"
        if sample.further_sources and not self._converses:
            return f"the sample has {1 + len(sample.further_sources)} source pictures, and {self._handle.name} sees one"
        return None

    def prompt_versions(self) -> dict[str, str]:
        """Version and hash of each shipped rubric in the run's language; none where they are never asked."""
        return super().prompt_versions() if self._converses else {}

    def judge_prompts(self, sample: EditSample) -> list[JudgePrompt]:
        """Returns the prompt of the sample's category: the one in the config, or else the shipped rubric.

        Raises:
            ConfigError: when the judge needs a prompt for the sample's category and there is none.
        """
        shows: tuple[Picture, ...] = ("source", "edited") if sample.source else ("edited",)
        if has_reference := self._shows_reference(sample):
            shows = (*shows, "reference")
        if prompt := self._inline(sample.category):
            system, user = fill(prompt.system_prompt, sample), fill(prompt.user_prompt_template, sample)
            return [JudgePrompt(system, user, None, (_SCORE,), shows)]
        if self._has_rubric(sample.category):
            name = ENGLISH[category_key(sample.category)]
            return [self.edit_prompt(name, (_SCORE,), sample, shows, reference=has_reference)]
        if problem := self._missing_prompt(sample.category):
            raise ConfigError(problem)
        return [JudgePrompt("", "", None, (_SCORE,), shows)]

    def conclude(self, edit: EditedSample, values: dict[str, float]) -> tuple[float, dict[str, float | None]]:
        """Returns the judge's score as it is."""
        return values[_SCORE], {}

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        """Returns one verdict for each edit, in order."""
        return super().score(batch) if self._converses else self._score_plainly(batch)

    def make_question(self, sample: EditSample) -> CategoryQuestion:
        """Renders the prompt; `question` is the way to ask for it."""
        language = self.setting.language if self._converses else None
        return CategoryQuestion(tuple(self.judge_prompts(sample)), sample, language)

    def _score_plainly(self, batch: list[EditedSample]) -> list[Verdict]:
        requests: list[JudgeRequest] = []
        places: list[int | Verdict] = []
        for edit in batch:
            try:
                requests.append(self._plain_request(edit))
                places.append(len(requests) - 1)
            except ImageError as error:
                places.append(unusable_reference(error))
        verdicts = judge_all(self._handle.model, requests)
        asked = [replace(one, prompts=_given(request)) for one, request in zip(verdicts, requests, strict=True)]
        return [place if isinstance(place, Verdict) else asked[place] for place in places]

    def _plain_request(self, edit: EditedSample) -> JudgeRequest:
        (asked,) = self.question_about(edit).prompts
        sent = edit.sample.reference if self._handle.model_class.takes_reference() else None
        return JudgeRequest(
            edited_image=edit.edited,
            original_image=edit.given_source if self._handle.model_class.needs_source else edit.source,
            original_description=edit.sample.description,
            edit_instruction=edit.sample.instruction,
            system_prompt=asked.system,
            user_prompt=asked.text,
            reference_image=sent.decode() if sent else None,
        )

    def _shows_reference(self, sample: EditSample) -> bool:
        """The shipped rubrics say what a reference is for; a config's own prompt cannot know of it."""
        judge = self._handle.model_class
        wanted = issubclass(judge, VisionLanguageJudge) and judge.wants_reference(self._handle.params)
        return wanted and sample.reference is not None and self._inline(sample.category) is None

    def _missing_prompt(self, category: str) -> str | None:
        """What to do about a category that the judge cannot be asked about."""
        if self._inline(category) or self._has_rubric(category):
            return None
        if not self._handle.model_class.needs_prompts:
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


def _given(request: JudgeRequest) -> tuple[SentPrompt, ...]:
    """The prompt that a judge got that only scores, if it got one; its images come without words."""
    images = [request.original_image, request.edited_image, request.reference_image]
    words = SentPrompt(request.system_prompt, ("",) * sum(image is not None for image in images), request.user_prompt)
    return (words,) if words.system or words.text else ()


def fill(template: str, sample: EditSample) -> str:
    """Replaces the two placeholders in one pass: other braces, and braces in the data, survive."""
    values = {"original_description": sample.description, "edit_instruction": sample.instruction}
    return _PLACEHOLDER.sub(lambda match: values[match.group(1)], template)
