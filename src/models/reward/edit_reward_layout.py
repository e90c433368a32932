"""EditReward's checkpoints: a Qwen2.5-VL with two heads, as TIGER-AI-Lab/EditReward (MIT) stores it.

The heads are `rm_heads.head_0` and `rm_heads.head_1`, each linear (width → 1024), ReLU, dropout, linear (→ 16), ReLU,
linear (→ 2) in float32: the mean and the logarithm of the standard deviation of a reward. They read the hidden state
of the token `<|Reward|>` that the tokenizer has gained. The folder holds the weights of the whole model, and neither
config nor processor: these are those of the base model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from src.errors import ModelError

REWARD_TOKEN = "<|Reward|>"
HEADS = ("head_0", "head_1")
"""Of the question about the instruction, then of that about quality."""
Pooling = Literal["mean", "min", "sum"]

_SIZES = (1024, 16, 2)
_DROPOUT = 0.05
_EMBEDDING = "language_model.embed_tokens.weight"
_NAMES = (
    (re.compile(r"^model\.(visual|language_model)\."), r"\1."),
    (re.compile(r"^model\.(layers|embed_tokens|norm)\."), r"language_model.\1."),
)
"""Names of a checkpoint's weights, of transformers before and after 4.52, in the body of today."""
_SHOWN = 3


@dataclass(frozen=True)
class Reward:
    """A reward with its uncertainty; both without bounds."""

    mean: float
    sigma: float
    """Standard deviation, above 0."""


class EditRewardNetwork(nn.Module):
    """The body of a Qwen2.5-VL with the two heads."""

    def __init__(self, body: Any, width: int) -> None:
        """Takes the body of a vision-language model and the width of its hidden states."""
        super().__init__()
        self.body = body
        self.rm_heads = nn.ModuleDict({name: _head(width) for name in HEADS})

    def forward(self, head: str, attention_mask: torch.Tensor, **inputs: Any) -> torch.Tensor:
        """What a head reads at the last token of each row.

        All tokens, those of pictures included, have the places of a text (0, 1, 2 …): the published code hands
        embeddings to the body, which cannot tell pictures then, and the heads were trained on that.

        Args:
            head: One of `HEADS`.
            attention_mask: Rows × tokens, padded on the left.
            inputs: The body's other inputs.

        Returns:
            Rows × 2, float32: mean and logarithm of the standard deviation.
        """
        places = (attention_mask.long().cumsum(-1) - 1).clamp(min=0)
        hidden = self.body(
            **inputs, attention_mask=attention_mask, position_ids=places.expand(3, *places.shape), use_cache=False
        ).last_hidden_state[:, -1]
        with torch.autocast(hidden.device.type, enabled=False):
            read: torch.Tensor = self.rm_heads[head](hidden.float())
        return read


def _head(width: int) -> nn.Sequential:
    first, second, last = _SIZES
    layers = [nn.Linear(width, first), nn.ReLU(), nn.Dropout(_DROPOUT), nn.Linear(first, second), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(second, last)).float()


def pooled(rewards: Sequence[Reward], how: Pooling) -> Reward:
    """One reward of both heads, as the published code pools: `mean`, `min` or `sum`.

    `mean` averages the means, and the logarithms of the standard deviations; `min` takes the lower of each by itself;
    `sum` adds the means and the variances.
    """
    means, logs = [one.mean for one in rewards], [math.log(one.sigma) for one in rewards]
    if how == "min":
        return Reward(min(means), math.exp(min(logs)))
    if how == "sum":
        return Reward(sum(means), math.sqrt(sum(one.sigma**2 for one in rewards)))
    return Reward(sum(means) / len(means), math.exp(sum(logs) / len(logs)))


def check_layout(folder: Path) -> None:
    """Checks by the names of its weights that a folder holds such a checkpoint; no weight is read.

    Raises:
        ModelError: naming what is missing.
    """
    from safetensors import SafetensorError, safe_open

    names: set[str] = set()
    for file in _files(folder):
        try:
            with safe_open(file, framework="pt") as opened:
                names |= set(opened.keys())
        except (OSError, SafetensorError) as error:
            raise ModelError(f"the weights in {file} cannot be read: {error}") from error
    _require_heads(folder, names)


