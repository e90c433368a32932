"""The decoder layers of `Emu3TextModel` for training on a CPU: the same mathematics, several times faster.

Nothing here is saved with a model: from the same weights the stock class computes the same (a test compares).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def hidden_states(model: Any, input_ids: torch.Tensor) -> torch.Tensor:
    """What the last layer of an `Emu3TextModel` gives, normalised: (batch, tokens, width).

    Args:
        model: With as many heads of keys as of queries.
        input_ids: int64 (batch, tokens), padded on the right, which no token in front of the padding can see.
    """
    import torch

    tokens = input_ids.shape[1]
    hidden = model.embed_tokens(input_ids)
    cos, sin = model.rotary_emb(hidden, position_ids=torch.arange(tokens, device=hidden.device)[None])
    later = torch.full((tokens, tokens), -float("inf"), device=hidden.device).triu(1)
    for layer in model.layers:
        hidden = hidden + _attention(layer.self_attn, _norm(layer.input_layernorm, hidden), cos, sin, later)
        hidden = hidden + _feed_forward(layer.mlp, _norm(layer.post_attention_layernorm, hidden))
    return _norm(model.norm, hidden)


def _norm(norm: Any, hidden: torch.Tensor) -> torch.Tensor:
    from torch.nn import functional

    return functional.rms_norm(hidden, (hidden.shape[-1],), norm.weight, norm.variance_epsilon)


def _attention(attention: Any, hidden: torch.Tensor, cos: Any, sin: Any, later: Any) -> torch.Tensor:
    import torch
    from torch.nn import functional

    weight = torch.cat([attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight])
    width = attention.head_dim
    query, key, value = functional.linear(hidden, weight).unflatten(-1, (3, -1, width)).permute(2, 0, 3, 1, 4)
    cos, sin = cos.to(query.dtype), sin.to(query.dtype)
    scores = (_rotated(query, cos, sin) * width**-0.5) @ _rotated(key, cos, sin).transpose(-1, -2)
    weights = (scores + later.to(scores.dtype)).softmax(-1, dtype=scores.dtype)
    found: torch.Tensor = attention.o_proj((weights @ value).transpose(1, 2).flatten(2))
    return found


def _rotated(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    import torch

    first, second = heads.chunk(2, dim=-1)
    return heads * cos + torch.cat([-second, first], dim=-1) * sin


def _feed_forward(mlp: Any, hidden: torch.Tensor) -> torch.Tensor:
    import torch
    from torch.nn import functional

    weight = torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight])
    gate, up = functional.linear(hidden, weight).chunk(2, dim=-1)
    found: torch.Tensor = mlp.down_proj(functional.silu(gate) * up)
    return found
