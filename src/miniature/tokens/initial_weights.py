"""What the language model begins with: words near the codes that they speak of, and queries that look for their like.

To find the purple shape, a code of purple has to meet the word "purple". Random weights say nothing about the two, and
until a training has found it out, every shape is as likely as any other to be the one that is meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from src.miniature.editor.pairs import TrainingPairs
from src.models.tokens.vocabulary import code_name

if TYPE_CHECKING:
    import torch
    from transformers import Emu3ForConditionalGeneration, PreTrainedTokenizerFast

QUERY_SCALE = 3.0
"""By how much queries and keys begin larger than stock weights, which attend to everything alike."""


def write_codes(rows: torch.Tensor, codebook: torch.Tensor) -> None:
    """Fills the embeddings of codes in place: a random map of each code's values, scaled as the others are.

    Codes of cells that look alike begin alike, so that what is learned of a common one holds for a rare one.

    Args:
        rows: The embeddings, (codes, width).
        codebook: What the codes stand for, (codes, values).
    """
    import torch

    scale = rows.std()
    mapped = (codebook - codebook.mean(0)) @ torch.randn(codebook.shape[1], rows.shape[1])
    rows.copy_(rows * 0.5 + mapped / mapped.std() * scale)


def write_words(
    model: Emu3ForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, pairs: TrainingPairs, codes: np.ndarray
) -> None:
    """Draws the embedding of each piece of text (in place) to those of the codes that its edits take away and bring.

    Args:
        model: Its codes have their embeddings already.
        tokenizer: Of texts.
        pairs: Edits and their words.
        codes: Of their sources, then their targets: (pictures + edits, rows, columns).
    """
    import torch

    embeddings = model.get_input_embeddings().weight
    first = tokenizer.convert_tokens_to_ids(code_name(0))
    of_code = embeddings[first : first + model.config.vq_config.codebook_size].detach()
    of_code = of_code - of_code.mean(0)
    exchanged, times = torch.zeros(first, of_code.shape[1]), torch.zeros(first)
    flat = torch.from_numpy(codes.reshape(len(codes), -1).astype(np.int64))
    for before, after, texts in zip(flat[pairs.picture], flat[len(pairs.sources) :], pairs.texts, strict=True):
        changed = before != after
        if not changed.any():
            continue
        meaning = of_code[before[changed]].mean(0) + of_code[after[changed]].mean(0)
        for text in texts:
            pieces = torch.tensor(sorted(set(tokenizer(text, add_special_tokens=False)["input_ids"])))
            exchanged[pieces] += meaning
            times[pieces] += 1
    met = times > 0
    meanings = exchanged[met] / times[met, None] - exchanged.sum(0) / times.sum()
    with torch.no_grad():
        scale = embeddings[:first].std()
        embeddings[:first][met] = embeddings[:first][met] * 0.5 + meanings / meanings.std() * scale


def align_queries(text: Any) -> None:
    """Makes queries and keys of an `Emu3TextModel` (in place) begin alike: each token looks for what resembles it."""
    import torch

    with torch.no_grad():
        for layer in text.layers:
            layer.self_attn.q_proj.weight.mul_(QUERY_SCALE)
            layer.self_attn.k_proj.weight.copy_(layer.self_attn.q_proj.weight)
