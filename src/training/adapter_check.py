"""Whether `policy.lora` fits the policy: every module that it names exists, and every setting changes something."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from src.errors import ConfigError
from src.training.config import LoraSettings
from src.training.grpo.policy import add_adapter

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def check_adapter(model: PreTrainedModel, settings: LoraSettings) -> None:
    """Puts the adapter into a model without weights, and looks for a place of everything that the settings name.

    Peft refuses an adapter without any layer. It does not say that single names, patterns or numbers fit nothing.

    Args:
        model: The policy on torch's `meta` device; it has the adapter afterwards.
        settings: The settings of the adapter.

    Raises:
        ConfigError: a setting that fits nothing, or an adapter of the head.
    """
    given = settings.model_dump()
    modules = [name for name, _ in model.named_modules()]
    for field in ("target_modules", "exclude_modules", "modules_to_save"):
        names = given.get(field)
        _require_places(field, [] if isinstance(names, str) else names or [], modules)
    add_adapter(model, settings)
    adapted = _adapted(model)
    for field in ("rank_pattern", "alpha_pattern"):
        _require_patterns(field, given.get(field) or {}, adapted)
    _require_layers(given.get("layers_to_transform"), adapted)
    if type(model.get_output_embeddings()).__module__.startswith("peft."):
        raise ConfigError(
            "policy.lora: an adapter of lm_head would never be trained, since TRL computes log-probabilities from its "
            "weight alone; leave it out of target_modules and modules_to_save"
        )


def _require_places(field: str, names: Iterable[str], modules: list[str]) -> None:
    strays = [name for name in names if not any(_ends(module, name) for module in modules)]
    if strays:
        raise ConfigError(f"policy.lora.{field}: the policy has no module {', '.join(strays)}")


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _adapted(model: PreTrainedModel) -> list[str]:
    """The names of the layers that the adapter stands beside."""
    from peft.tuners.lora import LoraLayer

    return [name for name, module in model.named_modules() if isinstance(module, LoraLayer)]


def _require_patterns(field: str, patterns: dict[str, Any], adapted: list[str]) -> None:
    """Peft matches a pattern with the end of a layer's name, as here."""
    for pattern in patterns:
        if not any(re.match(rf"(.*\.)?({pattern})$", name) for name in adapted):
            raise ConfigError(f"policy.lora.{field}: the adapter has no layer {pattern}")


def _require_layers(numbers: int | list[int] | None, adapted: list[str]) -> None:
    wanted = [numbers] if isinstance(numbers, int) else numbers or []
    strays = [str(number) for number in wanted if not any(str(number) in name.split(".") for name in adapted)]
    if strays:
        raise ConfigError(f"policy.lora.layers_to_transform: the adapter has no layer {', '.join(strays)}")
