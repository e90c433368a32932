"""Emu3's original layout, written down from its description as plain functions over named random weights.

Each function asks for its weights by the names of the original layout; the first use of a name makes it.
"""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from src.models.tokens.vocabulary import NAMES, code_name

CODES = 16
TEXT = {
    "model_type": "Emu3",
    "vocab_size": 0,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10_000.0,
    "rope_scaling": None,
    "attention_dropout": 0.1,
}
VISION = {
    "model_type": "Emu3VisionVQ",
    "codebook_size": CODES,
    "embed_dim": 4,
    "z_channels": 4,
    "double_z": False,
    "in_channels": 3,
    "out_channels": 3,
    "temporal_downsample_factor": 4,
    "ch": 32,
    "ch_mult": [1, 2],
    "num_res_blocks": 1,
    "attn_resolutions": [1],
    "dropout": 0.0,
}
PIXELS = {"image_processor_type": "Emu3VisionVQImageProcessor", "min_pixels": 64, "max_pixels": 1024}
BYTES = [bytes([value]) for value in range(256)]
MERGED = [b"th", b"the", b" the", b"re", b" re", b" red", b"\xe5\xa4", b"\xe5\xa4\xa9", b"ed", b"sk", b" s", b"sky"]
"""Tokens of several bytes in the order of their ranks."""


class Weights:
    """Random weights by name, made when a name is first used, and always of the same values."""

    def __init__(self) -> None:
        self.by_name: dict[str, Tensor] = {}
        self._draws = torch.Generator().manual_seed(0)

    def __call__(self, name: str, *shape: int, around: float = 0.0, spread: float | None = None) -> Tensor:
        if name not in self.by_name:
            fan_in = math.prod(shape[1:]) or 1
            wide = 1 / math.sqrt(fan_in) if spread is None else spread
            self.by_name[name] = around + wide * torch.randn(shape, generator=self._draws)
        assert self.by_name[name].shape == shape
        return self.by_name[name]


def language(weights: Weights, settings: dict[str, Any], ids: Tensor) -> Tensor:
    """The logits of a decoder with grouped queries, rotated positions and gated layers."""
    hidden, size = settings["hidden_size"], settings["vocab_size"]
    state = weights("model.embed_tokens.weight", size, hidden, spread=1.0)[ids]
    for layer in range(settings["num_hidden_layers"]):
        name = f"model.layers.{layer}"
        state = state + _attend(weights, name, settings, _scaled(weights, f"{name}.input_layernorm.weight", state))
        state = state + _gated(
            weights, name, settings, _scaled(weights, f"{name}.post_attention_layernorm.weight", state)
        )
    state = _scaled(weights, "model.norm.weight", state)
    return state @ weights("lm_head.weight", size, hidden).T


def _scaled(weights: Weights, name: str, state: Tensor) -> Tensor:
    scale = weights(name, state.shape[-1], around=1.0, spread=0.3)
    return state * (state.pow(2).mean(-1, keepdim=True) + 1e-5).rsqrt() * scale


def _attend(weights: Weights, name: str, settings: dict[str, Any], state: Tensor) -> Tensor:
    hidden, heads, groups = (settings[key] for key in ("hidden_size", "num_attention_heads", "num_key_value_heads"))
    width, length = hidden // heads, state.shape[1]

    def projected(part: str, count: int) -> Tensor:
        flat = state @ weights(f"{name}.self_attn.{part}.weight", count * width, hidden).T
        return flat.view(*state.shape[:2], count, width).transpose(1, 2)

    angles = torch.outer(torch.arange(length), settings["rope_theta"] ** (-torch.arange(0, width, 2) / width))
    cos, sin = angles.cos().repeat(1, 2), angles.sin().repeat(1, 2)

    def rotated(part: Tensor) -> Tensor:
        first, second = part.chunk(2, dim=-1)
        return part * cos + torch.cat([-second, first], dim=-1) * sin

    query, key = rotated(projected("q_proj", heads)), rotated(projected("k_proj", groups))
    key, value = (part.repeat_interleave(heads // groups, dim=1) for part in (key, projected("v_proj", groups)))
    scores = query @ key.transpose(-1, -2) / math.sqrt(width)
    scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), -torch.inf)
    found = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
    return found @ weights(f"{name}.self_attn.o_proj.weight", hidden, hidden).T


def _gated(weights: Weights, name: str, settings: dict[str, Any], state: Tensor) -> Tensor:
    hidden, inner = settings["hidden_size"], settings["intermediate_size"]
    gate = state @ weights(f"{name}.mlp.gate_proj.weight", inner, hidden).T
    up = state @ weights(f"{name}.mlp.up_proj.weight", inner, hidden).T
    return (functional.silu(gate) * up) @ weights(f"{name}.mlp.down_proj.weight", hidden, inner).T


def encode(weights: Weights, settings: dict[str, Any], pixels: Tensor) -> Tensor:
    """The codes of pictures (batch × 3 × height × width)."""
    found = latents(weights, settings, pixels)
    book = weights("quantize.embedding.weight", settings["codebook_size"], settings["embed_dim"])
    return torch.cdist(found, book).argmin(-1)


