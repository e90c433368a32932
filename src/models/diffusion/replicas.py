"""`replica_params`: one set of params for each device on which an editor is to run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.models.device import named_devices


def replica_params(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The params of each replica: one per entry of `device_ids` with `device` set, else a single one."""
    single = {name: value for name, value in params.items() if name != "device_ids"}
    return [single | {"device": device} for device in named_devices(params.get("device_ids"))] or [single]
