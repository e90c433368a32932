"""What the weights of Emu3's original layout are called in the layout of transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_PROJECTIONS = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "proj_out": "out_proj"}
_STACKS = {"down": "down_block", "up": "up_block"}


def language_name(name: str) -> str:
    """The new name of a weight of the language model: `model.…` and `lm_head.weight` become parts of `text_model`."""
    return f"text_model.{name}"


def vision_name(name: str) -> str:
    """The new name of a weight of the VQ-VAE.

    transformers keeps the stages in blocks of their own, and the norm of an attention beside it.
    """
    parts = name.split(".")
    if len(parts) > 2 and parts[1] in _STACKS:
        parts.insert(1, _STACKS[parts[1]])
        parts = _attention(parts, at=4, norm="attn_norms")
    elif len(parts) > 2 and parts[1] == "mid":
        parts[1] = "middle_block"
        parts = _attention(parts, at=2, norm="attn_norm")
    return ".".join(["vqmodel", *parts])


def _attention(parts: list[str], at: int, norm: str) -> list[str]:
    """Renames the rest of a weight of an attention, which `parts[at]` names as `attn`, `i` or as `attn_1`."""
    if not parts[at].startswith("attn"):
        return parts
    head, rest = parts[: at + 1], parts[at + 1 :]
    place = [rest.pop(0)] if head[-1] == "attn" else []
    if rest[0] == "norm":
        return [*head[:-1], norm, *place, *rest[1:]]
    return [*head, *place, _PROJECTIONS[rest[0]], *rest[1:]]


def vision_weight(name: str, weight: torch.Tensor) -> torch.Tensor:
    """The new shape of a weight of the VQ-VAE: the 1 × 1 convolutions of attentions become linear layers."""
    parts = vision_name(name).split(".")
    is_projection = len(parts) > 1 and parts[-2] in _PROJECTIONS.values()
    return weight.flatten(1) if is_projection and weight.dim() == 4 else weight
