"""Proves that a converted checkpoint answers as the original, of which no code is run.

The language model of Emu3 is a Llama in all but name (EARL serves it as one): its original weights in transformers'
`LlamaForCausalLM` are the other side of the comparison. Of the VQ-VAE every weight is compared.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import ModelError
from src.models.tokens.emu3.settings import DECODER
from src.models.tokens.emu3.weight_names import vision_name, vision_weight
from src.models.tokens.stored_weights import stored_weights

if TYPE_CHECKING:
    import torch

_LENGTH = 48
_SHARED = (*DECODER, "rope_parameters")
"""Settings that `LlamaConfig` and `Emu3TextConfig` have in common."""
_TOLERANCE = {"float32": 1e-5, "float16": 1e-2, "bfloat16": 5e-2}
"""The largest difference of two logits, as a share of the largest logit, by the type in which weights are stored."""


@dataclass(frozen=True)
class ConversionProof:
    """The figures that show that a conversion worked."""

    logits: int
    largest_difference: float
    largest_logit: float
    vision_weights: int
    """Weights of the VQ-VAE, each of them equal to the original's."""

    def lines(self) -> list[str]:
        """Returns the figures as lines for people."""
        return [
            f"language model: {self.logits:,} logits up to {self.largest_logit:.3g} differ from the original's by "
            f"{self.largest_difference:.3g} at most",
            f"VQ-VAE: {self.vision_weights:,} weights equal to the original's, none missing, none left over",
        ]


def prove(language: Path, vision: Path, converted: Path) -> ConversionProof:
    """Compares a converted checkpoint with the original.

    Args:
        language: Folder of the original language model.
        vision: Folder of the original VQ-VAE.
        converted: Folder of transformers' layout.

    Raises:
        ModelError: a weight is missing, is left over or differs, or the logits do.
    """
    import torch
    from transformers import Emu3ForConditionalGeneration

    # weights of another shape are named in `info` then, instead of in the log alone
    model, info = Emu3ForConditionalGeneration.from_pretrained(
        converted, dtype="auto", use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True
    )
    if odd := {kind: sorted(map(str, names))[:3] for kind, names in info.items() if names}:
        raise ModelError(f"the converted checkpoint does not fit the classes of transformers: {odd}")
    compared = _compare_vision(model, vision)
    text = model.config.text_config
    ids = torch.randint(0, text.vocab_size, (2, _LENGTH), generator=torch.Generator().manual_seed(0))
    ours, dtype = _logits(model, ids), model.lm_head.weight.dtype
    del model
    gc.collect()
    theirs = _logits(_as_llama(language, text, dtype), ids)
    difference, largest = float((ours - theirs).abs().max()), float(theirs.abs().max())
    if not difference <= _TOLERANCE[str(dtype).removeprefix("torch.")] * largest:
        raise ModelError(f"the converted model's logits differ by {difference:.3g}, of {largest:.3g} at most")
    return ConversionProof(ours.numel(), difference, largest, compared)


def _logits(model: Any, ids: torch.Tensor) -> torch.Tensor:
    import torch

    with torch.inference_mode():
        found: torch.Tensor = model.eval()(input_ids=ids, use_cache=False).logits.float()
    return found


def _as_llama(folder: Path, text: Any, dtype: torch.dtype) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        **{name: getattr(text, name) for name in _SHARED}, tie_word_embeddings=text.tie_word_embeddings
    )
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    weights = {name: weight.to(dtype) for name, weight in _stored(folder)}
    if text.tie_word_embeddings:
        weights.setdefault("lm_head.weight", weights["model.embed_tokens.weight"])
    model.load_state_dict(weights, assign=True)
    model.model.rotary_emb = type(model.model.rotary_emb)(config)  # its frequencies are no weights
    return model


def _compare_vision(model: Any, folder: Path) -> int:
    import torch

    weights = {f"model.{name}": weight for name, weight in _vision(folder)}
    there = {name: weight for name, weight in model.state_dict().items() if name.startswith("model.vqmodel.")}
    counters = {name for name in {*there} ^ {*weights} if name.endswith(".num_batches_tracked")}
    if odd := ({*there} ^ {*weights}) - counters:
        raise ModelError(f"the VQ-VAE has weights on one side only: {sorted(odd)[:3]}")
    for name, weight in weights.items():
        if not torch.equal(there[name], weight.to(there[name].dtype)):
            raise ModelError(f"the VQ-VAE's {name} differs from the original's")
    return len(weights)


def _vision(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    for name, weight in _stored(folder):
        yield vision_name(name), vision_weight(name, weight)


def _stored(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    for file in sorted(folder.glob("*.safetensors")):
        yield from stored_weights(file)
