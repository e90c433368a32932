"""`VisionLanguageJudge`: a judge that is asked in words, and whose scores are read from its replies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from src.models.reward.base_reward import BaseRewardModel, Judgement, JudgeRequest
from src.models.vlm.asking import ask, score_request
from src.models.vlm.question import LabelledImage, Question, Reply, before_and_after
from src.models.vlm.vision_language_model import VisionLanguageModel

__all__ = ["LabelledImage", "NoScore", "Question", "Reply", "VisionLanguageJudge", "before_and_after"]


class NoScore(Exception):
    """The judge gave no score: it failed, refused, or answered what cannot be read. The text says which and why."""


class VisionLanguageJudge(VisionLanguageModel, BaseRewardModel):
    """A judge that answers questions about images. A plug-in implements `ask`; scores are read from its replies."""

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
        """Does what `judge` does; the prompts alone tell description and instruction."""
        return self._judge(original_image, edited_image, system_prompt, user_prompt).score

    def _judge(self, source: Image.Image | None, edited: Image.Image, system_prompt: str, text: str) -> Judgement:
        images = before_and_after(source if self.compare_with_original else None, edited)
        (answer,) = ask(self, [score_request(Question(system_prompt, images, text))])
        if answer.values is None:
            raise NoScore(f"{answer.status}: {answer.reason}")
        return Judgement(answer.values["score"], replies=answer.replies, usage=answer.usage)
