"""The tokenizer of Emu3's original layout, two text files, as one of transformers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import ModelError
from src.models.tokens.vocabulary import NAMES, PLACEHOLDER

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

RANKS = "emu3.tiktoken"
VISION_TOKENS = "emu3_vision_tokens.txt"
PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How the original cuts a text before it merges bytes."""
_EXTRAS = 205
_RESERVED = "<|extra_0|>"
"""The reserved token whose id transformers' placeholder of a picture takes."""


def converted_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder with `emu3.tiktoken` and `emu3_vision_tokens.txt`, as a `PreTrainedTokenizerFast`.

    Raises:
        ModelError: a file is missing, or is not what it should be.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    ranks = _ranks(folder / RANKS)
    words = {_as_text(token): rank for token, rank in ranks.items()}
    special = _special_tokens(folder / VISION_TOKENS)
    vocabulary = words | {name: len(ranks) + place for place, name in enumerate(special)}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=_merges(ranks)))
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return with_emu3_tokens(made, special)


def with_emu3_tokens(made: Tokenizer, special: Sequence[str]) -> PreTrainedTokenizerFast:
    """The tokenizer as transformers' Emu3 classes know it.

    Args:
        made: Splits text into bytes; its vocabulary has the special tokens already.
        special: Tokens that are never split, among them those of `NAMES` and the placeholder of pictures.
    """
    from tokenizers import AddedToken, decoders
    from transformers import PreTrainedTokenizerFast

    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token=NAMES["bos"],
        eos_token=NAMES["eos"],
        pad_token=NAMES["pad"],
        padding_side="left",
        extra_special_tokens={
            "image_token": PLACEHOLDER,
            "boi_token": NAMES["picture_start"],
            "eoi_token": NAMES["picture_end"],
            "image_wrapper_token": NAMES["grid_end"],
            "eof_token": NAMES["frame_end"],
        },
    )


def _ranks(file: Path) -> dict[bytes, int]:
    try:
        lines = [line.split() for line in file.read_bytes().splitlines() if line.strip()]
        ranks = {base64.b64decode(token, validate=True): int(rank) for token, rank in lines}
    except (OSError, ValueError, binascii.Error) as error:
        raise ModelError(
            f"{file} cannot be read as ranks of byte pairs ({error}); name the folder that holds it by --tokenizer"
        ) from error
    if sorted(ranks.values()) != list(range(len(ranks))) or not {bytes([value]) for value in range(256)} <= {*ranks}:
        raise ModelError(f"{file} is incomplete: its ranks have gaps, or single bytes are missing")
    return ranks


def _special_tokens(file: Path) -> list[str]:
    """The special tokens in the order of their ids, which follow the last rank."""
    try:
        vision = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read as a list of tokens: {error}") from error
    extras = [f"<|extra_{number}|>" for number in range(_EXTRAS)]
    named = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *extras, *vision]
    return [PLACEHOLDER if name == _RESERVED else name for name in named]


def _as_text(token: bytes) -> str:
    return "".join(_BYTES[value] for value in token)


def _byte_names() -> list[str]:
    """The character that stands for each byte in a byte-level vocabulary: itself if printable, else one above 255."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [value for value in range(256) if value not in printable]
    names = {value: chr(value) for value in printable} | {value: chr(256 + place) for place, value in enumerate(others)}
    return [names[value] for value in range(256)]


_BYTES = _byte_names()


def _merges(ranks: dict[bytes, int]) -> list[tuple[str, str]]:
    """The pairs of which tokens are made, in the order of the ranks."""
    made = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        parts = _merged(token, ranks, rank)
        if len(token) > 1 and len(parts) != 2:
            raise ModelError(f"token {rank} of {RANKS}, {token!r}, cannot be merged of two tokens of lower ranks")
        if len(token) > 1:
            made.append((_as_text(parts[0]), _as_text(parts[1])))
    return made


def _merged(token: bytes, ranks: dict[bytes, int], below: int) -> list[bytes]:
    """The bytes of a token, merged by all pairs of a rank below `below`, the lowest rank first."""
    parts = [token[place : place + 1] for place in range(len(token))]
    while len(parts) > 1:
        pairs = [ranks.get(left + right, below) for left, right in pairwise(parts)]
        lowest = min(pairs)
        if lowest >= below:
            break
        at = pairs.index(lowest)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts
