"""What actors of editors and of judges share: they build a model, and say what the driver must know of it."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from src.cluster.connection import machine_id
from src.errors import ConfigError, ModelError
from src.models.base import BaseModel
from src.models.device import named_devices
from src.registry import build, load_class

Model = TypeVar("Model", bound=BaseModel)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelPlace:
    """A model to be built in an actor's process, so that it makes what the driver's keys say."""

    class_path: str
    params: dict[str, Any]
    identity: dict[str, Any]
    """What the driver takes for the model's identity."""
    folder: str
    """The driver's working directory, from which relative paths lead where it exists; or nothing."""


def check_placeable(model_class: type[BaseModel], params: dict[str, Any], where: str) -> None:
    """Refuses devices by number: an actor sees the GPUs that Ray gives it, and they begin with 0.

    Raises:
        ConfigError: naming the param.
    """
    if named_devices(params.get("device_ids")):
        raise ConfigError(
            f"{where}.params.device_ids: with runtime.engine: ray, Ray chooses the devices; leave it out and set "
            "runtime.ray.editors or judges, and editor_gpus or judge_gpus"
        )
    if (device := str(params.get("device", "auto"))).partition(":")[2]:
        raise ConfigError(
            f"{where}.params.device: {device} names one GPU, and with runtime.engine: ray, Ray chooses it; "
            "write auto or cuda"
        )


class PlacedModel(Generic[Model]):
    """The base of actors with a model, which is built by the first `load` of each process."""

    base: type[Any]
    """What the model must derive from."""

    def __init__(self, place: ModelPlace) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._model: Model | None = None
        self._turns = threading.Semaphore()
        if place.folder and Path(place.folder).is_dir():
            os.chdir(place.folder)
            sys.path.insert(0, place.folder)

    def load(self) -> dict[str, Any]:
        """Builds the model, unless it is there, and says what the driver must know of it.

        Raises:
            ModelError: it cannot be built on this machine, or would make something else than the driver's keys say.
        """
        place = self._place
        with self._lock:
            if self._model is None:
                try:
                    model_class = load_class(place.class_path, self.base)
                    self._check_identity(model_class)
                    model: Model = build(model_class, place.params)
                    model.load_to_gpu()
                except (ConfigError, ModelError) as error:
                    raise ModelError(f"on {socket.gethostname()}: {error}") from None
                self._turns = threading.Semaphore(self.model_concurrency(model))
                self._model = model
        return self.info(self._model)

    def _check_identity(self, model_class: type[Model]) -> None:
        here, there = model_class.identity(self._place.params), self._place.identity
        if here != there:
            raise ModelError(
                f"{model_class.__name__} would make other results here than its keys say, which the run computes where "
                f"it was started: {', '.join(_differing(here, there))} come to something else. State dtype in place of "
                "auto, and have the same weights and the same version of EditLoop everywhere"
            )

    def info(self, model: Model) -> dict[str, Any]:
        """What `load` returns."""
        concurrency = self.model_concurrency(model)
        return {
            "machine": socket.gethostname(),
            "node": machine_id(),
            "batch_size": getattr(model, "batch_size", 1),
            "max_concurrency": concurrency,
            "in_flight": concurrency + 1,
        }

    def model_concurrency(self, model: Model) -> int:
        """How many calls the model bears at the same time."""
        return int(getattr(model, "max_concurrency", 1))

    @property
    def model(self) -> Model:
        """The model, built now where Ray has replaced a process that was idle: of that the driver hears nothing.

        Raises:
            ModelError: see `load`.
        """
        if self._model is None:
            self.load()
        assert self._model is not None
        return self._model


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The names of what differs between two identities; params by their own names."""
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    if "params" not in names:
        return names
    inner = _differing(one.get("params", {}), other.get("params", {}))
    return [name for name in names if name != "params"] + [f"params.{name}" for name in inner]
