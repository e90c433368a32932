"""What only the policy's architecture tells: that there is a vision tower to freeze, and layers for the adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.errors import ConfigError, ModelError
from src.models.weights import pinned, resolve_revision
from src.training.config import LoraSettings, PolicySettings
from src.training.grpo.policy import add_adapter, vision_towers

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def check_policy(settings: PolicySettings) -> None:
    """Builds the policy without its weights and looks for what the settings name in it.

    Raises:
        ConfigError: the adapter's `target_modules` name nothing in it.
        ModelError: it is missing, or not a vision-language model; there is no vision tower to freeze.
    """
    resolve_revision(settings.model, settings.revision)
    model = meta_policy(settings)
    if settings.freeze_vision_tower:
        vision_towers(model, settings.model)
    if settings.lora is not None:
        _check_targets(model, settings.lora)


def meta_policy(settings: PolicySettings) -> PreTrainedModel:
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


def _check_targets(model: PreTrainedModel, settings: LoraSettings) -> None:
    """Peft refuses an adapter without any layer; that single names of a list fit nothing it does not say."""
    names = [name for name, _ in model.named_modules()]
    targets = [] if isinstance(settings.target_modules, str) else settings.target_modules
    strays = [target for target in targets if not any(_ends(name, target) for name in names)]
    if strays:
        raise ConfigError(f"policy.lora.target_modules: the policy has no module {', '.join(strays)}")
    add_adapter(model, settings)


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")
