"""`Scorer`: turns a sample and its edit into a `Verdict`. Evaluation and training use the very same scorers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from PIL import Image

from src.config import PromptConfig
from src.data.expected import further_keys as further_keys
from src.data.expected import reference_key as reference_key
from src.data.image import ImageError
from src.data.sample import NO_SOURCE, EditSample
from src.data.verdict import Verdict
from src.errors import ConfigError
from src.models.base import ModelParams
from src.models.vlm.prompts import Language
from src.published_names import published_name
from src.rewards.core.judge_handle import JudgeHandle


@dataclass(frozen=True)
class EditedSample:
    """A sample with the pixels of its source and of its edit: what a scorer looks at."""

    sample: EditSample
    source: Image.Image | None
    """None where the picture was made of text alone; only scorers without `needs_source` see that."""
    edited: Image.Image
    completion: str | None = None
    """The text by which a policy demanded this edit; None where the editor got the sample's own instruction."""
    question: Any = None
    """What `Scorer.question` has returned for this sample: what stands in the verdict's key is what is sent. With None
    the scorer makes the question itself."""

    @property
    def given_source(self) -> Image.Image:
        """The pixels of the source, for a scorer that needs one.

        Raises:
            ImageError: there is none.
        """
        if self.source is None:
            raise ImageError(NO_SOURCE)
        return self.source


def question_key(question: Any) -> Any:
    """The part of a scorer's question that enters the verdict's key: its `key()` if it has one, else the whole."""
    key = getattr(question, "key", None)
    return key() if callable(key) else question


@dataclass(frozen=True)
class ScorerSetting:
    """What a run gives to each of its scorers besides their own params."""

    judge: JudgeHandle | None = None
    """The run's judge; None where the config names no `reward_model`."""
    prompts: Mapping[str, PromptConfig] = field(default_factory=dict)
    """The config's inline prompts by category."""
    language: Language = "en"
    has_completions: bool = True
    """Whether edits come with the text of a policy: in a training, and not in a benchmark."""


class NoParams(ModelParams):
    """The params of a scorer that has nothing to set."""


class Scorer(ABC):
    """Turns edits into verdicts, with a judge or without one. A YAML names it by `class_path`.

    It owns the prompts, the dimensions, how replies are read, and how values become one score of 0–10.

    Everything that can be wrong with its params is found on construction, before a judge loads.
    """

    Params: ClassVar[type[ModelParams]] = NoParams
    VERSION: ClassVar[str] = "1"
    """Raise it when the scorer's own code changes what it says, so that stored verdicts are not reused."""
    reads_completion: bool = False
    """Whether the score depends on `EditedSample.completion`; if so, an edit is judged once for each text that led to
    it."""
    compares_edits: ClassVar[bool] = False
    """Whether it says how much better an edit is than the picture in `EditSample.reference`, with 5 for neither:
    `judge-bench` gives it the other edit of a pair there, and to any other scorer no reference."""
    batch_size: int = 1
    """How many edits `score` wants at once."""
    max_concurrency: int = 1
    """How many calls of `score` may run at the same time."""

    def __init__(self, params: Mapping[str, Any] | None = None, setting: ScorerSetting | None = None) -> None:
        self.params: Any = self.Params(**(params or {}))
        self.setting = setting or ScorerSetting()

    def check_categories(self, categories: Sequence[str]) -> None:
        """Refuses categories that this scorer can say nothing about; by default there are none.

        Raises:
            ConfigError: naming the category and what to add.
        """

    def inapplicable(self, sample: EditSample) -> str | None:
        """Says why the scorer can judge no edit of this sample; None when it can.

        This is known before anything is edited or loaded: such samples are `not_applicable` and cost no edit.
        """
        return None

    def needs_source(self, sample: EditSample) -> bool:
        """Whether the scorer looks at the source picture; by default it does, as plug-ins of before may."""
        return True

    def why_inapplicable(self, sample: EditSample) -> str | None:
        """Says why no edit of this sample can be judged, the lack of a source included: what everybody else asks."""
        if sample.source is None and self.needs_source(sample):
            return NEEDS_SOURCE
        return self.inapplicable(sample)

    def left_out(self, sample: EditSample) -> dict[str, str]:
        """Names what stays out of the score of this sample's edits, with the reasons; by default nothing.

        Such an edit is scored by the rest, which is another quantity than the whole: runs and `check` say so.
        """
        return {}

    def policy_rules(self, language: Language) -> str:
        """The rules of form by which a policy's text loses points, worded for the policy's prompt; empty for none."""
        return ""

    def prompt_agrees(self, template: str) -> None:
        """Checks that a policy's prompt asks for the form that is rewarded here; by default any will do.

        Raises:
            ConfigError: naming what the prompt lacks.
        """

    def judge_calls(self, sample: EditSample) -> int:
        """The number of questions that the judge is asked about one edit of this sample; by default 0."""
        return 0

    def identity(self) -> dict[str, Any]:
        """What decides the verdicts, the judge included; JSON-able, and known before anything is loaded."""
        own = {"class": published_name(type(self)), "version": self.VERSION}
        return own | {"params": self.params.model_dump(mode="json")}

    def prompt_versions(self) -> dict[str, str]:
        """The hash of each prompt file that the scorer may use, by the file's name and version."""
        return {}

    def load(self) -> None:
        """Loads the judge, if there is one. Called before the first `score`; a second call does nothing."""

    def seconds_to_wait(self) -> float:
        """Seconds that the judge's server has asked it to wait yet, for displays."""
        return self.setting.judge.seconds_to_wait() if self.setting.judge else 0.0

    def stop_waiting(self) -> None:
        """Breaks off the judge's pauses before further tries: calls of `score` in one raise `WaitBrokenOff`."""
        if self.setting.judge:
            self.setting.judge.stop_waiting()

    @abstractmethod
    def question(self, sample: EditSample) -> Any:
        """What the scorer asks about this sample, such as rendered prompts.

        It is part of the verdict's key (`question_key`: JSON-able, or an object whose `key()` is) and comes back to
        `score` in `EditedSample.question`, so that prompts are rendered once.
        """

    @abstractmethod
    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        """One verdict an edit, in order. Never raises for a single edit: its verdict says what failed."""

    def _require_judge(self) -> JudgeHandle:
        if self.setting.judge is None:
            raise ConfigError(f"{type(self).__name__} asks a judge: add reward_model.class_path (and params)")
        return self.setting.judge


@dataclass(frozen=True)
class Completion:
    """A text that a policy wrote, and the right answer where there is one."""

    text: str
    answer: str | None = None
    """The right answer of a question with one; None where only the form can be judged."""


class CompletionScorer(ABC):
    """Turns texts into verdicts, without a picture or a judge. A YAML names it by `class_path`, like a `Scorer`."""

    def check_texts_suffice(self) -> None:
        """Checks that the scorer needs nothing but texts; one that combines others checks these.

        Raises:
            ConfigError: naming the part that needs an edit.
        """

    @abstractmethod
    def score_completions(self, batch: list[Completion]) -> list[Verdict]:
        """Returns one verdict for each text, in order."""


NO_REFERENCE = "the sample has no reference image"
NEEDS_SOURCE = (
    "the sample has no source picture, with which the scorer compares: name one that needs none, such as "
    "src.rewards.scorers.prompt_alignment.PromptAlignmentScorer"
)
