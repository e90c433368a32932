"""`picture_vocabulary`: the token ids of an Emu3 checkpoint of transformers, found by the names of its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.errors import ModelError
from src.models.tokens.picture_grammar import PictureVocabulary

NAMES = {
    "bos": "<|extra_203|>",
    "eos": "<|extra_204|>",
    "pad": "<|endoftext|>",
    "picture_start": "<|image start|>",
    "grid_end": "<|image token|>",
    "line_end": "<|extra_200|>",
    "frame_end": "<|extra_201|>",
    "picture_end": "<|image end|>",
}
"""What Emu3's vocabulary calls the tokens around codes and texts."""
PLACEHOLDER = "<image>"
"""What stands for a whole picture in the texts of transformers' processor."""


def code_name(code: int) -> str:
    """What Emu3's vocabulary calls the token of a code."""
    return f"<|visual token {code:06d}|>"


def picture_vocabulary(vocabulary_map: Mapping[str, int], codebook_size: int, size: int) -> PictureVocabulary:
    """The ids by name.

    Args:
        vocabulary_map: Ids by token, as the checkpoint's `config.json` holds them.
        codebook_size: How many codes the checkpoint's VQ-VAE has.
        size: How many logits the language model has.

    Raises:
        ModelError: a token is missing, or its id is beyond the logits.
    """
    codes = [vocabulary_map.get(code_name(code)) for code in range(codebook_size)]
    ids = {name: vocabulary_map.get(token) for name, token in NAMES.items()}
    missing = [token for name, token in NAMES.items() if ids[name] is None]
    missing += [code_name(code) for code, token in enumerate(codes) if token is None]
    if missing:
        raise ModelError(
            f"the checkpoint's vocabulary_map lacks {len(missing)} tokens of pictures, {missing[0]} first; name an "
            "Emu3 checkpoint of transformers' layout"
        )
    if beyond := [token for token in (*ids.values(), *codes) if not 0 <= (token or 0) < size]:
        raise ModelError(f"the checkpoint's token {beyond[0]} is beyond its {size} logits: the folder is of two models")
    text = sorted(token for name, token in vocabulary_map.items() if _is_text(name) and token < size)
    known: dict[str, Any] = ids
    return PictureVocabulary(size=size, codes=tuple(token or 0 for token in codes), text=tuple(text), **known)


def _is_text(name: str) -> bool:
    """Special tokens of Emu3 are those in angles with bars, and the placeholder of a picture."""
    return not (name.startswith("<|") and name.endswith("|>")) and name != PLACEHOLDER
