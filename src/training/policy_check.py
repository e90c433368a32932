"""Checks that need the policy's architecture: a vision tower to freeze, and layers for the adapter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from src.errors import ConfigError, ModelError
from src.models.weights import pinned, resolve_revision
from src.training.adapter_check import check_adapter
from src.training.config import PolicySettings
from src.training.grpo.policy import vision_towers
from src.training.grpo.sampling import token_ids

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel
    from trl import GRPOConfig


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


def check_completions(settings: PolicySettings, arguments: GRPOConfig, longest: int | None) -> None:
    """Compares what is sampled with what the policy's own files say that it can write.

    Args:
        settings: The policy.
        arguments: The trainer's arguments.
        longest: The most tokens of a completion in the evaluation, where that is set.

    Raises:
        ConfigError: completions longer than the policy has positions, a token that it does not have, or a variable
            that its chat template does not use.
    """
    text = _config(settings).get_text_config()
    positions = getattr(text, "max_position_embeddings", None)
    for where, length in (
        ("training.grpo.max_completion_length", arguments.max_completion_length),
        ("evaluation.max_new_tokens", longest),
    ):
        if positions is not None and length is not None and length >= positions:
            raise ConfigError(f"{where}: {length} tokens and a prompt exceed the {positions} positions of the policy")
    if strays := sorted(token for token in token_ids(arguments) if token >= text.vocab_size):
        raise ConfigError(
            f"training.grpo.generation_kwargs: the policy has {text.vocab_size} tokens, numbered from 0, and no "
            f"{', '.join(map(str, strays))}"
        )
    _check_template(settings, arguments.chat_template_kwargs)


def _check_template(settings: PolicySettings, given: Any) -> None:
    """A chat template passes over variables that it does not use."""
    if not given:
        return
    import jinja2.meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(
        settings.model, **pinned(settings.model, settings.revision), trust_remote_code=settings.trust_remote_code
    )
    template = processor.chat_template or processor.tokenizer.chat_template
    texts = template.values() if isinstance(template, dict) else [template or ""]
    environment = ImmutableSandboxedEnvironment(extensions=["jinja2.ext.loopcontrols"])
    used: set[str] = set()
    for one in texts:
        # Transformers adds the tag `generation`, of which only the mark is of interest to it.
        plain = re.sub(r"\{%-?\s*(end)?generation\s*-?%\}", "", one)
        used |= jinja2.meta.find_undeclared_variables(environment.parse(plain))
    if strays := sorted(set(given) - used):
        raise ConfigError(
            f"training.grpo.chat_template_kwargs: the policy's chat template has no variable {', '.join(strays)}, only "
            f"{', '.join(sorted(used))}"
        )


def _config(settings: PolicySettings) -> PretrainedConfig:
    import transformers

    found: PretrainedConfig = transformers.AutoConfig.from_pretrained(
        settings.model,
        **pinned(settings.model, settings.revision),
        trust_remote_code=settings.trust_remote_code,
    )
    return found


def meta_policy(settings: PolicySettings) -> PreTrainedModel:
    """Builds the policy's modules on torch's `meta` device: with their shapes, without numbers.

    Raises:
        ModelError: its config is missing, or not that of a vision-language model.
    """
    import torch
    import transformers

    trusted = {"trust_remote_code": settings.trust_remote_code}
    try:
        config = _config(settings)
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
