"""`Readability`: how easy a picture is to read, 0–1, as a factor of other scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from PIL import Image

from src.models.base import ModelParams
from src.published_names import published_name
from src.rewards.core.scorer import NoParams


class Readability(ABC):
    """A measure of one picture, which the params of a scorer name by `class_path`.

    It must serve several threads at once.
    """

    Params: ClassVar[type[ModelParams]] = NoParams
    VERSION: ClassVar[str] = "1"
    """Raise it when the measure's own code changes what it says, so that stored verdicts are not reused."""

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        self.params: Any = self.Params(**(params or {}))

    def identity(self) -> dict[str, Any]:
        """What decides the values of the measure; JSON-able."""
        own = {"class": published_name(type(self)), "version": self.VERSION}
        return own | {"params": self.params.model_dump(mode="json")}

    @abstractmethod
    def measure(self, image: Image.Image) -> float:
        """The readability of the picture, from 0 (a jumble) to 1 (as clear as can be)."""
