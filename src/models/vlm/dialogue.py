"""What scorers and vision-language judges say to each other: `Question` in, `Reply` out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from PIL import Image

from src.models.reward.base_reward import BaseRewardModel, Judgement, JudgeRequest


@dataclass(frozen=True)
class LabelledImage:
    """An image and the words that introduce it."""

    label: str
    image: Image.Image


@dataclass(frozen=True)
class Question:
    """One prompt for a vision-language model.

    It is laid out as system prompt, then each image after its label, then the text: questions about the same images
    share the longest possible prefix, which servers compute once.
    """

    system_prompt: str
    images: tuple[LabelledImage, ...]
    text: str
    schema: Mapping[str, Any] | None = None
    """JSON schema of the wanted answer, for judges that can enforce one; others answer in plain text."""
    score_range: tuple[float, float] = (0.0, 10.0)
    """The scale that the text names, for judges that compute an expected score from token probabilities."""


@dataclass(frozen=True)
class Reply:
    """What came back: a text, or the reason why there is none."""

    text: str = ""
    finish_reason: str | None = None
    """As the server names it; `length` means that the text is cut off."""
    expected_score: float | None = None
    """Mean over the probabilities of the score's tokens, on the question's scale, where the judge computes it. It
    refines the score that the text gives; in a text without a score it counts for nothing."""
    refusal: str | None = None
    """The model declined, in these words."""
    error: str | None = None
    """No answer after all retries, and why."""
    usage: dict[str, float] = field(default_factory=dict)
    """`calls`, `prompt_tokens`, `completion_tokens`, `cost` …"""
    model: str = ""
    """The model that answered, as resolved by the server."""
    seconds: float = 0.0


class NoScore(Exception):
    """The judge gave no score: it failed, refused, or answered what cannot be read. The text says which and why."""


_LABELS = {
    "en": ("The image before the edit:", "The image after the edit:", "A right result, for comparison:"),
    "zh": ("编辑前的图像：", "编辑后的图像：", "用于比较的正确结果："),
}


def before_and_after(
    source: Image.Image | None,
    edited: Image.Image,
    language: Literal["en", "zh"] = "en",
    reference: Image.Image | None = None,
) -> tuple[LabelledImage, ...]:
    """The images of a question about an edit: source, edit, reference; those that are not there are left out."""
    shown = zip(_LABELS[language], (source, edited, reference), strict=True)
    return tuple(LabelledImage(label, image) for label, image in shown if image is not None)


class VisionLanguageJudge(BaseRewardModel):
    """A judge that answers questions about images. Implementations define `ask`; scores follow from it."""

    @property
    def compare_with_original(self) -> bool:
        """Whether a question about an edit shows the source as well: the parameter of this name, by default true."""
        return bool(getattr(self.params, "compare_with_original", True))

    @classmethod
    def repeats_are_equal(cls, params: Mapping[str, Any]) -> bool:
        """Whether it decodes greedily, so that equal questions have equal replies: its `temperature` is 0."""
        return cls.Params is not None and getattr(cls.Params(**params), "temperature", None) == 0

    @classmethod
    def wants_reference(cls, params: Mapping[str, Any]) -> bool:
        """Whether it may be shown the reference as well: the parameter `compare_with_reference`, by default true."""
        return cls.Params is None or bool(getattr(cls.Params(**params), "compare_with_reference", True))

    @abstractmethod
    def ask(self, questions: Sequence[Question], attempt: int = 0) -> list[Reply]:
        """Answers each question, in order, whatever the order of completion; failures are replies with `error`.

        Args:
            questions: Asked at once, as far as the judge can. A question that occurs several times is answered so
                often, each time independently.
            attempt: 0 for the first time; a re-asked question has 1, 2 …, so that sampling takes another seed.

        Raises:
            ModelUnusable: when no question can ever be answered (wrong key, unknown model).
        """

    def judge(self, request: JudgeRequest) -> Judgement:
        """Asks the request's own prompts about source and edit, and reads a score of 0–10 from the reply.

        Raises:
            NoScore: when there is none after all attempts.
        """
        return self._judge(request.original_image, request.edited_image, request.system_prompt, request.user_prompt)

    def score(
        self,
        edited_image: Image.Image,
        original_description: str,
        edit_instruction: str,
        system_prompt: str,
        user_prompt: str,
        original_image: Image.Image | None = None,
        **kwargs: Any,
    ) -> float:
        """As `judge`; description and instruction are read from the prompts alone."""
        return self._judge(original_image, edited_image, system_prompt, user_prompt).score

    def _judge(self, source: Image.Image | None, edited: Image.Image, system_prompt: str, text: str) -> Judgement:
        from src.models.vlm.asking import (
            ask,
            score_request,
        )  # scorers stand above models, but the old contract scores here

        images = before_and_after(source if self.compare_with_original else None, edited)
        (answer,) = ask(self, [score_request(Question(system_prompt, images, text))])
        if answer.values is None:
            raise NoScore(f"{answer.status}: {answer.reason}")
        return Judgement(answer.values["score"], replies=answer.replies, usage=answer.usage)
