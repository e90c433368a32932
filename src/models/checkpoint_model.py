"""`CheckpointModel`: what models share whose weights are a local folder or a Hugging Face repository."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from src.errors import ConfigError
from src.models.base import BaseModel, ModelParams
from src.models.device import require_device_name, resolved_dtype
from src.models.weights import resolve_revision


class CheckpointParams(ModelParams):
    """Which weights, and in which number type."""

    model_name: str
    """Hub id or local folder."""
    revision: str | None = None
    """Branch, tag or commit of a hub model."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """`auto` is bfloat16 on an accelerator and float32 on the CPU."""


class CheckpointModel(BaseModel):
    """A model whose `Params` are `CheckpointParams`."""

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = BaseModel.NOT_IN_IDENTITY | {"revision"}
    """The revision enters the identity as the commit that it stands for."""

    @classmethod
    def identity(cls, params: dict[str, Any]) -> dict[str, Any]:
        """The identity of any model, with the number type that `auto` stands for."""
        found = super().identity(params)
        found["params"]["dtype"] = cls.number_type(params)
        return found

    @classmethod
    def number_type(cls, params: dict[str, Any]) -> str:
        """What `dtype` stands for on the devices that would be used; nothing is loaded.

        Raises:
            ConfigError: one of them is no device, or `auto` stands for different types on different ones.
        """
        devices = cls.devices(params)
        for device in devices:
            require_device_name(device)
        checked: Any = cls.Params(**params)  # type: ignore[misc]
        types = {resolved_dtype(checked.dtype, device) for device in devices}
        if len(types) > 1:
            raise ConfigError(
                f"dtype: auto is {' on some and '.join(sorted(types))} on others of {', '.join(devices)}: a result "
                "would depend on which of them was free; set dtype"
            )
        return types.pop()

    @classmethod
    def weights_revision(cls, params: dict[str, Any]) -> str | None:
        """The hub commit, or the fingerprint of the local folder."""
        checked: Any = cls.Params(**params)  # type: ignore[misc]
        return resolve_revision(checked.model_name, checked.revision)
