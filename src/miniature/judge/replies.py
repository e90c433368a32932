"""The miniature judge's replies, and what its next tokens should be when a score is only roughly known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from transformers import Qwen2Tokenizer

SPREAD = 0.5
"""Standard deviation of the scores that count as right: neighbouring numbers are nearly as good as the exact one."""
_VALUES = np.arange(100) / 10.0
"""What the judge can say. 10.0 is left out: it would begin like 1.0, and digits would not be in the order of scores."""


class ScoreReplies:
    """All 100 replies `Score: 0.0` … `Score: 9.9` with the end token, as tokens; they are equally long.

    The wanted distribution at each position of a reply is what a normal distribution around the true score, cut off at
    0.0 and 9.9, says about the next token after the tokens written so far. So digits are learned as an ordered scale.

    Attributes:
        symbols: The different tokens of these replies.
        length: Tokens of a reply.
        digit_position: The token with which the number begins.
    """

    def __init__(self, tokenizer: Qwen2Tokenizer) -> None:
        texts = [f"Score: {value:.1f}{tokenizer.eos_token}" for value in _VALUES]
        self._replies = np.array(tokenizer(texts, add_special_tokens=False)["input_ids"])
        self.length = self._replies.shape[1]
        self.symbols: list[int] = np.unique(self._replies).tolist()
        self._digits = {tokenizer.convert_tokens_to_ids(str(digit)): digit for digit in range(10)}
        self.digit_position = next(place for place, token in enumerate(self._replies[0]) if token in self._digits)
        self._next = (self._replies[:, :, None] == self.symbols).astype(np.float32)
        alike = np.cumprod(self._replies[:, None] == self._replies[None], axis=2)
        self._compatible = np.concatenate([np.ones_like(alike[:, :, :1]), alike[:, :, :-1]], axis=2).astype(np.float32)

    def targets(self, scores: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draws a reply for each score, and says how each of its tokens should have been distributed.

        Args:
            scores: float (batch,), 0–10.
            rng: Draws the replies.

        Returns:
            Distributions, float32 (batch, length, symbols), and the drawn replies' tokens, int64 (batch, length).
        """
        weight = np.exp(-0.5 * ((_VALUES - scores[:, None]) / SPREAD) ** 2)
        weight = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
        chosen = (weight.cumsum(axis=1) < rng.random((len(scores), 1))).sum(axis=1).clip(max=len(_VALUES) - 1)
        wanted = np.einsum("bv,bvt,vts->bts", weight, self._compatible[chosen], self._next, optimize=True)
        total = np.einsum("bv,bvt->bt", weight, self._compatible[chosen])[:, :, None]
        return wanted / total, self._replies[chosen]

    def first_digit_values(self) -> np.ndarray:
        """Returns for each symbol the middle of the scores that begin with it, and 0 for other symbols."""
        return np.array([self._digits[symbol] + 0.45 if symbol in self._digits else 0.0 for symbol in self.symbols])

    def is_digit(self) -> np.ndarray:
        """Returns for each symbol whether it is a digit: bool (symbols,)."""
        return np.array([symbol in self._digits for symbol in self.symbols])
