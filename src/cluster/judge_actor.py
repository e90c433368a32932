"""`JudgeActor`: a judge in a process of a Ray cluster; what it is shown travels as PNG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from PIL import Image

from src.cluster.placed_model import PlacedModel
from src.data.image import decode_image, encode_png
from src.models.reward.base_reward import BaseRewardModel, Judgement, JudgeRequest
from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.question import Question, Reply
from src.reasons import Told, reason_of

_PICTURES = ("edited_image", "original_image", "reference_image")


class Packer:
    """Takes the pictures out of what a judge is asked, each once, and leaves their numbers in their places."""

    def __init__(self) -> None:
        self.pngs: list[bytes] = []
        self._numbers: dict[int, int] = {}
        self._kept: list[Image.Image] = []

    def question(self, question: Question) -> Question:
        """The question with numbers for pictures."""
        images = tuple(replace(one, image=self._number(one.image)) for one in question.images)
        return replace(question, images=images)

    def request(self, request: JudgeRequest) -> JudgeRequest:
        """The request with numbers for pictures."""
        return replace(request, **{name: self._number(getattr(request, name)) for name in _PICTURES})

    def _number(self, picture: Image.Image | None) -> Any:
        if picture is None:
            return None
        if id(picture) not in self._numbers:
            self._numbers[id(picture)] = len(self.pngs)
            self._kept.append(picture)  # so that no other gets its id
            self.pngs.append(encode_png(picture))
        return self._numbers[id(picture)]


class JudgeActor(PlacedModel[BaseRewardModel]):
    """While one call is answered, the pictures of the next one are decoded."""

    base = BaseRewardModel

    def info(self, model: BaseRewardModel) -> dict[str, Any]:
        """What `load` returns; with whether a question about an edit shows its source."""
        return super().info(model) | {"compare_with_original": getattr(model, "compare_with_original", True)}

    def ask(self, questions: Sequence[Question], attempt: int, pngs: Sequence[bytes]) -> list[Reply]:
        """Does what `VisionLanguageJudge.ask` does."""
        shown = _unpacked_questions(questions, [decode_image(png) for png in pngs])
        assert isinstance(self.model, VisionLanguageJudge), f"{type(self.model).__name__} is not asked in words"
        with self._turns, _told():
            return self.model.ask(shown, attempt)

    def judge_batch(self, requests: Sequence[JudgeRequest], pngs: Sequence[bytes]) -> list[Judgement]:
        """Does what `BaseRewardModel.judge_batch` does, and `judge` for a single request."""
        shown = _unpacked_requests(requests, [decode_image(png) for png in pngs])
        with self._turns, _told():
            return self.model.judge_batch(shown) if len(shown) > 1 else [self.model.judge(one) for one in shown]


@contextmanager
def _told() -> Iterator[None]:
    """Lets the driver hear of `sys.exit` and the like, by which Ray would end the process."""
    try:
        yield
    except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        raise Told(reason_of(error)) from None


def _unpacked_questions(questions: Sequence[Question], pictures: Any) -> list[Question]:
    return [
        replace(one, images=tuple(replace(image, image=pictures[image.image]) for image in one.images))
        for one in questions
    ]


def _unpacked_requests(requests: Sequence[JudgeRequest], pictures: Any) -> list[JudgeRequest]:
    found = [{name: getattr(one, name) for name in _PICTURES} for one in requests]
    shown: list[dict[str, Any]] = [
        {name: None if at is None else pictures[at] for name, at in one.items()} for one in found
    ]
    return [replace(one, **images) for one, images in zip(requests, shown, strict=True)]
