"""`WrittenSlots`: what might have stood at each place of completions, read from their tokens alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.models.tokens.grammar_processor import allowed_masks
from src.models.tokens.picture_grammar import ANY_CODE, ANY_TEXT, PictureVocabulary

if TYPE_CHECKING:
    import torch


class WrittenSlots:
    """`CompletionGrammar.slots` of many completions at once, for tokens that are known to obey their grammars.

    A trainer that computes log-probabilities anew has the tokens and not their grammars. They tell enough: a code was
    drawn among codes; text in front of the picture, and the start of the picture that ends it, were drawn among text;
    every other token had to be there, and so had a start behind the most tokens of text.

    Args:
        vocabulary: Of the completions.
        thinking_tokens: The largest number of tokens of text in front of a picture.
        device: Of the completions.
    """

    def __init__(self, vocabulary: PictureVocabulary, thinking_tokens: int, device: torch.device | str) -> None:
        self._is_code, self._is_thinking = allowed_masks(vocabulary, device)
        self._start = vocabulary.picture_start
        self._thinking_tokens = thinking_tokens

    def __call__(self, tokens: torch.Tensor) -> torch.Tensor:
        """The slots of completions (rows × length), each from its first token on and with any padding behind it."""
        import torch

        slots = torch.where(self._is_code[tokens], torch.full_like(tokens, ANY_CODE), tokens)
        if not self._thinking_tokens:
            return slots
        starts = (tokens == self._start).long()
        is_before = starts.cumsum(dim=1) - starts == 0
        places = torch.arange(tokens.shape[1], device=tokens.device)
        is_drawn = is_before & self._is_thinking[tokens] & (places < self._thinking_tokens)
        return slots.masked_fill(is_drawn, ANY_TEXT)
