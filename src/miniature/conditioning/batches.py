"""Batches that teach a text encoder to write what is to be drawn, and its transformer's editor to follow that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.batches import SIBLINGS, Batch, BatchMaker
from src.miniature.editor.pairs import TEXTS_PER_EDIT
from src.miniature.policy.batches import IGNORE_INDEX

if TYPE_CHECKING:
    import torch
    from transformers import Qwen2Tokenizer

WISH_SHARES = (0.2, 0.4, 0.4)
"""How often the user's wish has the explicit, the medium and the hard wording."""
END = "<|im_end|>"


@dataclass(frozen=True)
class ThoughtBatch:
    """Wishes, each with a completion, and what is to be painted from both.

    Attributes:
        edits: Source, target, noise, and prompts with completions, which end in `END`.
        labels: The token that is to be written at each place, or `IGNORE_INDEX`, int64 (batch, tokens).
        in_prompt: 1 for the tokens of prompts, int64 (batch, tokens).
        painted: 1 for the tokens from which the transformer paints: without `END`, int64 (batch, tokens).
    """

    edits: Batch
    labels: torch.Tensor
    in_prompt: torch.Tensor
    painted: torch.Tensor


class ThoughtBatches:
    """Makes the batch of any step from the seed of its maker and the step alone.

    A completion is the explicit wording of the edit that is to be painted, in the language of the wish. Some wishes are
    those of another change of the same picture: the completion decides, and nobody is taught to write it there.

    Args:
        maker: Of the editor's batches.
        tokenizer: The editor's.
        misled: The share of wishes that another edit's completion follows.
    """

    def __init__(self, maker: BatchMaker, tokenizer: Qwen2Tokenizer, misled: float) -> None:
        self.maker, self.misled = maker, misled
        explicit = [text for texts in maker.pairs.texts for text in texts[:2]]
        different = list(dict.fromkeys(explicit))
        ids = tokenizer([text + END for text in different], add_special_tokens=False)["input_ids"]
        known = dict(zip(different, ids, strict=True))
        self._completions = [known[text] for text in explicit]
        """English, then Chinese, of each edit."""

    @property
    def prefix_length(self) -> int:
        """Tokens of the prompt template before picture and instruction."""
        return self.maker.prefix_length

    def batch(self, step: int, device: torch.device) -> ThoughtBatch:
        """The batch of `step`."""
        import torch

        maker = self.maker
        rng = np.random.default_rng([maker.seed, step, 2])
        pictures = rng.integers(len(maker.pairs.sources), size=maker.size // SIBLINGS)
        groups = [maker.draws.siblings(rng, picture) for picture in pictures]
        edits, neighbours = np.concatenate(groups), np.concatenate([np.roll(group, 1) for group in groups])
        misled = rng.random(len(edits)) < self.misled
        language = rng.integers(2, size=len(edits))
        difficulty = rng.choice(len(WISH_SHARES), p=WISH_SHARES, size=len(edits))
        wishes = np.where(misled, neighbours, edits) * TEXTS_PER_EDIT + 2 * difficulty + language
        prompts = [maker.prompts[wish] for wish in wishes]
        completions = [self._completions[2 * edit + tongue] for edit, tongue in zip(edits, language, strict=True)]
        rows = [np.concatenate([prompt, end]) for prompt, end in zip(prompts, completions, strict=True)]
        made = maker.assembled(step, rows, edits, np.zeros(len(edits), bool), device)
        place = torch.arange(made.input_ids.shape[1], device=device)[None]
        first, last = (
            torch.tensor([[length] for length in lengths], device=device)
            for lengths in (map(len, prompts), (len(row) - 1 for row in rows))
        )
        taught = (place >= first) & (place <= last) & ~torch.from_numpy(misled).to(device)[:, None]
        labels = made.input_ids.masked_fill(~taught, IGNORE_INDEX)
        return ThoughtBatch(made, labels, (place < first).long(), (place < last).long())
