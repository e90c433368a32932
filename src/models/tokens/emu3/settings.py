"""The settings of Emu3's original layout in the words of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.errors import ModelError

DECODER = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "hidden_act",
    "max_position_embeddings",
    "rms_norm_eps",
)
"""Settings of the decoder that the original layout, `Emu3TextConfig` and `LlamaConfig` call alike."""
_TEXT = (
    *DECODER,
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
    "attention_dropout",
    "initializer_range",
    "tie_word_embeddings",
)
_VISION = {
    "codebook_size": "codebook_size",
    "embed_dim": "embed_dim",
    "z_channels": "latent_channels",
    "double_z": "double_latent",
    "in_channels": "in_channels",
    "out_channels": "out_channels",
    "temporal_downsample_factor": "temporal_downsample_factor",
    "ch": "base_channels",
    "ch_mult": "channel_multiplier",
    "num_res_blocks": "num_res_blocks",
    "attn_resolutions": "attn_resolutions",
}
_PIXELS = {
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "min_pixels": 512 * 512,
    "max_pixels": 1024 * 1024,
    "spatial_factor": 8,
}
"""The defaults of the original processor of pictures; those of transformers are others."""
_THETA = 1_000_000.0


def text_settings(original: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `Emu3TextConfig`; what the original leaves out has the same defaults there.

    Raises:
        ModelError: the original stretches its positions, which is not converted.
    """
    if original.get("rope_scaling") is not None:
        raise ModelError(f"the language model has rope_scaling {original['rope_scaling']!r}, which is not converted")
    found = {name: original[name] for name in _TEXT if name in original}
    rope = {"rope_type": "default", "rope_theta": original.get("rope_theta", _THETA)}
    return found | {"rope_parameters": rope}


def vision_settings(original: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `Emu3VQVAEConfig`; what the original leaves out has the same defaults there.

    Raises:
        ModelError: it has an attention of another width than that of its last stage, which transformers cannot hold.
    """
    found = {new: original[old] for old, new in _VISION.items() if old in original}
    channels, stages = original.get("ch", 256), original.get("ch_mult", [1, 2, 2, 4])
    widths = {channels * stages[stage] for stage in original.get("attn_resolutions", [3])}
    hidden = channels * stages[-1]
    if widths - {hidden}:
        raise ModelError(f"the VQ-VAE has attentions of {sorted(widths)} channels; only {hidden} can be converted")
    return found | {"hidden_size": hidden}


def pixel_settings(original: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `Emu3ImageProcessor`."""
    return {name: original.get(name, default) for name, default in _PIXELS.items()}
