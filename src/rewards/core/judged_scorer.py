"""`JudgedScorer`: the base of scorers that put one or more questions about an edit to a vision-language judge."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import pydantic
from PIL import Image

from src.data.image import ImageError
from src.data.sample import EditSample
from src.data.verdict import Status, Verdict, failed
from src.errors import ConfigError
from src.models.base import ModelParams
from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.asking import Answer, ScoreRequest, ask_repeatedly, total_usage
from src.models.vlm.grammar.parsing_several import scores_schema
from src.models.vlm.prompts import Language, PromptTemplate, load_prompt
from src.models.vlm.question import GENERATED, LABELS, LabelledImage, Picture, source_labels
from src.published_names import published_name, take_old_methods
from src.reasons import reason_of
from src.rewards.core.judge_prompt import JudgedQuestion, JudgePrompt, judge_prompt, sent
from src.rewards.core.scorer import NO_REFERENCE, EditedSample, Scorer, ScorerSetting

__all__ = ["JudgePrompt", "JudgedParams", "JudgedScorer", "judge_prompt"]  # what a scorer of a plug-in imports


class JudgedParams(ModelParams):
    """The settings that every judged scorer has."""

    repeats: int = pydantic.Field(1, ge=1)
    """The number of independent replies to each question, of which the mean is taken; needs a judge that samples."""


class JudgedScorer(Scorer):
    """Asks all questions about a batch of edits at once and concludes on each edit from its values.

    An edit has no score when any of its questions has no answer: a mean over what happens to be there would be
    another quantity. A subclass says what to ask (`judge_prompts`) and what follows (`conclude`), and may name its
    prompt files.

    Raises:
        ConfigError: on construction, without a judge that answers questions.
    """

    Params = JudgedParams
    FOLDER: ClassVar[str] = ""
    """The folder of its prompts: below `PROMPTS_DIR`, or else below `prompts/` of this project."""
    PROMPTS: ClassVar[tuple[str, ...]] = ()
    """Names of the prompt files in `FOLDER` that the scorer may ask."""
    PROMPTS_DIR: ClassVar[Path | None] = None
    """Where a plug-in keeps its prompts; None is the folder `prompts` beside the module of the class."""

    def __init__(self, params: Mapping[str, Any] | None = None, setting: ScorerSetting | None = None) -> None:
        super().__init__(params, setting)
        self._handle = self._require_judge()
        self._converses = issubclass(self._handle.model_class, VisionLanguageJudge)
        self.check_judge()
        self.check_repeats()
        self._latest: tuple[EditSample, JudgedQuestion] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Takes plug-ins of before, which say what to ask in `inquiries` and render it by `edit_inquiry`."""
        super().__init_subclass__(**kwargs)
        take_old_methods(cls, "inquiries", "edit_inquiry")

    def check_judge(self) -> None:
        """Refuses a judge that only scores.

        Raises:
            ConfigError: naming what to use instead.
        """
        if not self._converses:
            raise ConfigError(
                f"{type(self).__name__} puts several questions to its judge, and {self._handle.name} only scores: "
                "name a reward_model that implements VisionLanguageJudge.ask, or use CategoryScorer"
            )

    def check_repeats(self) -> None:
        """Refuses to repeat questions to a judge that would only say the same again.

        Raises:
            ConfigError: naming what to change.
        """
        self._handle.check_repeats(self.params.repeats)

    @abstractmethod
    def judge_prompts(self, sample: EditSample) -> list[JudgePrompt]:
        """What to ask about a sample's edit; no two share a dimension. An empty list means: not applicable."""

    @abstractmethod
    def conclude(self, edit: EditedSample, values: dict[str, float]) -> tuple[float, dict[str, float | None]]:
        """The score (0–10) and the dimensions to report, from the value of each asked dimension."""

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        """How many edits the judge, once it is loaded, wants at once."""
        return self._handle.model.batch_size

    @property
    def max_concurrency(self) -> int:  # type: ignore[override]
        """How many calls the judge, once it is loaded, bears at the same time."""
        return self._handle.model.max_concurrency

    def needs_source(self, sample: EditSample) -> bool:
        """Whether any prompt about the sample shows the source picture."""
        return any("source" in one.shows for one in self.question(sample).prompts)

    def inapplicable(self, sample: EditSample) -> str | None:
        """Says so where there is nothing to ask, or no reference image to show."""
        question = self.question(sample)
        if not question.prompts:
            return self._nothing_to_ask
        return NO_REFERENCE if question.shows_reference and sample.reference is None else None

    @property
    def _nothing_to_ask(self) -> str:
        name = published_name(type(self)).rpartition(".")[2]  # the reason is part of a verdict's key
        return f"{name} has nothing to ask about this sample"

    def judge_calls(self, sample: EditSample) -> int:
        """The number of prompts, times the repeats of each."""
        return len(self.question(sample).prompts) * int(self.params.repeats)

    def identity(self) -> dict[str, Any]:
        """What decides the verdicts, the judge's identity included."""
        return super().identity() | {"judge": self._handle.identity()}

    def question(self, sample: EditSample) -> JudgedQuestion:
        """The rendered prompts.

        A run wants to know of each sample whether it is applicable and at once what is asked: the latest sample's
        question is kept, so that both take one rendering.
        """
        latest = self._latest
        if latest is None or latest[0] is not sample:
            latest = self._latest = (sample, self.make_question(sample))
        return latest[1]

    def make_question(self, sample: EditSample) -> JudgedQuestion:
        """Renders the prompts; `question` is the way to ask for them."""
        return JudgedQuestion(tuple(self.judge_prompts(sample)), sample)

    def prompt_versions(self) -> dict[str, str]:
        """Version and hash of each of `PROMPTS`, in the run's language."""
        prompts = [self.prompt(name) for name in self.PROMPTS]
        return {prompt.version: prompt.sha256 for prompt in prompts}

    def prompt(self, name: str) -> PromptTemplate:
        """A prompt of `FOLDER` in the run's language: the plug-in's own, or else this project's.

        Raises:
            ConfigError: when there is none, naming the folders that were searched.
        """
        classes = [one for one in type(self).__mro__ if issubclass(one, JudgedScorer)]
        own = (_own_prompts(one) for one in classes)
        return load_prompt(self.FOLDER, name, self.setting.language, tuple(folder for folder in own if folder))

    def edit_prompt(
        self,
        name: str,
        dimensions: tuple[str, ...],
        sample: EditSample,
        shows: tuple[Picture, ...] = ("source", "edited"),
        **values: Any,
    ) -> JudgePrompt:
        """Renders a prompt of `FOLDER` that extends `prompts/shared/frame`.

        All questions about an edit then begin alike, up to the criteria: servers compute that part once. One dimension
        is asked for as a line of text, from which a judge can compute an expected score; several as a JSON object.

        Args:
            name: One of `PROMPTS`.
            dimensions: What the judge is to give a value for; the prompt chooses its criteria by it.
            sample: The sample, of which the judge is told description, instruction and rationale.
            shows: The pictures that are shown, in this order.
            values: Further values that the prompt names.
        """
        values |= {
            "original_description": sample.description,
            "edit_instruction": sample.instruction,
            "rationale": sample.rationale,
            "dimensions": dimensions,
        }
        schema = scores_schema(dimensions) if len(dimensions) > 1 else None
        return judge_prompt(self.prompt(name), dimensions, values, shows=shows, schema=schema)

    def load(self) -> None:
        """Builds the judge."""
        self._handle.load()

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        """One verdict an edit, in order."""
        judge = self._handle.model
        assert isinstance(judge, VisionLanguageJudge), f"checked on construction, got {judge!r}"
        requests: list[ScoreRequest] = []
        places: list[slice | Verdict] = []
        for edit in batch:
            first = len(requests)
            asked = self.question_about(edit).prompts
            try:
                requests += [one.request(self._images(one, edit, judge)) for one in asked]
            except ImageError as error:
                del requests[first:]
                places.append(unusable_reference(error))
            else:
                nothing = failed(Status.NOT_APPLICABLE, self._nothing_to_ask)
                places.append(slice(first, len(requests)) if asked else nothing)
        answers = ask_repeatedly(judge, requests, self.params.repeats)
        return [
            place
            if isinstance(place, Verdict)
            else replace(self._verdict(edit, answers[place]), prompts=tuple(map(sent, requests[place])))
            for edit, place in zip(batch, places, strict=True)
        ]

    def question_about(self, edit: EditedSample) -> JudgedQuestion:
        """The question that the edit came with, of which its key was made, or else the question about its sample."""
        question = self.question(edit.sample) if edit.question is None else edit.question
        assert isinstance(question, JudgedQuestion), f"not a question of {type(self).__name__}: {question!r}"
        return question

    def _images(self, asked: JudgePrompt, edit: EditedSample, judge: VisionLanguageJudge) -> tuple[LabelledImage, ...]:
        shown = [picture for picture in asked.shows if picture != "source" or judge.compare_with_original]
        return tuple(one for picture in shown for one in _labelled(picture, edit, self.setting.language))

    def _verdict(self, edit: EditedSample, answers: Sequence[Answer]) -> Verdict:
        """Concludes from the answers to all questions, and likewise from each repeat of them."""
        values = {name: value for answer in answers for name, value in (answer.values or {}).items()}
        unanswered = next((answer for answer in answers if answer.values is None), None)
        score, dimensions = (None, dict(values)) if unanswered else self.conclude(edit, values)
        return Verdict(
            status=unanswered.status if unanswered else Status.SCORED,
            score=score,
            dimensions=dimensions,  # type: ignore[arg-type]
            reason=unanswered.reason if unanswered else None,
            replies=tuple(reply for answer in answers for reply in answer.replies),
            usage=total_usage(answer.usage for answer in answers),
            seconds=sum(answer.seconds for answer in answers),
            model=next((answer.model for answer in reversed(answers) if answer.model), ""),
            repeats=tuple(self._repeat(edit, one) for one in zip(*(answer.repeats for answer in answers), strict=True)),
        )

    def _repeat(self, edit: EditedSample, answers: Sequence[Answer]) -> Verdict:
        """The verdict of one repeat; a formula that fails on it leaves the verdict on the means as it is."""
        try:
            return self._verdict(edit, answers)
        except Exception as error:  # `conclude` of a plug-in may take no value but means
            told = failed(Status.JUDGE_FAILED, reason_of(error))
            return replace(told, replies=tuple(reply for answer in answers for reply in answer.replies))


