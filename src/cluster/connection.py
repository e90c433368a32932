"""The connection of this process to a Ray cluster, and how much the cluster has room for."""

from __future__ import annotations

import importlib.util
import os
import sys

from src.config import RayConfig
from src.errors import ModelError
from src.reasons import reason_of
from src.redaction import masked

NAMESPACE = "editloop"
"""Names of actors are unique within it, for all processes that connect to one cluster."""
_OBJECT_STORE_BYTES = 500_000_000
"""Of a cluster that lives as long as the process: it holds the pictures under way, and no others."""


def require_ray() -> None:
    """Raises `ModelError` where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise ModelError(
            "runtime.engine: ray needs the package ray, which is not installed: pip install 'editloop[ray]' here and "
            "on every machine of the cluster, or set runtime.engine: local"
        )


def connect(settings: RayConfig) -> None:
    """Connects this process to the cluster, unless it is connected already.

    Raises:
        ModelError: Ray is not installed, or there is no such cluster; the text says how to start one.
    """
    require_ray()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is sent anywhere
    import ray

    if ray.is_initialized():
        return
    options = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": "ERROR"}
    if settings.address == "local":
        options |= {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    if settings.runtime_env:
        options["runtime_env"] = settings.runtime_env
    try:
        ray.init(address=settings.address, **options)
    except Exception as error:  # Ray raises every kind of error here
        raise ModelError(
            f"runtime.ray.address: {settings.address} leads to no usable Ray cluster ({masked(reason_of(error))}); "
            "start one with `ray start --head` (docs/clusters.md), or set runtime.ray.address: local"
        ) from error


def is_connected() -> bool:
    """Tells whether this process is connected to a cluster; Ray is not imported for it."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def room_for(gpus: float, reserved: float = 0) -> int:
    """How many processes of a size the machines of the cluster have room for at this moment, busy or not.

    Args:
        gpus: GPUs of each; with 0, each takes a CPU.
        reserved: GPUs (or CPUs) that are meant for others.
    """
    import ray

    resource, each = ("GPU", gpus) if gpus else ("CPU", 1.0)
    count = 0
    for node in ray.nodes():
        amount = node["Resources"].get(resource, 0.0) if node["Alive"] else 0.0
        taken = min(amount, reserved)
        reserved -= taken
        count += int((amount - taken) / each + 1e-6)  # three thirds of a GPU are a whole one
    return count


def check_room(settings: RayConfig, gpus: float, what: str, key: str) -> None:
    """Refuses what a cluster of this machine alone can never have room for; other clusters may grow.

    Raises:
        ModelError: this machine has too few GPUs.
    """
    if settings.address == "local" and not room_for(gpus):
        raise ModelError(
            f"{what}: runtime.ray.{key} asks for {gpus:g} GPUs, and Ray finds fewer on this machine; "
            f"set runtime.ray.{key}: 0 to compute on the CPU"
        )
