"""The class path that the older benchmark's template names for its placeholder of an editor."""

from __future__ import annotations

from typing import Any, ClassVar

from src.models.base import ModelParams
from src.models.diffusion.implementations.identity import IdentityModel


class ExampleDiffusionModel(IdentityModel):
    """`IdentityModel` under the template's name and with its params, none of which does anything."""

    class Params(ModelParams):
        """The keys of the older template, none of which does anything."""

        model_name: str = ""
        device: str = ""
        batch_size: int = 1

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = IdentityModel.NOT_IN_IDENTITY | {"model_name"}

    @classmethod
    def devices(cls, params: dict[str, Any]) -> list[str]:
        """An empty list: nothing is computed, whichever device the template names."""
        return []
