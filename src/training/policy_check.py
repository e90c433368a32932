"""What only the policy's architecture tells: that there is a vision tower to freeze, and layers for the adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.errors import ConfigError, ModelError
from src.models.weights import pinned, resolve_revision
from src.training.config import LoraSettings, PolicySettings
from src.training.policy import add_adapter, vision_towers

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def check_policy(settings: PolicySettings) -> None:
    """Builds the policy without its weights and looks for what the settings name in it.

    Raises:
        ConfigError: the adapter's `target_modules` name nothing in it, or its head; it has no such attention.
        ModelError: it is missing, or not a vision-language model; there is no vision tower to freeze.
    """
    resolve_revision(settings.model, settings.revision)
    model = hollow_policy(settings)
    if settings.freeze_vision_tower:
        vision_towers(model, settings.model)
    if settings.attn_implementation is not None and "/" not in settings.attn_implementation:
        _check_attention(model, settings.attn_implementation)
    if settings.lora is not None:
        _check_targets(model, settings.lora)


def hollow_policy(settings: PolicySettings) -> PreTrainedModel:
    """The policy's modules with their shapes, on torch's `meta` device, which holds no numbers.

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
        model.get_correct_attn_implementation(name.removeprefix("paged|"), is_init_check=True)
    except (ValueError, ImportError) as error:
        raise ConfigError(f"policy.attn_implementation: {type(model).__name__} has no {name} ({error})") from error


def _check_targets(model: PreTrainedModel, settings: LoraSettings) -> None:
    """Peft refuses an adapter without any layer; that single names of a list fit nothing it does not say."""
    names = [name for name, _ in model.named_modules()]
    targets = [] if isinstance(settings.target_modules, str) else settings.target_modules
    strays = [target for target in targets if not any(_ends(name, target) for name in names)]
    if strays:
        raise ConfigError(f"policy.lora.target_modules: the policy has no module {', '.join(strays)}")
    add_adapter(model, settings)
    if any("lora_" in name for name, _ in model.get_output_embeddings().named_parameters()):
        raise ConfigError(
            "policy.lora.target_modules: an adapter of lm_head would never be trained, since TRL computes "
            "log-probabilities from its weight alone; leave it out"
        )


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")
