"""Merging an adapter layer by layer while measuring what changes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src.errors import ModelError

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class WeightChanges:
    """What a merge did to the weights as they are stored, after rounding to the stored number type."""

    tensors: int
    """Number of tensors that the adapter concerns."""
    changed: int
    largest: float
    """Largest absolute change of a number."""
    rounding: float
    """Norm of the rounding error of the concerned tensors ÷ norm of their change: above about 0.5, much of what was
    learned drowns in rounding."""


def merge(model: PeftModel, stored_as: torch.dtype) -> tuple[PreTrainedModel, WeightChanges]:
    """Merges the adapter in place, one layer at a time, and unwraps the base model.

    Args:
        model: With one active adapter, in float32.
        stored_as: The number type in which the result will be stored.

    Raises:
        ModelError: a merged weight is not a number, or not one of the stored type.
    """
    tensors = changed = 0
    largest = change_square = error_square = 0.0
    for name, before, after in _merged_layers(model):
        rounded_before, rounded_after = before.to(stored_as).float(), after.to(stored_as).float()
        if not bool(rounded_after.isfinite().all()):
            raise ModelError(f"{name} cannot be stored as {stored_as} after merging: it has values outside its range")
        change = float((rounded_after - rounded_before).abs().max())
        tensors += 1
        changed += change > 0
        largest = max(largest, change)
        change_square += float((after - before).square().sum())
        error_square += float((rounded_after - after).square().sum())
    rounding = math.sqrt(error_square / change_square) if change_square else 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that every layer is merged already
        merged: PreTrainedModel = model.merge_and_unload()
    return merged, WeightChanges(tensors, changed, largest, rounding)


def _merged_layers(model: PeftModel) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    """Each concerned tensor by name, before and after; a layer is merged when its tensors are asked for."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import ModulesToSaveWrapper

    for name, module in model.named_modules():
        if isinstance(module, BaseTunerLayer):
            weight: Any = module.get_base_layer().weight
            before = weight.detach().clone()
            try:
                module.merge(safe_merge=True)
            except ValueError as error:
                raise ModelError(f"{name}: {error}; the adapter is damaged") from error
            yield name, before, weight.detach()
        elif isinstance(module, ModulesToSaveWrapper):
            old = module.original_module.state_dict()
            new = module.modules_to_save[module.active_adapters[0]].state_dict()
            yield from ((f"{name}.{key}", old[key].float(), new[key].float()) for key in old)
