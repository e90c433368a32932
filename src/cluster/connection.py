"""The connection of this process to a Ray cluster."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from typing import Any

from src.engine_config import RayConfig
from src.errors import ModelError
from src.reasons import reason_of
from src.redaction import masked

logger = logging.getLogger(__name__)

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

    _log_reports()
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


def _log_reports() -> None:
    """Has Ray's reports on processes and machines that end logged, which it prints whatever `log_to_driver` says."""
    import ray._private.worker

    def log(report: dict[str, Any], **kwargs: Any) -> None:
        logger.debug("Ray: %s", "\n".join(report["lines"]))

    ray._private.worker.print_to_stdstream = log


def machine_id() -> str:
    """What Ray calls the machine of this process; nothing in a process that is not Ray's."""
    ray = sys.modules.get("ray")
    return str(ray.get_runtime_context().get_node_id()) if ray is not None and ray.is_initialized() else ""


def is_connected() -> bool:
    """Tells whether this process is connected to a cluster; Ray is not imported for it."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())
