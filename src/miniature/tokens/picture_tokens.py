"""The miniature VQ-VAE: transformers' `Emu3VQVAE`, whose encoder looks at each cell of 8×8 pixels by itself."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import Emu3VQVAE

CELL = 8
"""Width and height in pixels of what one code stands for."""
CELL_VALUES = 3 * CELL * CELL
_STAGES = (1, 1, 2, 4)
_GROUPS = 32
"""The groups of every normalisation in `Emu3VQVAE`, which fixes the number."""
_ANCHOR = 4096.0
"""Size of the constants by which a group is normalised: so large that no picture changes the statistics."""


@dataclass(frozen=True)
class TokenizerSize:
    """The widths of the VQ-VAE; the defaults are the shipped ones.

    Attributes:
        codes: Entries of the codebook.
        width: Channels of the decoder at the resolution of pixels, a multiple of 32; four times as many at that of
            cells.
    """

    codes: int = 4096
    width: int = 32


def build_vqvae(size: TokenizerSize) -> Emu3VQVAE:
    """An untrained VQ-VAE of single pictures, with 8 × 8 codes for 64 × 64 pixels."""
    from transformers import Emu3VQVAE, Emu3VQVAEConfig

    return Emu3VQVAE(
        Emu3VQVAEConfig(
            codebook_size=size.codes,
            embed_dim=_GROUPS,
            latent_channels=_GROUPS,
            temporal_downsample_factor=1,
            base_channels=size.width,
            channel_multiplier=list(_STAGES),
            num_res_blocks=1,
            attn_resolutions=[],
            hidden_size=size.width * _STAGES[-1],
        )
    )


def set_linear_encoder(vqvae: Emu3VQVAE, quarters: torch.Tensor, cells: torch.Tensor) -> None:
    """Makes the encoder of `vqvae` (in place) a linear map of single cells, in the stock layers' own weights.

    A trained encoder sees the whole picture: every normalisation in it takes its statistics over all pixels, so that
    one changed shape gives other codes to cells far away. Here the residual branches are zero, and the strided
    convolutions look at nothing beyond a cell. The one normalisation that is left in the way gets, beside each value
    and its negative, two large constants of opposite sign, which alone decide the statistics; and as
    `swish(x) − swish(−x) = x`, the last activation cancels out.

    Args:
        vqvae: Of `build_vqvae`.
        quarters: Maps 4×4 pixels to at most 32 values: (values, 48), of pixels in the order row, column, channel.
        cells: Maps the values of a cell's four quarters, row by row, to 32 values: (32, 4 · values).
    """
    import torch

    encoder = vqvae.encoder
    with torch.no_grad():
        for convolution in (encoder.conv_in, *(stage.downsample.conv for stage in encoder.down_block.down[:-1])):
            convolution.weight.zero_()
            convolution.bias.zero_()
        for channel in range(3):
            encoder.conv_in.weight[channel, channel, 1, 1] = 1.0
        first, second, third = (stage.downsample.conv.weight for stage in encoder.down_block.down[:-1])
        for row, column, channel in itertools.product((0, 1), (0, 1), range(3)):
            first[(2 * row + column) * 3 + channel, channel, row, column] = 1.0
        _gather(second, _of_pairs(quarters), 12)
        _gather(third, cells, len(quarters))
        for block in _residual_blocks(encoder):
            _make_linear(block)
        _anchor(encoder)
        for stack in encoder.time_res_stack:
            stack.conv2.conv.weight.zero_()
            stack.conv2.conv.bias.zero_()
        _pass_through(vqvae.quant_conv)


def _of_pairs(quarters: torch.Tensor) -> torch.Tensor:
    """The map of 4×4 pixels as one of 2×2 blocks of 2×2 pixels, in the order in which the first stage gathers them."""
    pixels = quarters.reshape(len(quarters), 2, 2, 2, 2, 3)  # block row, row, block column, column, channel
    return pixels.permute(0, 1, 3, 2, 4, 5).reshape(len(quarters), 48)


def _gather(weight: torch.Tensor, mapping: torch.Tensor, channels: int) -> None:
    """Writes a map of four neighbours, `channels` values each, into a convolution of 3×3 with stride 2."""
    taps = mapping.reshape(len(mapping), 2, 2, channels)
    weight[: len(mapping), :channels, :2, :2] = taps.permute(0, 3, 1, 2)


def _residual_blocks(encoder: Any) -> list[Any]:
    stages = [block for stage in encoder.down_block.down for block in stage.block]
    return [*stages, encoder.middle_block.block_1, encoder.middle_block.block_2]


def _make_linear(block: Any) -> None:
    """Leaves of a residual block what goes past it."""
    block.conv2.weight.zero_()
    block.conv2.bias.zero_()
    if block.in_channels != block.out_channels:
        block.nin_shortcut.weight.zero_()
        block.nin_shortcut.bias.zero_()
        for channel in range(min(block.in_channels, block.out_channels)):
            block.nin_shortcut.weight[channel, channel] = 1.0


def _anchor(encoder: Any) -> None:
    """Sets the last stage: each group holds a value, its negative and two constants."""
    last = encoder.down_block.down[-1].block[0].nin_shortcut
    wide = last.out_channels // _GROUPS
    last.weight.zero_()
    encoder.middle_block.attn_1.out_proj.weight.zero_()
    encoder.middle_block.attn_1.out_proj.bias.zero_()
    encoder.conv_out.weight.zero_()
    encoder.conv_out.bias.zero_()
    for group in range(_GROUPS):
        at = group * wide
        last.weight[at, group], last.weight[at + 1, group] = 1.0, -1.0
        last.bias[at + 2], last.bias[at + 3] = _ANCHOR, -_ANCHOR
        encoder.conv_out.weight[group, at, 1, 1], encoder.conv_out.weight[group, at + 1, 1, 1] = 1.0, -1.0
    encoder.norm_out.weight.fill_(_ANCHOR * (2.0 / wide) ** 0.5)
    encoder.norm_out.bias.zero_()


def _pass_through(convolution: Any) -> None:
    """Makes a convolution over frames hand on its last frame."""
    weight = convolution.conv.weight
    weight.zero_()
    convolution.conv.bias.zero_()
    for channel in range(len(weight)):
        weight[channel, channel, -1] = 1.0


def prepare_decoder(vqvae: Emu3VQVAE) -> None:
    """Makes the layers over frames of an untrained decoder (in place) hand on what they get: there is one frame only.

    Its pictures begin pale as well: stock weights make pixels many times too large.
    """
    import torch

    with torch.no_grad():
        vqvae.decoder.conv_out.weight.mul_(0.1)
        for stack in vqvae.decoder.time_res_stack:
            stack.conv2.conv.weight.zero_()
            stack.conv2.conv.bias.zero_()
        _pass_through(vqvae.post_quant_conv)
