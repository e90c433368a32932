"""The same mathematics as the stock layers, in forms that a CPU trains several times faster.

Nothing here is saved with a model: from the same weights the stock classes compute the same results (a test compares).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKLQwenImage


def use_single_frame_convolutions(vae: AutoencoderKLQwenImage) -> None:
    """Makes the causal 3-D convolutions of `vae` (in place) run as 2-D convolutions, for inputs of one frame.

    A single frame is padded with zeros in front, so only the last temporal tap of each kernel meets data.
    """
    from diffusers.models.autoencoders.autoencoder_kl_qwenimage import QwenImageCausalConv3d

    for module in vae.modules():
        if isinstance(module, QwenImageCausalConv3d):
            module.forward = _SingleFrameConvolution(module)


class _SingleFrameConvolution:
    """Stands in for the `forward` of one causal 3-D convolution."""

    def __init__(self, convolution: Any) -> None:
        self.convolution = convolution

    def __call__(self, x: torch.Tensor, cache_x: torch.Tensor | None = None) -> torch.Tensor:
        import torch.nn.functional as functional

        if x.shape[2] != 1 or cache_x is not None:
            raise ValueError(f"single-frame convolutions got {x.shape[2]} frames; use the stock autoencoder for videos")
        convolution = self.convolution
        pad = convolution._padding[:4]
        frame = functional.conv2d(x[:, :, 0], convolution.weight[:, :, -1], convolution.bias, padding=(pad[2], pad[0]))
        return frame.unsqueeze(2)


class PlainJointAttention:
    """The double-stream attention of `QwenImageTransformer2DModel` with real rotations and explicit products.

    Set on a model with `set_attn_processor`. On this size the fused CPU attention kernel takes most of a training step,
    above all in bfloat16. It keeps to the stock processor's contract: returns (image tokens, text tokens).
    """

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        encoder_hidden_states_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Attends over text and image tokens together; shapes as in the stock processor."""
        import torch

        if image_rotary_emb is None:
            raise ValueError("the Qwen image transformer always passes rotary frequencies; got none")
        width = attn.inner_dim // attn.heads
        image_frequencies, text_frequencies = image_rotary_emb
        frequencies = torch.cat([text_frequencies, image_frequencies])

        def heads(text: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
            return torch.cat([text, image], dim=1).transpose(1, 2)

        def split(x: torch.Tensor) -> torch.Tensor:
            return x.unflatten(-1, (-1, width))

        query = heads(
            attn.norm_added_q(split(attn.add_q_proj(encoder_hidden_states))),
            attn.norm_q(split(attn.to_q(hidden_states))),
        )
        key = heads(
            attn.norm_added_k(split(attn.add_k_proj(encoder_hidden_states))),
            attn.norm_k(split(attn.to_k(hidden_states))),
        )
        value = heads(split(attn.add_v_proj(encoder_hidden_states)), split(attn.to_v(hidden_states)))
        weights = _rotate(query, frequencies) @ _rotate(key, frequencies).transpose(-1, -2) * width**-0.5
        if encoder_hidden_states_mask is not None:
            absent = torch.nn.functional.pad(~encoder_hidden_states_mask, (0, hidden_states.shape[1]))
            weights = weights.masked_fill(absent[:, None, None], torch.finfo(weights.dtype).min)
        joint = (weights.softmax(-1).to(value.dtype) @ value).transpose(1, 2).flatten(2)
        text_length = encoder_hidden_states.shape[1]
        return attn.to_out[0](joint[:, text_length:]), attn.to_add_out(joint[:, :text_length])


def _rotate(x: torch.Tensor, frequencies: torch.Tensor) -> torch.Tensor:
    """Rotates neighbouring pairs of `x` (batch, heads, tokens, width) by complex `frequencies` (tokens, width / 2)."""
    import torch

    cos, sin = frequencies.real.to(x.dtype), frequencies.imag.to(x.dtype)
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)
