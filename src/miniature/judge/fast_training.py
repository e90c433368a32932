"""The judge's attention in forms that a CPU trains faster, with the mathematics of the stock layers (a test compares).

Nothing here is saved with a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import Qwen3VLForConditionalGeneration


@contextmanager
def fast_attention(model: Qwen3VLForConditionalGeneration, patches: int) -> Iterator[None]:
    """Lets `model` attend by explicit products, for images of `patches` patches each, until the block ends.

    The stock vision tower calls attention once for each image.
    """
    stock = model.config._attn_implementation
    attentions = [block.attn for block in model.model.visual.blocks]
    model.set_attn_implementation("eager")
    for attention in attentions:
        attention.forward = _EqualImagesAttention(attention, patches)
    try:
        yield
    finally:
        for attention in attentions:
            del attention.forward
        model.set_attn_implementation(stock)


class _EqualImagesAttention:
    """Stands in for the `forward` of one vision attention."""

    def __init__(self, attention: Any, patches: int) -> None:
        self.attention, self.patches = attention, patches

    def __call__(
        self, hidden_states: torch.Tensor, position_embeddings: tuple[torch.Tensor, torch.Tensor], **_: Any
    ) -> torch.Tensor:
        attention, count = self.attention, len(hidden_states)
        cos, sin = (angles.to(hidden_states.dtype).unsqueeze(1) for angles in position_embeddings)
        query, key, value = attention.qkv(hidden_states).reshape(count, 3, attention.num_heads, -1).unbind(1)
        query, key, value = (
            part.unflatten(0, (-1, self.patches)).transpose(1, 2)
            for part in (_rotated(query, cos, sin), _rotated(key, cos, sin), value)
        )
        weights = (query @ key.transpose(-1, -2) * attention.scaling).softmax(dim=-1).to(value.dtype)
        return attention.proj((weights @ value).transpose(1, 2).reshape(count, -1))


def _rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    import torch

    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin
