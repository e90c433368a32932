"""`BaseModel`: what all models share — construction from a params dict, device moves, identity."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import pydantic

from src.models.device import named_devices, pick_device, resolved_device
from src.published_names import published_name
from src.redaction import fingerprints


class ModelParams(pydantic.BaseModel):
    """Base of a model's typed parameters: unknown names are errors, found before anything loads."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class BaseModel(ABC):
    """A model built from the `params` mapping of the YAML.

    A plug-in needs only `_initialize` and its one working method (`edit_image` or `score`). Optional class attributes:
    `Params` (a `ModelParams` subclass: checked before loading, then at `self.params`), `VERSION` (raise it when the
    model's own code changes what it produces, so that stored results are not reused).
    """

    Params: ClassVar[type[ModelParams] | None] = None
    VERSION: ClassVar[str] = "1"
    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = frozenset(
        {"device", "device_ids", "batch_size", "disable_progress_bar"}
    )
    """Params that change speed or placement, never the result."""

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        self.config: dict[str, Any] = dict(config or {})
        self.params: Any = self.Params(**self.config) if self.Params else None
        self._initialize()

    @classmethod
    def check_ready(cls, params: dict[str, Any]) -> None:
        """Looks for what the model needs besides its params (a key …), before any model of the run loads.

        Raises:
            ModelError: what is missing and how to provide it.
        """

    @classmethod
    def check_weights(cls, params: dict[str, Any]) -> None:
        """Reads what the weights' own files say (their class, settings that they ignore), before any load.

        It is called after `identity`, which says where weights are missing.

        Raises:
            ModelError: the weights are not for this model; the text names the one that they are for.
        """

    @abstractmethod
    def _initialize(self) -> None:
        """Loads what the model needs. Called once, by the constructor."""

    def load_to_gpu(self) -> None:
        """Moves the model to its accelerator; no-op by default."""

    def unload_from_gpu(self) -> None:
        """Frees the accelerator; no-op by default."""

    @classmethod
    def stated_usage(cls, params: dict[str, Any]) -> frozenset[str]:
        """Names of the amounts that the usage of every answer states, such as `calls`; none by default.

        A budget can limit `calls` and `cost` of a judge that states them.
        """
        return frozenset()

    def seconds_to_wait(self) -> float:
        """Seconds that a server has asked the model to wait yet, for displays; 0 by default."""
        return 0.0

    def stop_waiting(self) -> None:
        """Breaks off all pauses before a further try, as the run stops; no-op by default.

        Whoever was in one raises `WaitBrokenOff`.
        """

    @classmethod
    def identity(cls, params: dict[str, Any]) -> dict[str, Any]:
        """What decides the model's results: class, version, params that matter, weights revision. JSON-able.

        Computed from the params alone, so that a resumed run knows what is done before it loads anything. Secrets
        among them are there as hashes: a class that lets a key decide nothing names it in `NOT_IN_IDENTITY`.
        """
        resolved = cls.Params(**params).model_dump(mode="json") if cls.Params else dict(params)
        kept = fingerprints({key: value for key, value in resolved.items() if key not in cls.NOT_IN_IDENTITY})
        identity = {"class": published_name(cls), "version": cls.VERSION, "params": kept}
        revision = cls.weights_revision(params)
        return identity | ({"weights": revision} if revision else {})

    @classmethod
    def devices(cls, params: dict[str, Any]) -> list[str]:
        """The devices on which a model with these params would compute, such as `cuda:0`; none for a remote one."""
        checked = cls.Params(**params).model_dump() if cls.Params else params
        device = checked.get("device")
        chosen = named_devices(checked.get("device_ids")) or ([] if device is None else [str(device)])
        return [resolved_device(name) for name in chosen]

    @classmethod
    def check_devices(cls, params: dict[str, Any]) -> None:
        """Looks for the devices on this machine, before any model of the run loads.

        Raises:
            ModelError: a GPU is asked for that torch does not see.
        """
        for device in cls.devices(params):
            pick_device(device)

    @classmethod
    def weights_revision(cls, params: dict[str, Any]) -> str | None:
        """A string that changes when the weights named by `params` change; None for models without weights.

        Raises:
            ModelError: when the weights are missing; the text says which and how to get them.
        """
        return None


def named_arguments(method: Callable[..., Any], **offered: Any) -> dict[str, Any]:
    """The offered arguments that `method` names in its signature.

    A bare `**kwargs` gets none of them: older plug-ins pass theirs on to libraries that refuse unknown names.
    """
    names = _parameter_names(getattr(method, "__func__", method))
    return {name: value for name, value in offered.items() if name in names}


@functools.cache
def _parameter_names(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)
