"""The log-probabilities of constrained sampling: those of the allowed tokens alone, as they were sampled from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.models.tokens.grammar_processor import allowed_tokens

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TokenLogProbabilities:
    """Of each token of some completions; both fields have the shape of the tokens."""

    chosen: torch.Tensor
    """Of the token that is there, among the allowed ones: 0 where only one token was allowed."""
    allowed_mass: torch.Tensor
    """The logarithm of the probability that the whole softmax gives to the allowed tokens together, at most 0."""


def token_log_probabilities(
    logits: torch.Tensor, tokens: torch.Tensor, slots: torch.Tensor, masks: torch.Tensor, temperature: float = 1.0
) -> TokenLogProbabilities:
    """The log-probabilities with which `GrammarProcessor` and a sampler without top-k and top-p draw the tokens.

    `log p(token) = l(token) / T - log Σ exp(l(allowed) / T)`.

    Args:
        logits: Of the next token at each place, `… × vocabulary`.
        tokens: What is there.
        slots: What might be there (`CompletionGrammar.slots`).
        masks: Those of `allowed_masks`.
        temperature: `T`, above 0.
    """
    scaled = logits.float() / temperature
    allowed = scaled.masked_fill(~allowed_tokens(slots, masks), -float("inf")).logsumexp(dim=-1)
    chosen = scaled.gather(-1, tokens.unsqueeze(-1)).squeeze(-1) - allowed
    is_forced = slots >= 0
    return TokenLogProbabilities(
        chosen=chosen.masked_fill(is_forced, 0.0), allowed_mass=allowed - scaled.logsumexp(dim=-1)
    )


def token_entropies(
    logits: torch.Tensor, slots: torch.Tensor, masks: torch.Tensor, temperature: float = 1.0
) -> torch.Tensor:
    """The entropies, in nats, of the distributions of `token_log_probabilities`: 0 where only one token is allowed.

    Args:
        logits: Of the next token at each place, `… × vocabulary`.
        slots: What might be there.
        masks: Those of `allowed_masks`.
        temperature: Above 0.
    """
    scaled = (logits.float() / temperature).masked_fill(~allowed_tokens(slots, masks), -float("inf"))
    own = scaled.log_softmax(dim=-1)
    return -(own.exp() * own.clamp(min=-1e9)).sum(dim=-1)  # 0 · -inf would be NaN
