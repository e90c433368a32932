"""Tasks, editors and judges for training tests, written as a user would write them."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from pathlib import Path
from typing import Any

from PIL import Image, ImageStat

from src.errors import ModelError
from src.models.base import ModelParams
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.reward.base_reward import BaseRewardModel, NotApplicable
from src.training.tasks.rewrite import RewriteTask


class AnythingTask(RewriteTask):
    """Takes every completion for an instruction, even an empty one."""

    def read(self, completion: str) -> str:
        return completion


class ToneEditor(BaseDiffusionModel):
    """`paint 7` gives a picture of brightness 7 of 10, and other words their share of the letter a.

    `log` names a file that gets a line for each edit; `break_on` is an instruction that fails.
    """

    NOT_IN_IDENTITY = BaseDiffusionModel.NOT_IN_IDENTITY | {"log", "break_on"}

    def _initialize(self) -> None:
        self.batch_size = int(self.config.get("batch_size", 1))

    def edit_image(self, original_image: Image.Image, edit_instruction: str, seed: int = 0, **kwargs: Any) -> Any:
        if log := self.config.get("log"):
            tone = original_image.getpixel((0, 0))
            with Path(log).open("a", encoding="utf-8") as lines:
                lines.write(f"{edit_instruction}|{seed}|{tone}\n")
        if edit_instruction == self.config.get("break_on"):
            raise RuntimeError("out of paint")
        number = re.search(r"paint (\d+)", edit_instruction)
        share = edit_instruction.count("a") / max(1, len(edit_instruction))
        tone = round(25.5 * int(number[1])) if number else round(255 * share)
        return Image.new("RGB", original_image.size, (tone, tone, tone))


class DelayedJudge(BaseRewardModel):
    """Scores brightness; the brighter, the sooner, four at a time. Remembers what it was shown."""

    needs_prompts = False
    seen: list[tuple[str, Any]] = []  # noqa: RUF012 (shared on purpose: the test reads it from the class)
    max_concurrency = 4

    def _initialize(self) -> None:
        type(self).seen = []

    def score(
        self, edited_image: Image.Image, original_description: str, edit_instruction: str, *args: Any, **kwargs: Any
    ) -> float:
        type(self).seen.append((edit_instruction, kwargs["original_image"].getpixel((0, 0))))
        tone = ImageStat.Stat(edited_image).mean[0]
        time.sleep((255 - tone) / 255 * 0.05)
        return tone / 25.5


class PixelJudge(DelayedJudge):
    """Gives every picture a score of its own; the higher, the sooner."""

    @staticmethod
    def score_of(picture: Image.Image) -> float:
        return int(hashlib.sha256(picture.tobytes()).hexdigest()[:8], 16) / 2**32 * 10

    def score(self, edited_image: Image.Image, *args: Any, **kwargs: Any) -> float:
        found = self.score_of(edited_image)
        time.sleep((10 - found) / 10 * 0.05)
        return found


class FlakyJudge(DelayedJudge):
    """Fails as often as the file `left` says, then works."""

    NOT_IN_IDENTITY = DelayedJudge.NOT_IN_IDENTITY | {"left"}
    max_concurrency = 1
    _lock = threading.Lock()

    def score(self, *args: Any, **kwargs: Any) -> float:
        counter = Path(self.config["left"])
        with self._lock:
            left = int(counter.read_text())
            counter.write_text(str(max(0, left - 1)))
        if left:
            raise ConnectionError("judge is away")
        return super().score(*args, **kwargs)


class UnbuildableEditor(ToneEditor):
    """Stands for everything that loads: whoever gets this far has looked at all the rest."""

    class Params(ModelParams):
        """As a real editor has them."""

        num_inference_steps: int = 1

    def _initialize(self) -> None:
        raise ModelError("the editor is not built here")


class PromptedJudge(DelayedJudge):
    """Works by a prompt for each category."""

    needs_prompts = True


class UnbuildableJudge(DelayedJudge):
    """Known by its params, and cannot be loaded."""

    def _initialize(self) -> None:
        raise ModelError("the judge is not built here")


class SilentJudge(DelayedJudge):
    """Has nothing to say about dark pictures; fails first as often as the file `left` says, if there is one.

    `log` names a file that gets a line for each picture.
    """

    NOT_IN_IDENTITY = DelayedJudge.NOT_IN_IDENTITY | {"left", "log"}
    max_concurrency = 1

    def score(self, edited_image: Image.Image, *args: Any, **kwargs: Any) -> float:
        if log := self.config.get("log"):
            with Path(log).open("a", encoding="utf-8") as lines:
                lines.write("judged\n")
        counter = Path(self.config.get("left", "no such file"))
        left = int(counter.read_text()) if counter.is_file() else 0
        if left:
            counter.write_text(str(left - 1))
            raise ConnectionError("judge is away")
        if ImageStat.Stat(edited_image).mean[0] < 100:
            raise NotApplicable("too dark")
        return super().score(edited_image, *args, **kwargs)
