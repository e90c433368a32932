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
from src.models.base import ModelParams
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
    """Knows the right edit of every source and instruction in the file `data`; may be `blind_to` one of the two.

    Blind to the `wish`, it tells only whether an instruction is one for this source: any edit that is right for some
    wish then is right for all of them. It looks at the 32 pixels in the middle of each picture.
    """

    needs_prompts = False

    def _initialize(self) -> None:
        items = json.loads(Path(self.config["data"]).read_text(encoding="utf-8"))
        known = [(item["edit_instruction_en"], _array(item, "src"), _array(item, "reference")) for item in items]
        self._by_instruction = {instruction: (source, right) for instruction, source, right in known}
        self._by_source = {source.tobytes(): (source, right) for _, source, right in known}
        self._wished = {
            source: [right for _, one, right in known if one.tobytes() == source] for source in self._by_source
        }

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
        assert original_image is not None
        shown = _middle(original_image)
        if blind_to == "instruction":
            source, right = self._by_source.get(shown.tobytes(), (None, None))
        else:
            source, right = self._by_instruction[edit_instruction]
        if source is None or (blind_to != "source" and not np.array_equal(source, shown)):
            return 0.0
        edited, rights = _middle(edited_image), [right]
        if blind_to == "wish":
            rights = self._wished[source.tobytes()]
        return max(compare_with_reference(source, edited, one).score for one in rights)


class TextJudge(BaseRewardModel):
    """Never looks at a picture: some instructions are worth 9 to it, others 7."""

    needs_prompts = False

    def _initialize(self) -> None: ...

    def score(
        self, edited_image: Image.Image, original_description: str, edit_instruction: str, *args: Any, **kwargs: Any
    ) -> float:
        return 7.0 + 2.0 * (sum(edit_instruction.encode()) % 2)


class ReadingJudge(VisionLanguageJudge):
    """Knows the right edit of every text in the file `data`, and reads the question as its params say.

    `heeds`: `instruction`; `rationale`, without which it says 5; `both`: the lower of the two scores; or `told`: the
    instruction where a rationale is told as well, without which it says 5.
    `noise`: standard deviation of what is added to each score.
    `wordy`: some instructions make it reply at length, and the longer the reply is, the higher is the score.
    `hint`: what it takes off for an instruction that is not of the source it sees.
    `place`: which picture is the source it takes from the place and not from the label.
    `max_new_tokens`: as words; `tells` whether it says that a reply was cut off.
    """

    def _initialize(self) -> None:
        items = json.loads(Path(self.config["data"]).read_text(encoding="utf-8"))
        pictures = [(item, _array(item, "src"), _array(item, "reference")) for item in items]
        self._right = {item[name]: (one, other) for item, one, other in pictures for name in _TEXTS if name in item}
        self._dice = random.Random(0)

    def ask(self, questions: Any, attempt: int = 0) -> list[Reply]:
        if log := self.config.get("log"):
            with Path(log).open("a", encoding="utf-8") as lines:
                lines.writelines("asked\n" for _ in questions)
        return [self._cut(self._reply(question)) for question in questions]

    def _reply(self, question: Question) -> str:
        instruction, rationale = (
            _line(question.text, label) for label in ("Instruction: ", "What a right edit shows: ")
        )
        first, second = question.images[:2]  # a reference may follow
        turned = "after" in first.label and not self.config.get("place")
        source, edited = (_middle(one.image) for one in ((second, first) if turned else (first, second)))
        heeds = self.config.get("heeds", "instruction")
        told = [instruction] if rationale else []
        texts = {
            "instruction": [instruction],
            "rationale": [rationale],
            "both": [instruction, rationale],
            "told": told,
        }[heeds]
        scores = [self._judged(text, source, edited) for text in texts if text]
        words = sum(instruction.encode()) % 10 if self.config.get("wordy") else 3
        score = min(scores, default=5.0) * (1 - 0.04 * (9 - words) * ("wordy" in self.config))
        score += self._dice.gauss(0, self.config.get("noise", 0)) - self.config.get("hint", 0) * self._is_foreign(
            instruction, source
        )
        return f"Score: 2.0 would be far too low {'indeed ' * words}\nScore: {min(10.0, max(0.0, score)):.4f}"

    def _judged(self, text: str, source: np.ndarray, edited: np.ndarray) -> float:
        known, right = self._right[text]
        return compare_with_reference(known, edited, right).score if np.array_equal(known, source) else 0.0

    def _is_foreign(self, instruction: str, source: np.ndarray) -> bool:
        return not np.array_equal(self._right[instruction][0], source)

    def _cut(self, text: str) -> Reply:
        words = text.split(" ")
        most = self.config.get("max_new_tokens", len(words))
        is_told = most < len(words) and self.config.get("tells", True)
        return Reply(" ".join(words[:most]), "length" if is_told else "stop")


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


class LabelJudge(MumblingJudge):
    """Is asked nothing; says by its params which pictures it may be shown."""

    class Params(ModelParams):
        compare_with_original: bool = True
        compare_with_reference: bool = True


_TEXTS = ("edit_instruction_en", "rationale_short_en")


def _line(text: str, label: str) -> str:
    return next((line.removeprefix(label) for line in text.splitlines() if line.startswith(label)), "")


def _middle(image: Image.Image) -> np.ndarray:
    left, top = ((side - 32) // 2 for side in image.size)
    return np.asarray(image.crop((left, top, left + 32, top + 32)))


def _array(item: dict[str, Any], picture: str) -> np.ndarray:
    name = "src_img_b64" if picture == "src" else "reference_img_b64"
    return np.asarray(LazyImage(base64_text=item[name]).decode())
