"""Sampling whose draws depend on the question alone, never on the batch in which it is asked."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import pydantic

from src.models.vlm.question import Question

if TYPE_CHECKING:
    import torch

LEAST_TEMPERATURE = 1e-6
"""Above 0: logits of any model, divided by it, are far from the largest number of float32."""


def _drawable(temperature: float) -> float:
    if temperature == 0 or (temperature >= LEAST_TEMPERATURE and math.isfinite(temperature)):
        return temperature
    raise ValueError(
        f"a temperature is 0, which takes the likeliest token, or a number from {LEAST_TEMPERATURE:g} on: logits "
        "divided by a smaller one have no number; set 0"
    )


Temperature = Annotated[float, pydantic.AfterValidator(_drawable)]
"""Of draws that are made in this process: what `SeededSampler` can divide by, or 0 for none."""


def question_seed(question: Question, seed: int, attempt: int) -> int:
    """A seed made of the question's words and pixels, the model's seed and the attempt."""
    words = [question.system_prompt, *(picture.label for picture in question.images), question.text]
    digest = hashlib.sha256(json.dumps([seed, attempt, words]).encode())
    for picture in question.images:
        digest.update(f"{picture.image.mode} {picture.image.size}\0".encode())
        digest.update(picture.image.tobytes())
    return int.from_bytes(digest.digest()[:8], "big")


class SeededSampler:
    """A logits processor that draws the next token of each row itself and leaves no other to choose.

    It goes into a greedy `generate` as the last processor. Each row has its own random numbers, one a token: the token
    is where that number falls in the cumulative probabilities of the nucleus (Holtzman et al., "The Curious Case of
    Neural Text Degeneration": the most probable tokens that together reach `top_p`).

    Args:
        temperature: Divides the logits: `Temperature` above 0.
        top_p: Probability of the nucleus, above 0 to 1.
        seeds: One a row.
        top_k: How many of the most probable tokens are left before the nucleus is looked for; None leaves all.
    """

    def __init__(self, temperature: float, top_p: float, seeds: Sequence[int], top_k: int | None = None) -> None:
        self._temperature = temperature
        self._top_p = top_p
        self._top_k = top_k
        self._draws = [random.Random(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Turns logits (rows × vocabulary) into 0 for the drawn token and -inf for all others."""
        import torch

        ordered, tokens = torch.softmax(scores.float() / self._temperature, dim=-1).sort(descending=True, stable=True)
        if self._top_k is not None:
            ordered, tokens = ordered[:, : self._top_k], tokens[:, : self._top_k]
            ordered = ordered / ordered.sum(dim=-1, keepdim=True)
        cumulative = ordered.cumsum(dim=-1)
        in_nucleus = (cumulative - ordered < self._top_p) & (ordered > 0)  # rounded sums may never reach 1
        last = in_nucleus.sum(dim=-1, keepdim=True) - 1
        draws = torch.tensor([[row.random()] for row in self._draws], device=scores.device)
        fallen = torch.searchsorted(cumulative, draws * cumulative.gather(-1, last), right=True)
        chosen = tokens.gather(-1, fallen.minimum(last))
        return torch.full_like(scores, -torch.inf).scatter(-1, chosen, 0.0)
