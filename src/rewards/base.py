"""`Scorer`: turns a sample and its edit into a `Verdict`. Evaluation and training use the very same scorers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from PIL import Image

from src.config import PromptConfig
from src.data.image import ImageError, content_hash
from src.data.sample import EditSample
from src.errors import ConfigError
from src.models.base import ModelParams
from src.rewards.judge_handle import JudgeHandle
from src.rewards.prompts import Language
from src.rewards.verdict import Verdict


@dataclass(frozen=True)
class EditedSample:
    """A sample with its pixels: what a scorer looks at."""

    sample: EditSample
    source: Image.Image
    edited: Image.Image
    completion: str | None = None
    """The text by which a policy demanded this edit; None where the editor got the sample's own instruction."""


@dataclass(frozen=True)
class ScorerSetting:
    """What a run gives to each of its scorers besides their own params."""

    judge: JudgeHandle | None = None
    prompts: Mapping[str, PromptConfig] = field(default_factory=dict)
    """The config's inline prompts by category."""
    language: Language = "en"
    has_completions: bool = True
    """Whether edits come with the text of a policy: in a training, and not in a benchmark."""


class NoParams(ModelParams):
    """For scorers that have nothing to set."""


class Scorer(ABC):
    """Owns prompts, dimensions, parsing and aggregation; calls a judge or none. Named by `class_path` in the YAML.

    Everything that can be wrong with its params is found on construction, before a judge loads.
    """

    Params: ClassVar[type[ModelParams]] = NoParams
    VERSION: ClassVar[str] = "1"
    """Raise it when the scorer's own code changes what it says, so that stored verdicts are not reused."""
    reads_completion: bool = False
    """Whether `EditedSample.completion` matters: then the same edit is judged for each text that led to it."""
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
        """Why it can say nothing about this sample, whatever the edit; None when it can.

        Known before anything is edited or loaded: such samples are `not_applicable` and cost no edit.
        """
        return None

    def left_out(self, sample: EditSample) -> dict[str, str]:
        """What stays out of the score of this sample's edits, by name, and why; by default nothing.

        Such an edit is scored by the rest, which is another quantity than the whole: runs and `check` say so.
        """
        return {}

    def policy_rules(self, language: Language) -> str:
        """The form on which a policy's text loses points, in words for the policy's own prompt; empty for none."""
        return ""

    def prompt_agrees(self, template: str) -> None:
        """Checks that a policy's prompt asks for the form that is rewarded here; by default any will do.

        Raises:
            ConfigError: naming what the prompt lacks.
        """

    def judge_calls(self, sample: EditSample) -> int:
        """How many questions the judge is asked about one edit of this sample; by default none."""
        return 0

    def identity(self) -> dict[str, Any]:
        """What decides its verdicts, judge included; JSON-able and known before anything is loaded."""
        own = {"class": f"{type(self).__module__}.{type(self).__qualname__}", "version": self.VERSION}
        return own | {"params": self.params.model_dump(mode="json")}

    def prompt_versions(self) -> dict[str, str]:
        """Version and hash of each prompt file that it may ask, by file."""
        return {}

    def load(self) -> None:
        """Loads the judge, if there is one. Called before the first `score`; a second call does nothing."""

    @abstractmethod
    def question(self, sample: EditSample) -> Any:
        """What it asks about this sample (rendered prompts, reference): part of the verdict's key. JSON-able."""

    @abstractmethod
    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        """One verdict an edit, in order. Never raises for a single edit: its verdict says what failed."""

    def _require_judge(self) -> JudgeHandle:
        if self.setting.judge is None:
            raise ConfigError(f"{type(self).__name__} asks a judge: add reward_model.class_path (and params)")
        return self.setting.judge


@dataclass(frozen=True)
class Completion:
    """A text that a policy wrote, and what it was to say."""

    text: str
    answer: str | None = None
    """The right answer of a question with one; None where only the form can be judged."""


class CompletionScorer(ABC):
    """Turns texts into verdicts; needs no picture and no judge. Named by `class_path` in the YAML, like a `Scorer`."""

    def check_texts_suffice(self) -> None:
        """Checks that it needs nothing but texts; those that combine others ask them.

        Raises:
            ConfigError: naming the part that needs an edit.
        """

    @abstractmethod
    def score_completions(self, batch: list[Completion]) -> list[Verdict]:
        """One verdict a text, in order."""


NO_REFERENCE = "the sample has no reference image"


def reference_key(sample: EditSample) -> str | None:
    """What tells a sample's reference image from others, for `Scorer.question`: its hash, or why it cannot be read."""
    if sample.reference is None:
        return None
    try:
        return content_hash(sample.reference.read_bytes())
    except ImageError as error:
        return str(error)
