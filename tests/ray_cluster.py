"""Editors and judges for tests on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageStat

from benchmarks.ray_nodes import obeyed
from src.models.reward.vision_language_judge import Question, Reply, VisionLanguageJudge
from tests.plugins import BatchEditor, BrightnessJudge, InvertEditor


class FatalBatchEditor(BatchEditor):
    """Edits four at once, and ends its process where one of the instructions says `die`."""

    def batch_edit(self, images: list[Image.Image], instructions: list[str], **kwargs: Any) -> list[Image.Image]:
        return super().batch_edit(images, [obeyed(one) for one in instructions], **kwargs)

    def edit_image(self, original_image: Image.Image, edit_instruction: str, seed: int = 0) -> Image.Image:
        return super().edit_image(original_image, obeyed(edit_instruction), seed)


class PickyEditor(InvertEditor):
    """Would make other edits in every process."""

    @classmethod
    def identity(cls, params: dict[str, Any]) -> dict[str, Any]:
        return super().identity(params) | {"params": {"process": os.getpid()}}


class FatalJudge(BrightnessJudge):
    """Ends its process, or hangs, where the instruction of an edit says so."""

    def score(
        self, edited_image: Image.Image, original_description: str, edit_instruction: str, *args: Any, **kwargs: Any
    ) -> float:
        return super().score(edited_image, original_description, obeyed(edit_instruction), *args, **kwargs)


class WordyJudge(VisionLanguageJudge):
    """Says how bright the last picture of a question is, and how many it was shown."""

    needs_prompts = False

    def _initialize(self) -> None: ...

    def ask(self, questions: Sequence[Question], attempt: int = 0) -> list[Reply]:
        return [self._reply(question) for question in questions]

    def _reply(self, question: Question) -> Reply:
        brightness = sum(ImageStat.Stat(question.images[-1].image).mean) / 3 / 25.5
        return Reply(f"{len(question.images)} pictures.\nScore: {brightness:.1f}", usage={"calls": 1}, model="wordy")
