"""Batches that teach a text encoder to write what is to be drawn, and its transformer's editor to follow that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.batches import SIBLINGS, Batch, BatchMaker, padded, vision_patches
from src.miniature.editor.pairs import TEXTS_PER_EDIT
from src.miniature.policy.batches import IGNORE_INDEX

if TYPE_CHECKING:
    import torch
    from transformers import Qwen2Tokenizer

WISH_SHARES = (0.2, 0.4, 0.4)
"""How often the user's wish has the explicit, the medium and the hard wording."""
END = "<|im_end|>"


SILENT = -1
"""In `ThoughtBatch.guides`: what is said at this place is not to matter."""


@dataclass(frozen=True)
class Reading:
    """What an encoder reads, on one device.

    Attributes:
        input_ids: Int64 (batch, tokens), padded on the right.
        attention_mask: 1 for tokens, 0 for padding, int64 (batch, tokens).
        pixel_values: Patches of the pictures for the vision tower, (batch · 64, 384).
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    pixel_values: torch.Tensor


@dataclass(frozen=True)
class ThoughtBatch:
    """Wishes with completions: some to learn writing from, others from which is painted.

    Attributes:
        writing: Wishes, each with its completion and `END`.
        labels: The token that is to be written at each place of `writing`, or `IGNORE_INDEX`, int64 (batch, tokens).
        edits: Wishes with the completions that decide, and source, target and noise of what is painted.
        painted: Whether the transformer paints from the token, bool like the tokens of `edits`: not from `END`.
        instructions: The completions of `edits` as the instructions of prompts of their own.
        guides: For each token of `edits` the place in `instructions` of which it is to have the hidden state, or
            `SILENT`, int64.
    """

    writing: Reading
    labels: torch.Tensor
    edits: Batch
    painted: torch.Tensor
    instructions: Reading
    guides: torch.Tensor


class ThoughtBatches:
    """Makes the batch of any step from the seed of its maker and the step alone.

    A completion is the explicit wording of the edit that is to be painted, in the language of the wish. Some wishes
    that are painted from are those of another change of the same picture: the completion decides.

    Args:
        maker: Of the editor's batches, whose size is the number of wishes that are painted from.
        tokenizer: The editor's.
        written: How many wishes of a batch are written for.
        misled: The share of wishes, among those painted from, that another edit's completion follows.
    """

    def __init__(self, maker: BatchMaker, tokenizer: Qwen2Tokenizer, written: int, misled: float) -> None:
        self.maker, self.written, self.misled = maker, written, misled
        explicit = [text for texts in maker.pairs.texts for text in texts[:2]]
        different = list(dict.fromkeys(explicit))
        ids = tokenizer([text + END for text in different], add_special_tokens=False)["input_ids"]
        known = dict(zip(different, ids, strict=True))
        self._completions = [known[text] for text in explicit]
        """English, then Chinese, of each edit."""
        picture_end = tokenizer.convert_tokens_to_ids("<|vision_end|>")
        self._words_begin = int(np.flatnonzero(maker.prompts[0] == picture_end)[0]) + 1
        """The place of an instruction's first token, the same in all prompts."""

    @property
    def prefix_length(self) -> int:
        """Tokens of the prompt template before picture and instruction."""
        return self.maker.prefix_length

    def batch(self, step: int, device: torch.device) -> ThoughtBatch:
        """The batch of `step`."""
        writing, labels = self._writing(np.random.default_rng([self.maker.seed, step, 3]), device)
        return ThoughtBatch(writing, labels, *self._painting(step, device))

    def _writing(self, rng: np.random.Generator, device: torch.device) -> tuple[Reading, torch.Tensor]:
        import torch

        edits = rng.integers(len(self.maker.pairs), size=self.written)
        prompts, completions = self._worded(rng, edits, edits)
        read = self._reading(prompts, completions, edits, device)
        place = torch.arange(read.input_ids.shape[1], device=device)[None]
        unwritten = (place < _column(prompts, device)) | (read.attention_mask == 0)
        return read, read.input_ids.masked_fill(unwritten, IGNORE_INDEX)

    def _painting(self, step: int, device: torch.device) -> tuple[Batch, torch.Tensor, Reading, torch.Tensor]:
        import torch

        maker = self.maker
        rng = np.random.default_rng([maker.seed, step, 2])
        pictures = rng.integers(len(maker.pairs.sources), size=maker.size // SIBLINGS)
        groups = [maker.draws.siblings(rng, picture) for picture in pictures]
        edits, neighbours = np.concatenate(groups), np.concatenate([np.roll(group, 1) for group in groups])
        wishes = np.where(rng.random(len(edits)) < self.misled, neighbours, edits)
        prompts, completions = self._worded(rng, wishes, edits)
        rows = [np.concatenate(parts) for parts in zip(prompts, completions, strict=True)]
        made = maker.assembled(step, rows, edits, np.zeros(len(edits), bool), device)
        begin = self._words_begin
        place = torch.arange(made.input_ids.shape[1], device=device)[None]
        first = _column(prompts, device)
        told = place - first + begin
        guides = torch.where(place < begin, place, torch.where(place < first, SILENT, told))
        painted = place < _column(rows, device) - 1
        heads = [prompt[:begin] for prompt in prompts]
        return made, painted, self._reading(heads, completions, edits, device), guides

    def _worded(
        self, rng: np.random.Generator, wishes: np.ndarray, edits: np.ndarray
    ) -> tuple[list[np.ndarray], list[list[int]]]:
        """Prompts with wishes in any wording, and the completions for `edits` in the languages of these."""
        language = rng.integers(2, size=len(edits))
        difficulty = rng.choice(len(WISH_SHARES), p=WISH_SHARES, size=len(edits))
        prompts = [self.maker.prompts[text] for text in wishes * TEXTS_PER_EDIT + 2 * difficulty + language]
        return prompts, [self._completions[2 * edit + tongue] for edit, tongue in zip(edits, language, strict=True)]

    def _reading(
        self,
        prompts: Sequence[np.ndarray],
        completions: Sequence[Sequence[int]],
        edits: np.ndarray,
        device: torch.device,
    ) -> Reading:
        import torch

        pairs = self.maker.pairs
        rows = [np.concatenate(parts) for parts in zip(prompts, completions, strict=True)]
        ids, mask = (torch.from_numpy(part).to(device) for part in padded(rows, self.maker.pad_id))
        return Reading(ids, mask, vision_patches(pairs.sources[pairs.picture[edits]]).to(device))


def _column(rows: Sequence[Sequence[int] | np.ndarray], device: torch.device) -> torch.Tensor:
    """The length of each row, (rows, 1)."""
    import torch

    return torch.tensor([[len(row)] for row in rows], device=device)
