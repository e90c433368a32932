"""`ModelHandle`: an editor or a judge that is known by its class and params before its weights are loaded."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Generic, TypeVar

from src.config import ModelConfig
from src.models.base import BaseModel
from src.registry import resolve

Model = TypeVar("Model", bound=BaseModel)


class ModelHandle(Generic[Model]):
    """The model of a config's section, checked at once and not loaded.

    Args:
        section: Its `class_path` and `params`.
        base: What the class must derive from.
        where: The section's name in the config, for messages.

    Raises:
        ConfigError: on construction, for a wrong class path or params.
    """

    def __init__(self, section: ModelConfig, base: type[Model], where: str) -> None:
        self.model_class = resolve(section, base, where)
        self.params = section.params

    @property
    def name(self) -> str:
        """The model's class, for messages."""
        return self.model_class.__name__

    def identity(self) -> dict[str, Any]:
        """What decides the model's results; JSON-able.

        Raises:
            ModelError: when its weights are missing.
        """
        return self._identity

    @cached_property
    def _identity(self) -> dict[str, Any]:
        return self.model_class.identity(self.params)

    def devices(self) -> list[str]:
        """Names the devices on which the model would compute; none for one that runs elsewhere."""
        return self.model_class.devices(self.params)

    def check_weights(self) -> None:
        """Raises `ModelError` when weights are missing, or say that they are not for this model."""
        self.identity()
        self.model_class.check_weights(self.params)

    def check_devices(self) -> None:
        """Raises `ModelError` when a GPU is asked for that is not on this machine."""
        self.model_class.check_devices(self.params)
