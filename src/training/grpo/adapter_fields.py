"""The fields of `peft.LoraConfig` (0.21) that `policy.lora` takes: with each a stored adapter is what was trained.

Tests prove it for each; every other field is refused with a reason. Peft itself checks few of its fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic

from src.errors import ConfigError, did_you_mean

_NAMES = Annotated[list[str], pydantic.Field(min_length=1)]
_PATTERNS = dict[str, Annotated[int, pydantic.Field(ge=1)]]
_INDEX = Annotated[int, pydantic.Field(ge=0)]

_TYPES: dict[str, Any] = {
    "r": int,
    "lora_alpha": int,
    "lora_dropout": float,
    "target_modules": str | _NAMES,
    "exclude_modules": str | _NAMES | None,
    "bias": Literal["none", "all", "lora_only"],
    "use_rslora": bool,
    "use_dora": bool,
    "lora_bias": bool,
    "modules_to_save": _NAMES | None,
    "init_lora_weights": bool | Literal["gaussian", "orthogonal"],
    "layers_to_transform": _INDEX | list[_INDEX] | None,
    "layers_pattern": str | _NAMES | None,
    "rank_pattern": _PATTERNS | None,
    "alpha_pattern": _PATTERNS | None,
}
"""Types by which pydantic checks the fields that are taken."""

_OWN = "peft writes it itself; leave it out"
_DATA = (
    "its weights would be computed from data, by a pass that does not take place here; leave it out (init_lora_weights "
    "true, gaussian or orthogonal)"
)
_REASONS: dict[str, str] = {
    **dict.fromkeys(
        ("auto_mapping", "base_model_name_or_path", "peft_type", "peft_version", "revision", "task_type"), _OWN
    ),
    **dict.fromkeys(("corda_config", "eva_config", "lora_ga_config"), _DATA),
    "inference_mode": "nothing of the adapter would be trained; leave it out",
    "trainable_token_indices": (
        "TRL computes log-probabilities from the weight of the head alone, where rows of the embedding would be "
        "trained beside it; name target_modules, or modules_to_save: [embed_tokens]"
    ),
}
_UNPROVEN = (
    "it is not proven that an adapter with it is, loaded or merged again, what was trained; leave it out, and set "
    "{known} as you need them"
)
_MOVES_THE_BASE = (
    "true, false, gaussian and orthogonal are possible: others compute the adapter from the weights or from "
    "data and change the base model with it, which the stored adapter does not hold, so that the policy that is "
    "loaded would not be the one trained, nor the reference of a KL term the base model"
)


def checked_adapter_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of `policy.lora` in their types.

    Raises:
        ConfigError: a field that does not exist or is not supported, or a value that cannot be.
    """
    import dataclasses

    from peft import LoraConfig

    fields = [field.name for field in dataclasses.fields(LoraConfig)]
    return {name: _checked(name, value, fields) for name, value in given.items()}


def _checked(name: str, value: Any, fields: list[str]) -> Any:
    if name not in fields:
        raise ConfigError(f"policy.lora.{name}: peft.LoraConfig has no such field.{did_you_mean(name, [*_TYPES])}")
    if name not in _TYPES:
        reason = _REASONS.get(name, _UNPROVEN.format(known=", ".join(_TYPES)))
        raise ConfigError(f"policy.lora.{name}: {reason} (got {value!r})")
    try:
        return pydantic.TypeAdapter(_TYPES[name]).validate_python(value)
    except pydantic.ValidationError as error:
        reasons = "; ".join(dict.fromkeys(detail["msg"] for detail in error.errors()))
        said = _MOVES_THE_BASE if name == "init_lora_weights" else reasons
        raise ConfigError(f"policy.lora.{name}: {said} (got {value!r})") from error
