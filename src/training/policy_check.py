"""Checks that need the policy's architecture: a vision tower to freeze, and layers for the adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.errors import ConfigError, ModelError
from src.models.weights import pinned, resolve_revision
from src.training.adapter_check import check_adapter
from src.training.config import PolicySettings
from src.training.grpo.policy import vision_towers

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def check_policy(settings: PolicySettings) -> None:
    """Builds the policy without its weights and looks for what the settings name in it.

    Raises:
        ConfigError: the adapter names what it does not have, or its head; it has no such attention.
        ModelError: it is missing, or not a vision-language model; there is no vision tower to freeze.
    """
    resolve_revision(settings.model, settings.revision)
    model = meta_policy(settings)
    if settings.freeze_vision_tower:
        vision_towers(model, settings.model)
    if settings.attn_implementation is not None and "/" not in settings.attn_implementation:
        _check_attention(model, settings.attn_implementation)
    if settings.lora is not None:
        check_adapter(model, settings.lora)


def meta_policy(settings: PolicySettings) -> PreTrainedModel:
    """Builds the policy's modules on torch's `meta` device: with their shapes, without numbers.

    Raises:
        ModelError: its config is missing, or not that of a vision-language model.
    """
    import torch
    import transformers

    trusted = {"trust_remote_code": settings.trust_remote_code}
    try:
        config = transformers.AutoConfig.from_pretrained(
            settings.model, **pinned(settings.model, settings.revision), **trusted
        )
        with torch.device("meta"):
            model: PreTrainedModel = transformers.AutoModelForImageTextToText.from_config(config, **trusted)
    except (OSError, ValueError) as error:
        raise ModelError(f"policy.model: {settings.model} is not a vision-language model ({error})") from error
    return model


def _check_attention(model: PreTrainedModel, name: str) -> None:
    """A kernel of the hub is left to loading, which fetches it."""
    try:
        model.get_correct_attn_implementation(name, is_init_check=True)
    except (ValueError, ImportError) as error:
        raise ConfigError(f"policy.attn_implementation: {type(model).__name__} has no {name} ({error})") from error
