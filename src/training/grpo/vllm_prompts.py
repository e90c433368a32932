"""Prompts with pictures as vLLM counts them, when TRL hands them over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trl import GRPOTrainer


def collapse_image_tokens(trainer: GRPOTrainer) -> None:
    """Hands prompts to vLLM beside the trainer with one token for each picture, so that both see the same prompt.

    A prompt has as many tokens for a picture as that has features, and TRL (1.16) hands these over as they are. vLLM
    takes the first of them for the whole picture, puts all in its place, and leaves the others behind it: completions
    would be sampled from another prompt than the one they are trained on.
    """
    generation: Any = trainer.vllm_generation  # type: ignore[attr-defined,unused-ignore]
    token = trainer.processing_class.image_token_id  # type: ignore[union-attr,unused-ignore]
    generate = generation.generate

    def collapsing(prompts: list[list[int]], *arguments: Any, **others: Any) -> Any:
        return generate([single_tokens(prompt, token) for prompt in prompts], *arguments, **others)

    generation.generate = collapsing


def single_tokens(prompt: Sequence[int], token: int) -> list[int]:
    """Returns the prompt with a single `token` in place of each run of them."""
    return [
        number for place, number in enumerate(prompt) if number != token or place == 0 or prompt[place - 1] != token
    ]
