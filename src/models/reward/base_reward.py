"""`BaseRewardModel`: a judge — source, edit and prompts in, a score out."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from PIL import Image

from src.models.base import BaseModel, named_arguments


class NotApplicable(Exception):
    """Raised by a judge that has nothing to say on a sample (no reference image, say): neither score nor failure."""


@dataclass(frozen=True)
class JudgeRequest:
    """Everything that a judge may look at for one edit."""

    edited_image: Image.Image
    original_image: Image.Image | None
    """None where the picture was made of text alone; only judges without `needs_source` see that."""
    original_description: str
    edit_instruction: str
    system_prompt: str = ""
    user_prompt: str = ""
    reference_image: Image.Image | None = None
    rationale: str | None = None
    """Why the right edit looks as it does; None where the scorer does not pass it on."""

    @property
    def given_source(self) -> Image.Image:
        """The source, for a judge that compares with it.

        Raises:
            ValueError: there is none.
        """
        if self.original_image is None:
            raise ValueError("the judge compares with the source image, and there is none")
        return self.original_image


@dataclass(frozen=True)
class Judgement:
    """A judge's answer: the score, 0–10, and how it came about."""

    score: float
    dimensions: dict[str, float | None] = field(default_factory=dict)
    replies: tuple[str, ...] = ()
    usage: dict[str, float] = field(default_factory=dict)


class BaseRewardModel(BaseModel):
    """A judge of edits. Scores lie in 0–10; a judge that cannot score raises, it never invents a number.

    A plug-in implements `score`; a judge that can say more (dimensions, raw replies, usage) overrides `judge`, and one
    that judges several edits at once `judge_batch`. `reference_image` is passed to `score`, and `reference_images` to
    `batch_score`, exactly when the method names it in its signature.
    """

    needs_prompts: ClassVar[bool] = True
    """False for judges that only compare pixels; others need a prompt for every category that is run."""
    needs_reference: ClassVar[bool] = False
    """True for judges to which samples without a reference image are not applicable."""
    needs_source: ClassVar[bool] = True
    """False for judges that also score a picture made of text alone, which come without an original image: a scorer
    that gives no prompts of its own then passes such samples on."""
    batch_size: int = 1
    """How many edits `judge_batch` wants at once."""
    max_concurrency: int = 1
    """How many calls may run at the same time, each in its own thread (API judges)."""

    @abstractmethod
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
        """Scores one edit, 0 (worst) to 10 (best)."""

    def batch_score(
        self,
        edited_images: list[Image.Image],
        original_descriptions: list[str],
        edit_instructions: list[str],
        system_prompts: list[str],
        user_prompts: list[str],
        original_images: list[Image.Image | None] | None = None,
        reference_images: list[Image.Image | None] | None = None,
        **kwargs: Any,
    ) -> list[float]:
        """Scores several edits; by default one after the other. A sample without a reference has None in its place, and
        one without a source as well.
        """
        columns = (edited_images, original_descriptions, edit_instructions, system_prompts, user_prompts)
        if len({len(column) for column in columns}) != 1:
            raise ValueError(f"columns of unequal length: {[len(column) for column in columns]}")
        originals: list[Image.Image | None] = list(original_images) if original_images else [None] * len(edited_images)
        references = reference_images or [None] * len(edited_images)
        offered = [named_arguments(self.score, reference_image=reference) for reference in references]
        rows = zip(zip(*columns, strict=True), originals, offered, strict=True)
        return [self.score(*row, original_image=original, **kwargs | reference) for row, original, reference in rows]

    @classmethod
    def takes_reference(cls) -> bool:
        """Whether a reference image can reach the judge: a damaged one costs no verdict of a judge without it."""
        base = BaseRewardModel
        if cls.judge is not base.judge or cls.judge_batch is not base.judge_batch:
            return True
        by_columns = cls.batch_score is not base.batch_score and named_arguments(cls.batch_score, reference_images=None)
        return bool(by_columns or named_arguments(cls.score, reference_image=None))

    def judge(self, request: JudgeRequest) -> Judgement:
        """Judges one edit; by default through `score`."""
        score = self.score(
            request.edited_image,
            request.original_description,
            request.edit_instruction,
            request.system_prompt,
            request.user_prompt,
            original_image=request.original_image,
            **named_arguments(self.score, reference_image=request.reference_image),
        )
        return Judgement(score)

    def judge_batch(self, requests: list[JudgeRequest]) -> list[Judgement]:
        """Judges several edits: through `batch_score` where a plug-in overrides it, else one after the other.

        A `batch_score` that names no `reference_images`, beside a `score` that names `reference_image`, is not used
        where there are references: the verdict on an edit would depend on whether others were judged with it.
        """
        offered = {"reference_images": [request.reference_image for request in requests]}
        references = named_arguments(self.batch_score, **offered)
        would_miss = not references and named_arguments(self.score, reference_image=None) and any(*offered.values())
        if type(self).batch_score is BaseRewardModel.batch_score or would_miss:
            return [self.judge(request) for request in requests]
        scores = self.batch_score(
            [request.edited_image for request in requests],
            [request.original_description for request in requests],
            [request.edit_instruction for request in requests],
            [request.system_prompt for request in requests],
            [request.user_prompt for request in requests],
            original_images=[request.original_image for request in requests],
            **references,
        )
        if len(scores) != len(requests):
            raise ValueError(f"batch_score returned {len(scores)} scores for {len(requests)} edits")
        return [Judgement(score) for score in scores]

    def __call__(self, *args: Any, **kwargs: Any) -> float:
        """Does what `score` does."""
        return self.score(*args, **kwargs)
