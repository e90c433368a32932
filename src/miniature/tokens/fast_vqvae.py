"""What the miniature `Emu3VQVAE` computes of single pictures, without the layers that its recipe leaves at zero.

Nothing here is saved with a model: from the same weights the stock class computes the same (a test compares).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from src.miniature.tokens.codebook import nearest_codes
from src.miniature.tokens.picture_tokens import CELL

if TYPE_CHECKING:
    import torch
    from transformers import Emu3VQVAE


def codes_of(vqvae: Emu3VQVAE, images: np.ndarray) -> np.ndarray:
    """The codes of pictures, with the encoder of `set_linear_encoder`: int64 (n, 8, 8) of uint8 (n, 64, 64, 3)."""
    import torch

    found = [np.zeros((0, images.shape[1] // CELL, images.shape[2] // CELL), np.int64)]
    with torch.inference_mode():
        for start in range(0, len(images), 128):
            values = encoded(vqvae, as_pixels(images[start : start + 128]))
            nearest = nearest_codes(values.flatten(0, 2), vqvae.quantize.embedding.weight)
            found.append(nearest.reshape(values.shape[:3]).numpy())
    return np.concatenate(found)


def as_pixels(images: np.ndarray) -> torch.Tensor:
    """uint8 (n, height, width, 3) as the VQ-VAE's input: float32 (n, 3, height, width) in −1…1."""
    import torch

    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def as_images(pixels: torch.Tensor) -> np.ndarray:
    """What the processor makes of the VQ-VAE's output: uint8 (n, height, width, 3)."""
    scaled = (pixels.permute(0, 2, 3, 1).numpy() + 1.0) * 127.5
    images: np.ndarray = scaled.round().clip(0, 255).astype(np.uint8)
    return images


def encoded(vqvae: Emu3VQVAE, pixels: torch.Tensor) -> torch.Tensor:
    """What the quantiser sees of pixels (n, 3, 64, 64), with the encoder of `set_linear_encoder`: (n, 8, 8, 32)."""
    from torch.nn import functional

    encoder = vqvae.encoder
    hidden = encoder.conv_in(pixels)
    for stage in encoder.down_block.down:
        for block in stage.block:
            hidden = hidden if block.in_channels == block.out_channels else block.nin_shortcut(hidden)
        hidden = stage.downsample(hidden) if hasattr(stage, "downsample") else hidden
    values: torch.Tensor = encoder.conv_out(functional.silu(encoder.norm_out(hidden)))
    return values.permute(0, 2, 3, 1)


def decoded(vqvae: Emu3VQVAE, codes: torch.Tensor) -> torch.Tensor:
    """The pixels of codes, as `vqvae.decode` computes them while its stacks over frames are zero: with gradients.

    Args:
        vqvae: Whose `post_quant_conv` hands on, and whose stacks over frames add nothing.
        codes: int64 (n, rows, columns).

    Returns:
        (n, 3, 8 · rows, 8 · columns), in −1…1 for what pictures hold.
    """
    import torch
    from torch.nn import functional

    decoder = vqvae.decoder
    values = vqvae.quantize.embedding(codes).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    hidden = decoder.conv_in(values)
    hidden = _block(decoder.middle_block.block_1, hidden, values)
    hidden = hidden + _attention(decoder.middle_block, hidden, values)
    hidden = _block(decoder.middle_block.block_2, hidden, values)
    for stage in reversed(decoder.up_block.up):
        for block in stage.block:
            hidden = _block(block, hidden, values)
        if hasattr(stage, "upsample"):
            hidden = stage.upsample.conv(functional.interpolate(hidden, scale_factor=2.0, mode="nearest"))
    pixels: torch.Tensor = decoder.conv_out(functional.silu(_norm(decoder.norm_out, hidden, values)))
    return pixels


def _block(block: Any, hidden: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    from torch.nn import functional

    inner = block.conv1(functional.silu(_norm(block.norm1, hidden, values)))
    inner = block.conv2(functional.silu(_norm(block.norm2, inner, values)))
    past = hidden if block.in_channels == block.out_channels else block.nin_shortcut(hidden)
    found: torch.Tensor = past + inner
    return found


def _norm(norm: Any, hidden: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """The normalisation by code; its 1×1 convolutions run on cells, and what they give is spread over pixels."""
    import torch
    from torch.nn import functional

    size = hidden.shape[-2:]
    both = torch.cat([norm.conv_y(values), norm.conv_b(values)], dim=1)
    if size != values.shape[-2:]:
        both = functional.interpolate(both, size=size, mode="nearest")
    scale, shift = both.chunk(2, dim=1)
    return torch.addcmul(shift, norm.norm_layer(hidden).to(scale.dtype), scale)


def _attention(middle: Any, hidden: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    shown = _norm(middle.attn_norm, hidden, values).flatten(2).transpose(1, 2)
    attention = middle.attn_1
    query, key, value = attention.q_proj(shown), attention.k_proj(shown), attention.v_proj(shown)
    weights = (query @ key.transpose(1, 2) * attention.scale).softmax(-1)
    seen = attention.out_proj(weights.to(value.dtype) @ value)
    return seen.transpose(1, 2).reshape(hidden.shape)
