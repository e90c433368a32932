"""Plug-in judges for `test_audit.py`: one that is right, and some that are wrong in one known way each."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from src.data.image import LazyImage
from src.errors import ModelUnusable
from src.models.reward.base_reward import BaseRewardModel
from src.models.reward.reference_formula import compare_with_reference
from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.question import Question, Reply


class ConstantJudge(BaseRewardModel):
    """Says 7 of everything; after `patience` calls it breaks, and every call leaves a line in `log`."""

    needs_prompts = False
    NOT_IN_IDENTITY = BaseRewardModel.NOT_IN_IDENTITY | {"patience", "log"}

    def _initialize(self) -> None:
        self._calls = 0

    def score(self, edited_image: Image.Image, *args: Any, **kwargs: Any) -> float:
        self._calls += 1
        if self._calls > self.config.get("patience", float("inf")):
            raise ModelUnusable("the judge went home")
        if log := self.config.get("log"):
            with Path(log).open("a", encoding="utf-8") as lines:
                lines.write("asked\n")
        return 7.0


class KnowingJudge(BaseRewardModel):
    """Knows the right edit of every source and instruction in the file `data`; may be `blind_to` one of the two."""

    needs_prompts = False

    def _initialize(self) -> None:
        items = json.loads(Path(self.config["data"]).read_text(encoding="utf-8"))
        known = [(item["edit_instruction_en"], _array(item, "src"), _array(item, "reference")) for item in items]
        self._by_instruction = {instruction: (source, right) for instruction, source, right in known}
        self._by_source = {source.tobytes(): (source, right) for _, source, right in known}

    def score(
        self,
        edited_image: Image.Image,
        original_description: str,
        edit_instruction: str,
        *args: Any,
        original_image: Image.Image | None = None,
        **kwargs: Any,
    ) -> float:
        blind_to = self.config.get("blind_to")
        shown = np.asarray(original_image)
        if blind_to == "instruction":
            source, right = self._by_source.get(shown.tobytes(), (None, None))
        else:
            source, right = self._by_instruction[edit_instruction]
        if source is None or (blind_to != "source" and not np.array_equal(source, shown)):
            return 0.0
        return compare_with_reference(source, np.asarray(edited_image), right).score


class SharpnessJudge(BaseRewardModel):
    """Likes whatever has hard edges."""

    needs_prompts = False

    def _initialize(self) -> None: ...

    def score(self, edited_image: Image.Image, *args: Any, **kwargs: Any) -> float:
        pixels = np.asarray(edited_image.convert("L"), dtype=float)
        return 10.0 * float(np.abs(np.diff(pixels)).max() / 255.0) ** 0.5


class RandomJudge(BaseRewardModel):
    """Throws dice."""

    needs_prompts = False

    def _initialize(self) -> None:
        self._dice = random.Random(0)

    def score(self, *args: Any, **kwargs: Any) -> float:
        return self._dice.uniform(0, 10)


class MumblingJudge(VisionLanguageJudge):
    """Answers every third question with words that hold no score, each time it is asked again as well."""

    def _initialize(self) -> None: ...

    def ask(self, questions: Any, attempt: int = 0) -> list[Reply]:
        return [Reply(self._text(question), "stop") for question in questions]

    def _text(self, question: Question) -> str:
        pixels = question.images[-1].image.tobytes()
        return "I could not say." if sum(pixels) % 3 == 0 else '{"score": 7}'


class HesitantJudge(VisionLanguageJudge):
    """Says 4 and 6 in turn, and the first time of all nothing that can be read."""

    def _initialize(self) -> None:
        self._answers = 0

    def ask(self, questions: Any, attempt: int = 0) -> list[Reply]:
        return [Reply(self._next(), "stop") for _ in questions]

    def _next(self) -> str:
        self._answers += 1
        return "hm" if self._answers == 1 else f'{{"score": {4 + 2 * (self._answers % 2)}}}'


def _array(item: dict[str, Any], picture: str) -> np.ndarray:
    name = "src_img_b64" if picture == "src" else "reference_img_b64"
    return np.asarray(LazyImage(base64_text=item[name]).decode())
