"""`BaseDiffusionModel`: an editor — source image and instruction in, edited image out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from PIL import Image

from src.models.base import BaseModel, named_arguments


class BaseDiffusionModel(BaseModel):
    """An instruction-based image editor.

    The pipeline passes `seed` (int) and `sample_id` (str) to `edit_image` — `seeds` and `sample_ids` (lists) to
    `batch_edit` — exactly when the method names them in its signature, so older plug-ins work unchanged. Where a sample
    has several source pictures, those after the first one are passed as `further_images` (a list) to `edit_image`; for
    an editor whose `edit_image` does not name it, such samples are `not_applicable`.
    """

    batch_size: int = 1
    """How many samples `batch_edit` wants at once."""
    max_concurrency: int = 1
    """How many calls may run at the same time, each in its own thread (API editors)."""

    @classmethod
    def takes_source(cls, params: Mapping[str, Any]) -> bool:
        """Whether the model edits source pictures; known before it loads."""
        return True

    @classmethod
    def takes_text_alone(cls, params: Mapping[str, Any]) -> bool:
        """Whether the model makes pictures of text alone (`GenerationModel`); known before it loads."""
        return False

    @classmethod
    def takes_further_images(cls, params: Mapping[str, Any]) -> bool:
        """Whether the editor can edit samples with several source pictures; known before it loads.

        Args:
            params: The editor's params.
        """
        return bool(named_arguments(cls.edit_image, further_images=()))

    @classmethod
    def takes_turns(cls, params: Mapping[str, Any]) -> bool:
        """Whether the edits of samples in several turns can be had of it, each turn an edit of what the one before has
        made; known before it loads. By default not: an editor edits once.
        """
        return False

    @abstractmethod
    def edit_image(self, original_image: Image.Image, edit_instruction: str, **kwargs: Any) -> Image.Image:
        """Edits one RGB image by one instruction. Raises on failure: never return the source in place of an edit."""

    def batch_edit(self, images: list[Image.Image], instructions: list[str], **kwargs: Any) -> list[Image.Image]:
        """Edits several images; by default one after the other."""
        if len(images) != len(instructions):
            raise ValueError(f"{len(images)} images but {len(instructions)} instructions")
        return [self.edit_image(image, text, **kwargs) for image, text in zip(images, instructions, strict=True)]

    def __call__(self, original_image: Image.Image, edit_instruction: str, **kwargs: Any) -> Image.Image:
        """Does what `edit_image` does."""
        return self.edit_image(original_image, edit_instruction, **kwargs)
