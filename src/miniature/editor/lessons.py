"""In which order the miniature editor learns: first words alone, then the world with first words in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from src.miniature.editor.batches import Batch, BatchMaker

if TYPE_CHECKING:
    import torch

FIRST_WORDS_EVERY = 5
"""One of so many later steps repeats first words, so that they are not forgotten."""


class Batches(Protocol):
    """Makes the batch of any step from its number alone."""

    prefix_length: int
    """Tokens of the prompt template before the instruction."""

    def batch(self, step: int, device: torch.device) -> Batch:
        """The batch of `step`."""
        ...


class Lessons:
    """The batches of a whole training.

    Args:
        first_words: Of the pictures of `first_words.py`.
        world: Of the world's pictures.
        first_steps: Steps of first words alone.
    """

    def __init__(self, first_words: BatchMaker, world: BatchMaker, first_steps: int) -> None:
        self.prefix_length = world.prefix_length
        self._first_words, self._world, self._first_steps = first_words, world, first_steps

    def batch(self, step: int, device: torch.device) -> Batch:
        """The batch of `step`."""
        first = step < self._first_steps or step % FIRST_WORDS_EVERY == 0
        return (self._first_words if first else self._world).batch(step, device)
