"""`EditorPlan`: everything about an editor that is known before it loads — class, params, identity, keys of edits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from src.config import ModelConfig
from src.errors import ConfigError
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.replicas import replica_params
from src.pipeline.keys import digest, edit_key, sample_seed
from src.registry import build, resolve


class EditorPlan:
    """A checked section `diffusion_model`.

    Args:
        section: Class path and params.
        seed: The run's seed, from which each sample's seed follows; `params.seed` goes before it.

    Raises:
        ConfigError: on construction, for a wrong class path, params or seed.
    """

    def __init__(self, section: ModelConfig, seed: int = 0) -> None:
        self.editor_class = resolve(section, BaseDiffusionModel, "diffusion_model")  # type: ignore[type-abstract]
        self.params = section.params
        own = section.params.get("seed")
        try:
            self.seed = seed if own is None else int(own)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"diffusion_model.params.seed must be a whole number: {error}") from error

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What decides the editor's results; JSON-able.

        Raises:
            ModelError: when its weights are missing.
        """
        return self.editor_class.identity(self.params)

    @cached_property
    def digest(self) -> str:
        """The identity's digest, which enters the key of every edit."""
        return digest(self.identity)

    def check_weights(self) -> None:
        """Raises `ModelError` when weights are missing, or say that they are not for this editor."""
        _ = self.identity
        self.editor_class.check_weights(self.params)

    def check_devices(self) -> None:
        """Raises `ModelError` when a GPU is asked for that is not on this machine."""
        self.editor_class.check_devices(self.params)

    def devices(self) -> list[str]:
        """Where the editor would compute; empty for one that runs elsewhere."""
        return self.editor_class.devices(self.params)

    def replicas(self) -> list[dict[str, Any]]:
        """The params of each editor: one per entry of `device_ids`, else a single one."""
        return replica_params(self.params)

    def load(self) -> Iterator[BaseDiffusionModel]:
        """Builds one editor after the other and moves it to its device.

        Raises:
            ModelError: when one cannot be built.
        """
        for params in self.replicas():
            editor = build(self.editor_class, params)
            editor.load_to_gpu()
            yield editor

    def keys(self, sample_id: str, source_sha256: str, instruction: str) -> tuple[int, str]:
        """A sample's seed and the content key of the edit. Edits of one sample share its seed, whatever the source."""
        seed = sample_seed(self.seed, sample_id)
        return seed, edit_key(self.digest, source_sha256, instruction, seed)
