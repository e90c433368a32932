"""The policy: a vision-language model with its processor; which weights are trained, which tokens never sampled."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import ConfigError, ModelError
from src.models.weights import is_local, pinned
from src.training.config import LoraSettings, PolicySettings
from src.training.grpo.adapter_fields import checked_adapter_fields

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel, ProcessorMixin

logger = logging.getLogger(__name__)

VISION_TOWERS = ("visual", "vision_tower", "vision_model", "vqmodel")
"""What the vision tower is called in Qwen-VL; in LLaVA, Gemma and InternVL; in Idefics; and in Emu3, where it is the
VQ-VAE of pictures."""
_VISION_WORDS = re.compile("image|video|vision", re.IGNORECASE)


def load_policy(
    settings: PolicySettings,
    number_type: str,
    checkpoint: Path | None = None,
    processor: ProcessorMixin | None = None,
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """Loads the model, its vision tower frozen where that is asked for, and its processor.

    A resumed run without an adapter needs the weights of its checkpoint from here: the trainer itself (transformers
    5.23) looks for them under the names that modules have in memory, finds none under the names that
    `save_pretrained` gave them, warns, and goes on with the weights that it was given.

    Args:
        settings: They name the model.
        number_type: Of the weights, as `Precision.weights`.
        checkpoint: Folder with a whole model to take the weights from.
        processor: What the policy reads by; None for the processor that is stored with it.

    Raises:
        ModelError: the weights are missing or not those of a vision-language model, or there is no vision tower to
            freeze.
    """
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()  # it would be drawn across the run's own display
    arguments = {**pinned(settings.model, settings.revision), "trust_remote_code": settings.trust_remote_code}
    dtype = getattr(torch, number_type)
    attention = {"attn_implementation": settings.attn_implementation} if settings.attn_implementation else {}
    try:
        processor = processor or transformers.AutoProcessor.from_pretrained(
            settings.model, padding_side="left", truncation_side="left", **arguments
        )
        if checkpoint is not None:
            arguments = {"trust_remote_code": settings.trust_remote_code}
        model = transformers.AutoModelForImageTextToText.from_pretrained(
            checkpoint or settings.model, dtype=dtype, **attention, **arguments
        )
    except (OSError, ValueError) as error:
        again = "correct policy.model" if is_local(settings.model) else f"get them with: hf download {settings.model}"
        raise ModelError(f"the policy {settings.model} could not be loaded; {again} ({error})") from error
    model.config._name_or_path = settings.model  # of which TRL makes the reference model of a KL term
    if settings.freeze_vision_tower:
        for tower in vision_towers(model, settings.model):
            tower.requires_grad_(False)
    return model, processor


def vision_towers(model: PreTrainedModel, name: str) -> list[Any]:
    """Returns the modules of the vision tower.

    Raises:
        ModelError: there is none by any known name.
    """
    towers = [module for path, module in model.named_modules() if path.rpartition(".")[2] in VISION_TOWERS]
    if not towers:
        raise ModelError(
            f"{name} ({type(model).__name__}) has no module called {', '.join(VISION_TOWERS)}: "
            "set policy.freeze_vision_tower: false"
        )
    return towers


def lora_config(settings: LoraSettings) -> LoraConfig:
    """Returns the settings of the adapter of `policy.lora`.

    Raises:
        ConfigError: a field that is not supported, or a value that cannot be.
    """
    from peft import LoraConfig

    fields = checked_adapter_fields(settings.model_dump())
    try:
        return LoraConfig(task_type="CAUSAL_LM", **fields)
    except Exception as error:  # peft checks little and fails in many ways
        raise ConfigError(f"policy.lora: {type(error).__name__}: {error}") from error


def add_adapter(model: PreTrainedModel, settings: LoraSettings) -> None:
    """Puts the matrices of `policy.lora`, without content, into a model.

    Raises:
        ConfigError: they have no place in it, or peft cannot make them.
    """
    from peft import inject_adapter_in_model

    adapter = lora_config(settings)
    try:
        inject_adapter_in_model(adapter, model, low_cpu_mem_usage=True)
    except Exception as error:  # a pattern that is none, a bias of another name: each fails in its own way
        raise ConfigError(f"policy.lora: {type(error).__name__}: {error}") from error


def keep_trained_in_float32(model: PreTrainedModel) -> None:
    """Puts trained weights into float32, where TRL had the matrices of an adapter for quantised weights in bfloat16."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def suppressed_vision_tokens(processor: ProcessorMixin, generation: Mapping[str, Any], *, vllm: bool) -> dict[str, Any]:
    """Returns TRL's `generation_kwargs`, extended so that no placeholder of an image or video is ever sampled.

    A sampled one has no features, and breaks the forward pass of the update. TRL suppresses the image token alone, and
    with vLLM none.

    Args:
        processor: The processor, whose tokenizer lists its special tokens.
        generation: What the YAML asks for; its own suppressions stay.
        vllm: Whether vLLM samples, which takes words rather than numbers.
    """
    given = dict(generation)
    tokens = {
        number: token.content
        for number, token in processor.tokenizer.added_tokens_decoder.items()
        if token.special and _VISION_WORDS.search(token.content)
    }
    if vllm:
        return given | {"bad_words": sorted({*tokens.values(), *given.get("bad_words", ())})}
    return given | {"suppress_tokens": sorted({*tokens, *given.get("suppress_tokens", ())})}
