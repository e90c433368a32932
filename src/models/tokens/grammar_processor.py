"""`GrammarProcessor`: a logits processor that leaves each row the tokens that its grammar allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from src.models.tokens.completion_grammar import CompletionGrammar
from src.models.tokens.picture_grammar import ANY_CODE, ANY_TEXT, PictureVocabulary

if TYPE_CHECKING:
    import torch


def allowed_masks(vocabulary: PictureVocabulary, device: torch.device | str) -> torch.Tensor:
    """Which tokens may stand at `ANY_CODE` (row 0) and at `ANY_TEXT` (row 1), as 2 × vocabulary truth values."""
    import torch

    masks = torch.zeros(2, vocabulary.size, dtype=torch.bool, device=device)
    for row, slot in enumerate((ANY_CODE, ANY_TEXT)):
        masks[row, torch.tensor(vocabulary.allowed(slot), device=device)] = True
    return masks


def allowed_tokens(slots: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Which tokens may stand at each entry of a plan.

    Args:
        slots: Of any shape.
        masks: Those of `allowed_masks`.

    Returns:
        Truth values of the shape of `slots`, by vocabulary.
    """
    import torch

    allowed = masks[(-1 - slots).clamp(0, 1)]
    forced = torch.zeros_like(allowed).scatter_(-1, slots.clamp(min=0).unsqueeze(-1), True)
    return torch.where((slots < 0).unsqueeze(-1), allowed, forced)


class GrammarProcessor:
    """Sets the logits of all tokens that a row's grammar does not allow to minus infinity.

    It follows one call of `generate` from the first token on; all is precomputed and stays on the device of the logits.

    Args:
        grammars: One a row, all over the same vocabulary.
        device: Of the logits.
    """

    def __init__(self, grammars: Sequence[CompletionGrammar], device: torch.device | str) -> None:
        import torch

        known = grammars[0].picture.vocabulary
        longest = max(len(grammar.plan) for grammar in grammars) + 1
        plans = [[*grammar.plan, *[known.pad] * (longest - len(grammar.plan))] for grammar in grammars]
        self._plans = torch.tensor(plans, device=device)
        self._limits = torch.tensor([grammar.thinking_tokens for grammar in grammars], device=device)
        self._masks = allowed_masks(known, device)
        self._picture_start = known.picture_start
        self._places = torch.full((len(grammars),), -1, device=device)
        self._written = torch.zeros(len(grammars), dtype=torch.long, device=device)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Takes the tokens so far (rows × length) and the next one's logits (rows × vocabulary); returns logits."""
        return scores.masked_fill(~allowed_tokens(self._next_slots(input_ids), self._masks), -float("inf"))

    def _next_slots(self, input_ids: torch.Tensor) -> torch.Tensor:
        import torch

        thinks = (self._limits > 0) & (self._places == 0) & (input_ids[:, -1] != self._picture_start)
        self._written += thinks.long()
        self._places = torch.where(thinks, self._places, self._places + 1).clamp(max=self._plans.shape[1] - 1)
        slots = self._plans.gather(1, self._places.unsqueeze(1)).squeeze(1)
        is_over = (slots == ANY_TEXT) & (self._written >= self._limits)
        return torch.where(is_over, torch.full_like(slots, self._picture_start), slots)
