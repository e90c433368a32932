"""The VQ-VAE of a token editor that is trained: it stays as it is, in memory and in what is stored."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from src.models.tokens.checkpoint import VQVAE, WEIGHTS, codec_digest, vision_weights

_INDEX = "model.safetensors.index.json"
_COUNT = "num_batches_tracked"
"""What a normalisation counts in training, and never reads with a codec that is not trained."""


def freeze_codec(vqmodel: Any) -> None:
    """Takes gradients from a VQ-VAE, and makes parameters of its stored statistics.

    FSDP 2 loads parameters alone (accelerate 1.15): a buffer that is stored makes it fail.
    """
    import torch

    for module in vqmodel.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if name == _COUNT:
                setattr(module, name, None)
                module.track_running_stats = False  # or torch expects the count when weights are loaded
            elif name not in module._non_persistent_buffers_set:
                delattr(module, name)
                module.register_parameter(name, torch.nn.Parameter(buffer, requires_grad=False))
    vqmodel.requires_grad_(False)


def keep_codec(source: Path, saved: Path) -> None:
    """Gives a saved checkpoint the VQ-VAE of the one that it was trained from, where it has another.

    A trainer that stores all weights in half precision (DeepSpeed) rounds those of the VQ-VAE as well, of which nothing
    was trained, and codes would mean other pictures; what `freeze_codec` left out is put back.
    """
    from safetensors.torch import load_file, save_file

    if codec_digest(saved) == codec_digest(source):
        return
    own = dict(vision_weights(source))
    files = sorted(saved.glob(WEIGHTS))
    stored = {file: load_file(file) for file in files if any(True for _ in _codec_names(file))}
    missing = own.keys() - {name.partition(VQVAE)[2] for file in files for name in _codec_names(file)}
    for place, (file, weights) in enumerate(stored.items()):
        prefix = next(name.partition(VQVAE)[0] for name in weights if VQVAE in name) + VQVAE
        changed = {name: own[name.partition(VQVAE)[2]] for name in weights if VQVAE in name}
        added = {prefix + name: own[name] for name in missing} if place == 0 else {}
        part = file.with_suffix(".part")
        save_file(weights | changed | added, part, metadata={"format": "pt"})
        os.replace(part, file)
        _index(saved / _INDEX, file.name, added)


def _codec_names(file: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        return [name for name in opened.keys() if VQVAE in name]  # noqa: SIM118 (no mapping)


def _index(path: Path, file: str, added: dict[str, Any]) -> None:
    """Names further weights in the index of a checkpoint of several files."""
    if not added or not path.is_file():
        return
    index = json.loads(path.read_text(encoding="utf-8"))
    index["weight_map"] |= dict.fromkeys(added, file)
    path.write_text(json.dumps(index, indent=2, sort_keys=True), encoding="utf-8")