def _own_prompts(scorer_class: type[JudgedScorer]) -> Path | None:
    """Where a class that is not of this project keeps its prompts."""
    if "PROMPTS_DIR" in vars(scorer_class):
        return scorer_class.PROMPTS_DIR
    file = getattr(sys.modules.get(scorer_class.__module__), "__file__", None)
    return None if file is None or scorer_class.__module__.startswith("src.") else Path(file).parent / "prompts"


def unusable_reference(error: ImageError) -> Verdict:
    """The verdict on an edit whose sample has a reference that cannot be shown."""
    return failed(Status.NOT_APPLICABLE, f"the reference image cannot be used: {error}")


def _labelled(picture: Picture, edit: EditedSample, language: Language) -> list[LabelledImage]:
    """The images that a prompt shows as `picture`, each with its label: as `source`, all sources of the sample."""
    if picture != "source":
        made = picture == "edited" and edit.sample.source is None
        return [LabelledImage(GENERATED[language] if made else LABELS[language][picture], _pixels(picture, edit))]
    sources = [edit.given_source, *(further.decode() for further in edit.sample.further_sources)]
    return list(map(LabelledImage, source_labels(language, len(sources)), sources))


def _pixels(picture: Literal["edited", "reference"], edit: EditedSample) -> Image.Image:
    if picture == "edited":
        return edit.edited
    if edit.sample.reference is None:
        raise ImageError("the sample has none")
    return edit.sample.reference.decode()
