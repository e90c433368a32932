"""`changed_scheduler`: overrides of a scheduler's settings, proven on a scheduler before any weights load."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from src.errors import ConfigError, ModelError, did_you_mean
from src.models.weights import pinned

_TRIED_STEPS = 4


def changed_scheduler(scheduler: Any, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Returns all settings of a scheduler with overrides, after a schedule was made with them.

    Args:
        scheduler: Of diffusers, as the checkpoint has it.
        overrides: By name.

    Raises:
        ConfigError: it has no such setting, or makes no schedule of finite noise levels with the value.
    """
    kind, stored = type(scheduler), dict(scheduler.config)
    for name, value in overrides.items():
        where = f"diffusion_model.params.scheduler_config.{name}"
        if name not in stored:
            raise ConfigError(f"{where}: {kind.__name__} has no such setting.{did_you_mean(name, stored)}")
        if not _is_like(value, stored[name]):
            raise ConfigError(f"{where}: {value!r} is no value like the checkpoint's own, {stored[name]!r}")
    settings = {**stored, **overrides}
    try:
        levels = _noise_levels(kind.from_config(settings), settings)
    except Exception as error:  # each scheduler refuses in its own way
        raise ConfigError(_told(kind, overrides, f"{type(error).__name__}: {error}")) from error
    if not all(map(math.isfinite, levels)):
        raise ConfigError(_told(kind, overrides, "the noise levels are not finite"))
    return settings


def overridden(scheduler: Any, overrides: Mapping[str, Any]) -> Any:
    """A scheduler like the given one, with overrides that `changed_scheduler` has proven."""
    return type(scheduler).from_config({**scheduler.config, **overrides})


def stored_scheduler_with(params: Any, index: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the checkpoint's scheduler, which has no weights, with the overrides.

    Args:
        params: Those of a model: `model_name`, `revision`, `scheduler_config`.
        index: The checkpoint's `model_index.json`.

    Raises:
        ConfigError: for an override that it does not know, or cannot work with.
        ModelError: it cannot be made.
    """
    import diffusers

    where = {"subfolder": "scheduler", **pinned(params.model_name, params.revision)}
    try:
        scheduler = getattr(diffusers, index["scheduler"][1]).from_pretrained(params.model_name, **where)
    except (OSError, KeyError, AttributeError) as error:
        raise ModelError(f"the scheduler of {params.model_name} cannot be loaded ({error})") from error
    return changed_scheduler(scheduler, params.scheduler_config)


def _is_like(value: Any, stored: Any) -> bool:
    if value is None or stored is None:
        return True
    if isinstance(stored, bool) or isinstance(value, bool):
        return isinstance(stored, bool) and isinstance(value, bool)
    if isinstance(stored, int | float):
        return isinstance(value, int | float)
    return isinstance(value, type(stored))


def _noise_levels(scheduler: Any, settings: Mapping[str, Any]) -> list[float]:
    shift = {"mu": 1.0} if settings.get("use_dynamic_shifting") else {}
    scheduler.set_timesteps(_TRIED_STEPS, **shift)
    levels: list[float] = [float(level) for level in getattr(scheduler, "sigmas", scheduler.timesteps)]
    return levels


def _told(kind: type, overrides: Mapping[str, Any], reason: str) -> str:
    return f"diffusion_model.params.scheduler_config: {kind.__name__} cannot work with {dict(overrides)!r} ({reason})"
