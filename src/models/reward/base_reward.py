"""`BaseRewardModel`: a judge — source, edit and prompts in, a score out."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from PIL import Image

from src.models.base import BaseModel


class BaseRewardModel(BaseModel):
    """A judge of edits. Scores lie in 0–10; a judge that cannot score raises, it never invents a number.

    `reference_image` is passed by keyword exactly when `score` or `batch_score` names it in its signature
    (`reference_images` for the batch).
    """

    batch_size: int = 1
    """How many edits `batch_score` wants at once."""
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
        original_images: list[Image.Image] | None = None,
        **kwargs: Any,
    ) -> list[float]:
        """Scores several edits; by default one after the other."""
        columns = (edited_images, original_descriptions, edit_instructions, system_prompts, user_prompts)
        if len({len(column) for column in columns}) != 1:
            raise ValueError(f"columns of unequal length: {[len(column) for column in columns]}")
        originals: list[Image.Image | None] = list(original_images) if original_images else [None] * len(edited_images)
        rows = zip(*columns, strict=True)
        return [
            self.score(*row, original_image=original, **kwargs) for row, original in zip(rows, originals, strict=True)
        ]

    def __call__(self, *args: Any, **kwargs: Any) -> float:
        """Same as `score`."""
        return self.score(*args, **kwargs)
