"""Adapters in front of the weights that they were trained on: loaded completely, or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from src.errors import ModelError
from src.models.weights import pinned

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

_NAMED = 3


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
        loaded = set_peft_model_state_dict(model, weights)
    except (OSError, ValueError, RuntimeError, KeyError) as error:  # the last two: other shapes, other names
        raise ModelError(f"the adapter {adapter} does not fit the base model: {error}") from error
    own = _stored_by_peft(model)
    require_no_strays(adapter, [*loaded.unexpected_keys, *(name for name in loaded.missing_keys if name in own)])


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