def latents(weights: Weights, settings: dict[str, Any], pixels: Tensor) -> Tensor:
    """What is quantised (batch × rows × columns × channels); each picture is taken for a film of four equal frames."""
    frames, first = settings["temporal_downsample_factor"], settings["ch"]
    state = _conv(weights, "encoder.conv_in", pixels.repeat_interleave(frames, dim=0), first, 3)
    for stage, factor in enumerate(settings["ch_mult"]):
        name = f"encoder.down.{stage}"
        for block in range(settings["num_res_blocks"]):
            state = _residual(weights, f"{name}.block.{block}", state, first * factor)
            if stage in settings["attn_resolutions"]:
                state = _attention(weights, f"{name}.attn.{block}", state)
        if stage < len(settings["ch_mult"]) - 1:
            padded = functional.pad(state, (0, 1, 0, 1))
            state = _conv(weights, f"{name}.downsample.conv", padded, state.shape[1], 3, stride=2, padding=0)
    state = _middle(weights, "encoder.mid", state)
    state = _conv(weights, "encoder.conv_out", functional.silu(_group(weights, "encoder.norm_out", state)), 4, 3)
    film = state.unflatten(0, (-1, frames)).transpose(1, 2)
    for step in range(int(math.log2(frames))):
        film = functional.silu(_causal(weights, f"encoder.time_conv.{step}.conv", film, 4, (4, 3, 3), (2, 1, 1)))
    film = _film_blocks(weights, "encoder", settings, film)
    film = _causal(weights, "quant_conv", film, settings["embed_dim"], (3, 1, 1), (1, 1, 1))
    return film[:, :, 0].permute(0, 2, 3, 1)


def decode(weights: Weights, settings: dict[str, Any], codes: Tensor) -> Tensor:
    """The first of the frames that codes (batch × rows × columns) stand for."""
    first, stages = settings["ch"], settings["ch_mult"]
    book = weights("quantize.embedding.weight", settings["codebook_size"], settings["embed_dim"])
    quantised = book[codes].permute(0, 3, 1, 2).unsqueeze(2)
    latent = _causal(weights, "post_quant_conv", quantised, settings["z_channels"], (3, 1, 1), (1, 1, 1))
    film = _film_blocks(weights, "decoder", settings, torch.cat([latent, quantised]))
    for step in range(int(math.log2(settings["temporal_downsample_factor"]))):
        longer = film.repeat_interleave(2, dim=2)
        film = functional.silu(_causal(weights, f"decoder.time_conv.{step}.conv", longer, 4, (3, 3, 3), (1, 1, 1)))
    state, guide = (part.transpose(1, 2).flatten(0, 1) for part in film.chunk(2))
    state = _middle(weights, "decoder.mid", _conv(weights, "decoder.conv_in", state, first * stages[-1], 3), guide)
    for stage in reversed(range(len(stages))):
        name = f"decoder.up.{stage}"
        for block in range(settings["num_res_blocks"] + 1):
            state = _residual(weights, f"{name}.block.{block}", state, first * stages[stage], guide)
            if stage in settings["attn_resolutions"]:
                state = _attention(weights, f"{name}.attn.{block}", state, guide)
        if stage:
            larger = state.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
            state = _conv(weights, f"{name}.upsample.conv", larger, state.shape[1], 3)
    state = functional.silu(_norm(weights, "decoder.norm_out", state, guide))
    made = _conv(weights, "decoder.conv_out", state, 3, 3)
    return made.unflatten(0, (len(codes), -1))[:, 0]


