"""`IdentityModel`: the control of a benchmark, an editor that returns its input."""

from __future__ import annotations

from typing import Any

from PIL import Image

from src.models.base import ModelParams
from src.models.diffusion.base_diffusion import BaseDiffusionModel


class IdentityModel(BaseDiffusionModel):
    """Returns a copy of the source. A control: what it scores is the floor under every real editor's score."""

    class Params(ModelParams):
        """The editor takes no params."""

    def _initialize(self) -> None: ...

    def edit_image(self, original_image: Image.Image, edit_instruction: str, **kwargs: Any) -> Image.Image:
        """Returns the source unchanged."""
        return original_image.copy()
