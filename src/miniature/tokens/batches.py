"""Batches for the miniature token editor: exactly the ids that `TokenEditModel` would feed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from src.miniature.editor.batches import (
    LENGTH_MULTIPLE,
    NEUTRAL_TEXTS,
    SampleDraws,
    picture_weights,
)
from src.miniature.editor.pairs import TrainingPairs
from src.models.tokens.picture_grammar import ANY_CODE, PictureVocabulary
from src.models.tokens.prompt import EditPrompts

if TYPE_CHECKING:
    import torch

FIRST_WORDS_EVERY = 3
"""One of so many steps after the first lesson repeats first words."""
SOURCE_CODES = 16
"""At how many codes of a source the loss is said as well."""


@dataclass(frozen=True)
class TokenBatch:
    """One training batch.

    Attributes:
        input_ids: Prompts with answers, int64 (batch, tokens), padded on the right.
        places: Of the tokens whose successors are the answer's codes, int64 (batch, codes).
        labels: The token ids of the answer's codes, int64 (batch, codes).
        weight: The loss weight of each, float32 (batch, codes), 1 on average.
        source_places: Of those of the source's codes that changes of the picture touch most, int64
            (batch, `SOURCE_CODES`).
        source_labels: The token ids of the answer's codes at the same cells, same shape.
    """

    input_ids: torch.Tensor
    places: torch.Tensor
    labels: torch.Tensor
    weight: torch.Tensor
    source_places: torch.Tensor
    source_labels: torch.Tensor


class TokenBatchMaker:
    """Makes the batch of any step from `(seed, step)` alone.

    A batch holds several edits of each of its pictures (`SampleDraws`). The instruction stands in front of the source,
    so that each token of the source can be read in its light, and the code to be copied is always equally far away.

    Args:
        pairs: The edits.
        codes: Of their sources, then their targets: (pictures + edits, rows, columns).
        tokenizer: The editor's tokenizer.
        vocabulary: The ids of its tokens.
        size: Samples of a batch.
        seed: Decides which samples a step sees, in which wording.
    """

    def __init__(
        self,
        pairs: TrainingPairs,
        codes: np.ndarray,
        tokenizer: Any,
        vocabulary: PictureVocabulary,
        size: int,
        seed: int,
    ) -> None:
        prompts = EditPrompts(tokenizer, vocabulary, instruction_first=True)
        texts = [text for texts in pairs.texts for text in texts] + list(NEUTRAL_TEXTS)
        different = list(dict.fromkeys(texts))
        ids_of = {text: np.asarray([vocabulary.bos, *prompts.text(text)], np.int64) for text in different}
        self.texts = [ids_of[text] for text in texts]
        self.draws = SampleDraws(pairs, size, seed)
        self.tokens = np.asarray(vocabulary.codes, np.int64)[codes.reshape(len(codes), -1)]
        self.pictures, self.picture = len(pairs.sources), pairs.picture
        changed = codes[pairs.picture] != codes[self.pictures :]
        self.weights = picture_weights(changed, self.draws.first_edits).reshape(self.pictures, -1)
        self.pad, self.seed = vocabulary.pad, seed
        self._block, self._source, self._answer = _block(prompts, *codes.shape[1:])

    def batch(self, step: int, device: torch.device) -> TokenBatch:
        """The batch of `step`."""
        import torch

        drawn = self.draws.draw(step)
        pictures = self.picture[drawn.edits]
        results = self.tokens[np.where(drawn.unchanged, pictures, self.pictures + drawn.edits)]
        blocks = np.repeat(self._block[None], len(pictures), axis=0)
        blocks[:, self._source], blocks[:, self._answer] = self.tokens[pictures], results
        texts = [self.texts[prompt] for prompt in drawn.prompts]
        longest = max(map(len, texts)) + len(self._block)
        ids = np.full((len(texts), -(-longest // LENGTH_MULTIPLE) * LENGTH_MULTIPLE), self.pad, np.int64)
        for row, (text, block) in enumerate(zip(texts, blocks, strict=True)):
            ids[row, : len(text)], ids[row, len(text) : len(text) + len(block)] = text, block
        starts = np.array([len(text) for text in texts])[:, None]
        weights = self.weights[pictures]
        ties = np.random.default_rng([self.seed, step, 1]).random(weights.shape, np.float32)
        most = np.argsort(-weights - 1e-3 * ties, axis=1)[:, :SOURCE_CODES]
        asked = np.take_along_axis(results, most, axis=1)
        parts = ids, starts + self._answer - 1, results, weights, starts + self._source[most], asked
        return TokenBatch(*(torch.from_numpy(part).to(device) for part in parts))


def _block(prompts: EditPrompts, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What follows the instruction, with the places of the codes of source and answer, the last of which ends it."""
    blank = prompts.picture([[0] * columns] * rows)
    grammar = prompts.grammar(rows, columns)
    plan = np.asarray(grammar.picture.plan)
    free = np.flatnonzero(plan == ANY_CODE)
    header = len(grammar.header)
    block = np.asarray([*blank, *grammar.header, *plan[: free[-1] + 1]], np.int64)
    return block, header + free, len(blank) + header + free


class TokenLessons:
    """First words alone, then the world with first words in between, as the diffusion editor learns.

    Args:
        first_words: Of the pictures of `first_words.py`.
        world: Of the world's pictures.
        first_steps: Steps of first words alone.
    """

    def __init__(self, first_words: TokenBatchMaker, world: TokenBatchMaker, first_steps: int) -> None:
        self._first_words, self._world, self._first_steps = first_words, world, first_steps

    def batch(self, step: int, device: torch.device) -> TokenBatch:
        """The batch of `step`."""
        first = step < self._first_steps or step % FIRST_WORDS_EVERY == 0
        return (self._first_words if first else self._world).batch(step, device)
