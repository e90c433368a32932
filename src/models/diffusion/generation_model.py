"""`GenerationModel`: text in, picture out — an editor's neighbour behind the same plan, stages and servers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from PIL import Image

from src.models.diffusion.base_diffusion import BaseDiffusionModel


class GenerationModel(BaseDiffusionModel):
    """A text-to-image model, for samples without a source picture.

    The pipeline passes `seed` and `sample_id` to `generate_image`, and `seeds` and `sample_ids` to `batch_generate`,
    exactly when the method names them, as it does to the methods of an editor. A model that edits as well overrides
    `edit_image` and says so by `takes_source`.
    """

    @classmethod
    def takes_source(cls, params: Mapping[str, Any]) -> bool:
        """Whether the model takes source pictures besides; by default it does not."""
        return False

    @classmethod
    def takes_text_alone(cls, params: Mapping[str, Any]) -> bool:
        """Whether the model makes pictures of text alone."""
        return True

    @abstractmethod
    def generate_image(self, prompt: str, **kwargs: Any) -> Image.Image:
        """Makes one RGB picture of a text. Raises on failure: never return a blank picture in its place."""

    def batch_generate(self, prompts: list[str], **kwargs: Any) -> list[Image.Image]:
        """Makes several pictures; by default one after the other."""
        return [self.generate_image(prompt, **kwargs) for prompt in prompts]

    def edit_image(self, original_image: Image.Image, edit_instruction: str, **kwargs: Any) -> Image.Image:
        """Refuses; no sample with a source picture comes here, as `takes_source` says no.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{type(self).__name__} makes pictures of text alone and edits none")