def load_network(
    folder: Path, config: Any, dtype: torch.dtype, attention: str | None, tokens: int
) -> EditRewardNetwork:
    """Builds the network and loads every weight by name: all of them, and no others.

    Args:
        folder: The checkpoint.
        config: The config of the base model; its vocabulary becomes that of the checkpoint.
        dtype: Of the body; the heads stay in float32.
        attention: The implementation of attention; None is torch's own.
        tokens: How many tokens the tokenizer has, the reward token included.

    Raises:
        ModelError: weights are missing, left over or of another shape.
    """
    from transformers import AutoModelForImageTextToText

    stored = _stored(folder)
    _require_heads(folder, stored)
    heads = {name: stored.pop(name).float() for name in list(stored) if name.startswith("rm_heads.")}
    body_weights = {_body_name(name): value for name, value in stored.items() if not name.startswith("lm_head.")}
    embedding = body_weights.get(_EMBEDDING)
    if embedding is None or embedding.shape[0] < tokens:
        rows = "none" if embedding is None else f"{embedding.shape[0]} rows"
        raise ModelError(
            f"{folder} is no EditReward checkpoint of this base model: its token embedding ({rows}) has no place for "
            f"the {tokens} tokens of the tokenizer with {REWARD_TOKEN}; name the base model that it was trained from "
            "(reward_model.params.base)"
        )
    config.get_text_config().vocab_size = embedding.shape[0]
    chosen = {} if attention is None else {"attn_implementation": attention}
    body = AutoModelForImageTextToText.from_config(config, dtype=dtype, **chosen).base_model
    network = EditRewardNetwork(body, config.get_text_config().hidden_size)
    _load(network.body, {name: value.to(dtype) for name, value in body_weights.items()}, folder)
    _load(network.rm_heads, {name.removeprefix("rm_heads."): value for name, value in heads.items()}, folder)
    return network.requires_grad_(False).eval()


def _load(module: nn.Module, weights: dict[str, torch.Tensor], folder: Path) -> None:
    own = {name: value.shape for name, value in module.state_dict().items()}
    strays = sorted(own.keys() ^ weights.keys())
    strays = strays or sorted(name for name, shape in own.items() if weights[name].shape != shape)
    if strays:
        raise ModelError(
            f"{folder} is no EditReward checkpoint of this base model: {len(strays)} weights are missing, left over or "
            f"of another shape ({', '.join(strays[:_SHOWN])} …); name its base model in reward_model.params.base"
        )
    module.load_state_dict(weights, assign=True)


def _stored(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    found: dict[str, torch.Tensor] = {}
    for file in _files(folder):
        try:
            found |= load_file(file)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"the weights in {file} cannot be read: {error}") from error
    return found


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickled = any(folder.glob("*.pth")) or any(folder.glob("*.bin"))
        how = (
            "it holds weights as Python's pickle alone, which can run code and is not loaded here: store them as "
            "model.safetensors"
            if pickled
            else "name the folder of a downloaded checkpoint"
        )
        raise ModelError(f"{folder} has no *.safetensors; {how}")
    return files


def _require_heads(folder: Path, names: Iterable[str]) -> None:
    known = set(names)
    layers = [name for name, _ in _head(1).named_parameters()]
    wanted = {f"rm_heads.{head}.{layer}" for head in HEADS for layer in layers}
    found = {name for name in known if name.startswith(("rm_head.", "rm_heads."))}
    if wanted != found:
        lacking = sorted(wanted ^ found)
        kind = "has a single head" if any(name.startswith("rm_head.") for name in found) else "has no such heads"
        raise ModelError(
            f"{folder} is no checkpoint in EditReward's layout (two heads, rm_heads.head_0 and head_1): it "
            f"{kind if not wanted & found else 'has other layers in them'} ({', '.join(lacking[:_SHOWN])} …)"
        )


def _body_name(name: str) -> str:
    for pattern, replacement in _NAMES:
        name = pattern.sub(replacement, name)
    return name
