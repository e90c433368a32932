"""Loads a vision-language checkpoint of transformers: processor, weights, devices, generation settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from src.errors import ModelError
from src.models.device import pick_dtype
from src.models.weights import is_local, pinned

_VISION_TOKENS = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id", "vision_token_id")
"""What model configs call the tokens that stand for images and videos; a reply must hold none of them."""


def load_checkpoint(params: Any, devices: Sequence[str]) -> tuple[Any, Any]:
    """Loads processor and weights; several devices share the layers, one device is left to the caller.

    Args:
        params: The params of a `TransformersModel`.
        devices: Where the model computes, as `cuda:0`.

    Returns:
        The `ProcessorMixin`, whose tokenizer pads on the left, and the `PreTrainedModel`, in evaluation mode.

    Raises:
        ModelError: weights, a package or the chat template are missing, or it is no vision-language model.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()  # it would be drawn across the run's own display
    name = params.model_name
    source = {"trust_remote_code": params.trust_remote_code, **pinned(name, params.revision)}
    placement = _placement(devices)
    if params.use_flash_attention:
        placement["attn_implementation"] = "flash_attention_2"
    try:
        processor = transformers.AutoProcessor.from_pretrained(name, **source)
        model = transformers.AutoModelForImageTextToText.from_pretrained(
            name, dtype=pick_dtype(params.dtype, devices[0]), **source, **placement
        ).eval()
    except ImportError as error:
        or_without = ", or set use_flash_attention: false" if params.use_flash_attention else ""
        raise ModelError(f"{name} needs a package that is missing; pip install it{or_without} ({error})") from error
    except (OSError, ValueError) as error:
        again = "the folder holds no such model" if is_local(name) else f"complete it with: hf download {name}"
        raise ModelError(f"{name} could not be loaded as a vision-language model; {again} ({error})") from error
    _prepare_tokenizer(processor, name)
    return processor, model


def generation_settings(processor: Any, model: Any, max_new_tokens: int) -> Any:
    """The `GenerationConfig` of greedy decoding: of the checkpoint's own settings, only its end tokens are taken."""
    from transformers import GenerationConfig

    tokenizer, stored = processor.tokenizer, model.generation_config.eos_token_id
    ends = {tokenizer.eos_token_id, *(stored if isinstance(stored, list) else [stored])}
    vision = {getattr(model.config, name, None) for name in _VISION_TOKENS}
    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=sorted(token for token in ends if token is not None),
        pad_token_id=tokenizer.pad_token_id,
        suppress_tokens=sorted(token for token in vision if token is not None) or None,
    )


def _placement(devices: Sequence[str]) -> dict[str, Any]:
    """The arguments that spread the model over several GPUs; none for a single device."""
    import torch

    if len(devices) == 1:
        return {}
    free = {int(name.partition(":")[2]): torch.cuda.mem_get_info(name)[0] for name in devices}
    return {"device_map": "auto", "max_memory": free}


def _prepare_tokenizer(processor: Any, name: str) -> None:
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or not (processor.chat_template or tokenizer.chat_template):
        raise ModelError(f"{name} has no chat template, so it cannot be asked; name an instruct model")
    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
