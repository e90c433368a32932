"""Plug-in models for tests, written as a user would write them; some of them fail on purpose."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageStat

from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.reward.base_reward import BaseRewardModel, NotApplicable


class InvertEditor(BaseDiffusionModel):
    """Inverts the picture; `log` names a file that gets a line for each edit, `seconds` slows it down."""

    NOT_IN_IDENTITY = BaseDiffusionModel.NOT_IN_IDENTITY | {"log", "seconds"}

    def _initialize(self) -> None:
        self._log = self.config.get("log")
        self._seconds = float(self.config.get("seconds", 0))

    def edit_image(self, original_image: Image.Image, edit_instruction: str, sample_id: str = "", **kwargs: Any) -> Any:
        time.sleep(self._seconds)
        if self._log:
            with Path(self._log).open("a", encoding="utf-8") as log:
                log.write(f"{sample_id}\n")
        return ImageChops.invert(original_image)


class SeedEditor(BaseDiffusionModel):
    """Paints the sample's seed, so that a picture tells which seed made it."""

    def _initialize(self) -> None: ...

    def edit_image(self, original_image: Image.Image, edit_instruction: str, seed: int = 0) -> Image.Image:
        return Image.new("RGB", original_image.size, (seed & 255, seed >> 8 & 255, seed >> 16 & 255))


class SquareEditor(BaseDiffusionModel):
    """Returns squares, whatever it gets."""

    def _initialize(self) -> None: ...

    def edit_image(self, original_image: Image.Image, edit_instruction: str, **kwargs: Any) -> Image.Image:
        return original_image.resize((32, 32))


class BatchEditor(SeedEditor):
    """Edits four at once and remembers the sizes of its batches; refuses batches that hold the instruction `refuse`."""

    batch_size = 4
    batches: list[int] = []  # noqa: RUF012 (shared on purpose: the test reads it from the class)

    def batch_edit(
        self, images: list[Image.Image], instructions: list[str], seeds: list[int] | None = None, **kwargs: Any
    ) -> list[Image.Image]:
        type(self).batches.append(len(images))
        if self.config.get("refuse") in instructions:
            raise RuntimeError("this batch is cursed")
        return [self.edit_image(image, "", seed) for image, seed in zip(images, seeds or [], strict=True)]

    def edit_image(self, original_image: Image.Image, edit_instruction: str, seed: int = 0) -> Image.Image:
        if edit_instruction and edit_instruction == self.config.get("refuse"):
            raise RuntimeError("this sample is cursed")
        return super().edit_image(original_image, edit_instruction, seed)


_EXITS: dict[str, type[BaseException]] = {
    "exit": SystemExit,
    "interrupt": KeyboardInterrupt,
    "generator": GeneratorExit,
}


class FaultyEditor(InvertEditor):
    """Does what the instruction says: `raise`, `none`, `text`, `closed`, `exit` …, `mutate`, or a normal edit."""

    def edit_image(self, original_image: Image.Image, edit_instruction: str, sample_id: str = "", **kwargs: Any) -> Any:
        if edit_instruction == "raise":
            raise RuntimeError("out of paint")
        if edit_instruction == "none":
            return None
        if edit_instruction == "text":
            return "here is your image"
        if edit_instruction == "closed":
            original_image.close()
            return original_image
        if edit_instruction in _EXITS:
            raise _EXITS[edit_instruction]("3")
        if edit_instruction == "mutate":
            original_image.paste((0, 0, 0), (0, 0, *original_image.size))
        return super().edit_image(original_image, edit_instruction, sample_id)


class OldStyleEditor(BaseDiffusionModel):
    """As plug-ins were written for the older system: `**kwargs` go straight to a library that knows no `seed`."""

    def _initialize(self) -> None:
        self.pipe = self._library

    @staticmethod
    def _library(image: Image.Image, prompt: str) -> Image.Image:
        return ImageChops.invert(image)

    def edit_image(self, original_image: Image.Image, edit_instruction: str, **kwargs: Any) -> Image.Image:
        return self.pipe(image=original_image, prompt=edit_instruction, **kwargs)


class UnloadableEditor(InvertEditor):
    """Cannot be constructed."""

    def _initialize(self) -> None:
        raise OSError("no such weights")


class BrightnessJudge(BaseRewardModel):
    """Scores the mean brightness of the edit, 0–10; `seconds` slows it down, `concurrency` runs several at once."""

    needs_prompts = False
    NOT_IN_IDENTITY = BaseRewardModel.NOT_IN_IDENTITY | {"seconds", "concurrency", "log"}
    running = 0
    most_running = 0
    _lock = threading.Lock()

    def _initialize(self) -> None:
        self.max_concurrency = int(self.config.get("concurrency", 1))

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
        cls = BrightnessJudge
        with cls._lock:
            cls.running += 1
            cls.most_running = max(cls.most_running, cls.running)
        time.sleep(float(self.config.get("seconds", 0)))
        with cls._lock:
            cls.running -= 1
        if log := self.config.get("log"):
            with Path(log).open("a", encoding="utf-8") as lines:
                lines.write(f"{edit_instruction}\n")
        return sum(ImageStat.Stat(edited_image).mean) / 3 / 25.5


class SourceJudge(BaseRewardModel):
    """10 when the source it is shown is not black."""

    needs_prompts = False

    def _initialize(self) -> None: ...

    def score(self, *args: Any, original_image: Image.Image | None = None, **kwargs: Any) -> float:
        assert original_image is not None
        return 10.0 if original_image.getbbox() else 0.0


class FaultyJudge(BrightnessJudge):
    """Does what the instruction says: `raise`, `nan`, `eleven`, `text`, `skip`, `judge exit`, or a normal score."""

    def score(
        self, edited_image: Image.Image, original_description: str, edit_instruction: str, *args: Any, **kwargs: Any
    ) -> Any:
        if edit_instruction == "raise":
            raise TimeoutError("judge is asleep")
        if edit_instruction == "judge exit":
            raise SystemExit("3")
        if edit_instruction == "skip":
            raise NotApplicable("nothing to compare with")
        odd = {"nan": float("nan"), "eleven": 11.0, "text": "7"}
        if edit_instruction in odd:
            return odd[edit_instruction]
        return super().score(edited_image, original_description, edit_instruction, *args, **kwargs)


class PromptJudge(BaseRewardModel):
    """Needs prompts, and answers 7."""

    def _initialize(self) -> None: ...

    def score(self, *args: Any, **kwargs: Any) -> float:
        return 7.0


class NotAModel:
    """Has the right name in the wrong family."""