def _conv(
    weights: Weights, name: str, state: Tensor, channels: int, side: int, stride: int = 1, padding: int = -1
) -> Tensor:
    kernel = weights(f"{name}.weight", channels, state.shape[1], side, side)
    bias = weights(f"{name}.bias", channels, spread=0.1)
    return functional.conv2d(state, kernel, bias, stride, side // 2 if padding < 0 else padding)


def _causal(
    weights: Weights, name: str, film: Tensor, channels: int, sides: tuple[int, ...], strides: tuple[int, ...]
) -> Tensor:
    """A convolution over time, height and width that sees no later frame."""
    kernel = weights(f"{name}.conv.weight", channels, film.shape[1], *sides)
    (_, tall, wide) = (side - stride for side, stride in zip(sides, strides, strict=True))
    padded = functional.pad(film, (wide - wide // 2, wide // 2, tall - tall // 2, tall // 2, 2, 0))
    return functional.conv3d(padded, kernel, weights(f"{name}.conv.bias", channels, spread=0.1), strides)


def _group(weights: Weights, name: str, state: Tensor) -> Tensor:
    scale = weights(f"{name}.weight", state.shape[1], around=1.0, spread=0.3)
    return functional.group_norm(state, 32, scale, weights(f"{name}.bias", state.shape[1], spread=0.1), 1e-6)


def _norm(weights: Weights, name: str, state: Tensor, guide: Tensor | None) -> Tensor:
    """A group norm, in the decoder scaled and shifted by what the codes say at each place."""
    if guide is None:
        return _group(weights, name, state)
    at_size = functional.interpolate(guide, size=state.shape[-2:], mode="nearest")
    scale, shift = (_conv(weights, f"{name}.{part}", at_size, state.shape[1], 1) for part in ("conv_y", "conv_b"))
    return _group(weights, f"{name}.norm_layer", state) * scale + shift


def _residual(weights: Weights, name: str, state: Tensor, channels: int, guide: Tensor | None = None) -> Tensor:
    found = _conv(weights, f"{name}.conv1", functional.silu(_norm(weights, f"{name}.norm1", state, guide)), channels, 3)
    found = _conv(weights, f"{name}.conv2", functional.silu(_norm(weights, f"{name}.norm2", found, guide)), channels, 3)
    same = state.shape[1] == channels
    return found + (state if same else _conv(weights, f"{name}.nin_shortcut", state, channels, 1))


def _attention(weights: Weights, name: str, state: Tensor, guide: Tensor | None = None) -> Tensor:
    channels = state.shape[1]
    normed = _norm(weights, f"{name}.norm", state, guide)
    query, key, value = (_conv(weights, f"{name}.{part}", normed, channels, 1).flatten(2) for part in "qkv")
    shares = (query.transpose(1, 2) @ key / math.sqrt(channels)).softmax(-1)
    return state + _conv(weights, f"{name}.proj_out", (value @ shares.transpose(1, 2)).view_as(state), channels, 1)


def _middle(weights: Weights, name: str, state: Tensor, guide: Tensor | None = None) -> Tensor:
    state = _residual(weights, f"{name}.block_1", state, state.shape[1], guide)
    state = _attention(weights, f"{name}.attn_1", state, guide)
    return _residual(weights, f"{name}.block_2", state, state.shape[1], guide)


def _film_blocks(weights: Weights, name: str, settings: dict[str, Any], film: Tensor) -> Tensor:
    for block in range(settings["num_res_blocks"]):
        found = film
        for number in (1, 2):
            place = f"{name}.time_res_stack.{block}"
            mean, scatter, scale, shift = (
                weights(f"{place}.norm{number}.{part}", 4, around=around, spread=0.2)
                for part, around in (("running_mean", 0.0), ("running_var", 2.0), ("weight", 1.0), ("bias", 0.0))
            )
            found = functional.silu(functional.batch_norm(found, mean, scatter, scale, shift))
            found = _causal(weights, f"{place}.conv{number}", found, 4, (3, 3, 3), (1, 1, 1))
        film = film + found
    return film


def special_tokens() -> list[str]:
    """The special tokens of the original in the order of their ids."""
    extras = [f"<|extra_{number}|>" for number in range(205)]
    return ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *extras, *vision_tokens()]


def vision_tokens() -> list[str]:
    """The lines of `emu3_vision_tokens.txt`."""
    return [NAMES["grid_end"], NAMES["picture_start"], NAMES["picture_end"], *map(code_name, range(CODES))]


def write_original(folder: Path) -> tuple[Weights, Weights, dict[str, Any]]:
    """Writes language model, VQ-VAE and tokenizer below `folder`; returns both weights and the text settings."""
    from safetensors.torch import save_file

    size = len(BYTES) + len(MERGED) + len(special_tokens())
    ids = {name: len(BYTES) + len(MERGED) + place for place, name in enumerate(special_tokens())}
    ends = {f"{name}_token_id": ids[NAMES[name]] for name in ("pad", "bos", "eos")}
    text = {**TEXT, "vocab_size": size, **ends}
    words, pictures = Weights(), Weights()
    language(words, text, torch.zeros(1, 1, dtype=torch.long))
    noise = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1
    pictures.by_name["quantize.embedding.weight"] = latents(pictures, VISION, noise).flatten(0, 2).contiguous()
    decode(pictures, VISION, encode(pictures, VISION, noise))
    for name, settings in (("language", text), ("vision", VISION)):
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text(json.dumps(settings))
    half = len(words.by_name) // 2
    for number, part in enumerate((list(words.by_name)[:half], list(words.by_name)[half:]), start=1):
        shard = folder / "language" / f"model-{number:05d}-of-00002.safetensors"
        save_file({name: words.by_name[name] for name in part}, shard)
    means = [name for name in pictures.by_name if "running_mean" in name]
    counters = {name.replace("running_mean", "num_batches_tracked"): torch.tensor(7) for name in means}
    save_file(pictures.by_name | counters, folder / "vision" / "model.safetensors")
    (folder / "vision" / "preprocessor_config.json").write_text(json.dumps(PIXELS))
    lines = [f"{base64.b64encode(token).decode()} {rank}" for rank, token in enumerate([*BYTES, *MERGED])]
    (folder / "language" / "emu3.tiktoken").write_text("\n".join(lines))
    (folder / "language" / "emu3_vision_tokens.txt").write_text("\n".join(vision_tokens()))
    return words, pictures, text
