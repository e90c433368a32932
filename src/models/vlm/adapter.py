"""Adapters in front of the weights that they were trained on: loaded completely, or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from src.errors import ModelError
from src.models.weights import is_local, pinned

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

_NAMED = 3
_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_OLDER_NAMES = (
    (
        re.compile(r"^base_model\.model\.model\.(layers|embed_tokens|norm)\."),
        r"base_model.model.model.language_model.\1.",
    ),
    (re.compile(r"^base_model\.model\.visual\."), r"base_model.model.model.visual."),
)
"""What transformers before 4.52 called the parts of a vision-language model, and calls them since."""


def require_adapter_files(adapter: str) -> None:
    """Refuses a local folder that is no adapter; what the hub has shows when it is loaded.

    Raises:
        ModelError: the adapter's config or its weights are missing; the text says which, and what is there instead.
    """
    if not is_local(adapter):
        return
    folder = Path(adapter).expanduser()
    config = folder / _CONFIG
    if not config.is_file():
        whole = ": it is a whole model, which belongs into model_name" if (folder / "config.json").is_file() else ""
        raise ModelError(f"{adapter} is no adapter: it has no {_CONFIG}{whole}")
    try:
        json.loads(config.read_text(encoding="utf-8"))["peft_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{adapter} is no adapter: its {_CONFIG} cannot be read ({type(error).__name__}: {error})"
        ) from error
    if not (folder / _WEIGHTS).is_file():
        pickled = (folder / "adapter_model.bin").is_file()
        instead = "; its adapter_model.bin is a pickle, which can run code: store it as safetensors" if pickled else ""
        raise ModelError(f"{adapter} has no weights: {_WEIGHTS} is missing{instead}")


def with_adapter(base: PreTrainedModel, adapter: str | Path) -> PeftModel:
    """The base model with the adapter in place, not merged, for inference.

    Its matrices are in float32 even where the base model is in half precision: merged into that, much of what was
    learned would be rounded away.

    Args:
        base: The model that the adapter was trained on.
        adapter: Hub id or local folder.

    Raises:
        ModelError: the adapter does not fit the base model; the text names weights without a place.
    """
    from peft import PeftConfig, get_peft_model

    try:
        config = PeftConfig.from_pretrained(str(adapter), **pinned(str(adapter)))
        if config.is_prompt_learning:
            raise ModelError(f"{adapter} holds a learned prompt, not weights; name an adapter of the LoRA kind")
        config.inference_mode = True
        model = get_peft_model(base, config)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(f"the adapter {adapter} does not fit the base model: {error}") from error
    load_adapter_weights(model, adapter)
    model.eval()
    return model


def load_adapter_weights(model: PeftModel, adapter: str | Path) -> None:
    """Loads the weights of an adapter into a model that has its layers.

    Loading by name is lenient in peft and in the trainer: weights that fit nowhere are left out with a warning, as
    happens when transformers renames its modules. Here they are an error.

    Raises:
        ModelError: weights are missing, left over or of another shape.
    """
    from peft import load_peft_weights, set_peft_model_state_dict

    try:
        weights = load_peft_weights(str(adapter), device="cpu", **pinned(str(adapter)))
        weights = _named_as_today(weights, model)
        loaded = set_peft_model_state_dict(model, weights)
    except (OSError, ValueError, RuntimeError, KeyError) as error:  # the last two: other shapes, other names
        raise ModelError(f"the adapter {adapter} does not fit the base model: {error}") from error
    own = _stored_by_peft(model)
    require_no_strays(adapter, [*loaded.unexpected_keys, *(name for name in loaded.missing_keys if name in own)])


def _named_as_today(weights: Mapping[str, torch.Tensor], model: PeftModel) -> dict[str, torch.Tensor]:
    """The weights by the names of today's transformers, where the model has parts that were called otherwise before."""
    if not any(name.startswith("base_model.model.model.language_model.") for name, _ in model.named_modules()):
        return dict(weights)
    renamed = {}
    for name, weight in weights.items():
        for before, now in _OLDER_NAMES:
            name = before.sub(now, name)
        renamed[name] = weight
    return renamed


def _stored_by_peft(model: PeftModel) -> set[str]:
    """The names, within the model, of all weights that a file of its adapter holds.

    No name tells it: biases are stored with some LoRAs, and the weights of most other types have names of their own.
    So peft itself is asked what it would store, and its tensors are found again among those of the model.
    """
    from peft import get_peft_model_state_dict

    weights = model.state_dict()
    # Whole embeddings are part of a file or not, by what the hub says of the base model: nothing to insist on.
    stored = get_peft_model_state_dict(
        model, state_dict=weights, adapter_name=model.active_adapter, save_embedding_layers=False
    )
    kept = {id(weight) for weight in stored.values()}
    return {name for name, weight in weights.items() if id(weight) in kept}


def require_no_strays(adapter: str | Path, strays: Iterable[str]) -> None:
    """Raises `ModelError` when there are weights that only the adapter or only the model has."""
    if found := sorted(strays):
        raise ModelError(
            f"the adapter {adapter} does not fit the base model: {len(found)} weights have no counterpart "
            f"({', '.join(found[:_NAMED])} …); is this the model that it was trained on?"
        )
