"""The number types in which a policy is trained, and in which it is asked afterwards for the comparison."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic

from src.models.device import resolved_device, resolved_dtype
from src.training.config import PolicySettings, TrainingConfig

_TYPES = {"bf16": "bfloat16", "fp16": "float16"}
_SWITCH = pydantic.TypeAdapter(bool | None)


@dataclass(frozen=True)
class Precision:
    """The number types of a policy, by their names in torch."""

    weights: str
    """Type of all weights but those of an adapter, which are in float32."""
    autocast: str | None
    """Type in which the forward pass computes; None where it is that of the weights."""


def policy_precision(config: TrainingConfig) -> Precision:
    """Returns what `policy.dtype`, the trainer's switches and the launcher come to on this machine.

    All weights that are trained are in float32: in bfloat16 an update smaller than 1/256 of a weight is lost, which at
    usual learning rates is nearly every one. DeepSpeed keeps such a copy in its optimizer, and computes with weights in
    half precision.
    """
    return trained_precision(config.policy, config.training.grpo)


def trained_precision(policy: PolicySettings, arguments: Mapping[str, Any]) -> Precision:
    """As `policy_precision`, of a policy and the trainer's arguments as a YAML gives them."""
    mixed = _TYPES.get(mixed_precision(arguments))
    if mixed is not None and _by_deepspeed(arguments):
        return Precision(mixed, None)
    if policy.trains_stored_weights:
        return Precision("float32", mixed)
    return Precision(resolved_dtype(policy.dtype, "auto"), mixed)


def mixed_precision(grpo: Mapping[str, Any]) -> str:
    """Returns `bf16`, `fp16` or `no`: as asked for, else bf16 on an accelerator, else as the launcher says."""
    if _SWITCH.validate_python(grpo.get("fp16")):
        return "fp16"
    bf16 = _SWITCH.validate_python(grpo.get("bf16"))
    if bf16 or (bf16 is None and resolved_device("auto") != "cpu"):
        return "bf16"
    return os.environ.get("ACCELERATE_MIXED_PRECISION", "no")


def _by_deepspeed(grpo: Mapping[str, Any]) -> bool:
    return bool(grpo.get("deepspeed")) or os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true"
