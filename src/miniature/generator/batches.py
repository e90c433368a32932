"""Batches for the miniature generator: exactly what its pipeline would feed to text encoder and transformer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.architecture import TIMESTEP_SHIFT
from src.miniature.editor.batches import FIRST_STEP_SHARE, pack, padded
from src.miniature.policy.batches import IGNORE_INDEX
from src.miniature.prompts.pictures import Content
from src.miniature.prompts.wording import Difficulty, caption, prompt
from src.models.diffusion.prompt_template import template_prefix_length

if TYPE_CHECKING:
    import torch
    from transformers import Qwen2Tokenizer

PROMPT_SHARES: dict[Difficulty, float] = {"easy": 0.4, "medium": 0.2, "hard": 0.4}
"""How often a prompt is explicit, names a look, or tells it by a concept that is taught."""
THINKING_SHARE = 0.5
"""How often a prompt is followed by a completion."""
MISLED_SHARE = 0.3
"""How often a completion belongs to another content than its prompt: the picture then follows the completion, and
nobody is taught to write it."""
END = "<|im_end|>"


@dataclass(frozen=True)
class GeneratorBatch:
    """One training batch, on one device.

    Attributes:
        input_ids: Prompts, some with a completion that ends in `END`, int64 (batch, tokens), padded on the right.
        attention_mask: 1 for tokens, 0 for padding, int64 (batch, tokens).
        painted: 1 for the tokens from which the transformer paints: without `END` of a completion.
        labels: The token that is to be written at each place, or `IGNORE_INDEX`, int64 (batch, tokens).
        target: Packed latents, (batch, 64, 4 · channels).
        noise: Gaussian noise, same shape.
        noise_level: The sigma of each sample, (batch,).
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    painted: torch.Tensor
    labels: torch.Tensor
    target: torch.Tensor
    noise: torch.Tensor
    noise_level: torch.Tensor


@dataclass(frozen=True)
class Row:
    """What one sample reads.

    Attributes:
        picture: The content that is painted.
        prompt: The user's words.
        completion: What follows them; None for nothing.
        taught: Whether the completion is to be learned.
    """

    picture: int
    prompt: str
    completion: str | None
    taught: bool


class GeneratorBatches:
    """Makes the batch of any step from `(seed, step)` alone.

    Args:
        contents: What can be painted.
        latents: Normalised latents of their pictures: (contents, channels, 16, 16).
        tokenizer: The generator's tokenizer.
        template: The pipeline's prompt template.
        size: Samples of a batch.
        seed: Decides which samples a step sees, in which words, with which noise.
    """

    def __init__(
        self,
        contents: Sequence[Content],
        latents: np.ndarray,
        tokenizer: Qwen2Tokenizer,
        template: str,
        size: int,
        seed: int,
    ) -> None:
        self.contents, self.latents, self.size, self.seed = contents, latents, size, seed
        self._tokenizer, self._template = tokenizer, template
        self.prefix_length = template_prefix_length(tokenizer, template)

    def rows(self, step: int) -> list[Row]:
        """What the samples of `step` read."""
        rng = random.Random(f"{self.seed} {step}")
        return [self._row(rng) for _ in range(self.size)]

    def batch(self, step: int, device: torch.device) -> GeneratorBatch:
        """The batch of `step`."""
        import torch

        rows = self.rows(step)
        prompts = self._ids([self._template.format(row.prompt) for row in rows])
        written = self._ids(["" if row.completion is None else row.completion + END for row in rows])
        ids, mask = padded([before + after for before, after in zip(prompts, written, strict=True)], self._pad_id)
        painted, labels = mask.copy(), np.full_like(ids, IGNORE_INDEX)
        for place, (row, before, after) in enumerate(zip(rows, prompts, written, strict=True)):
            if row.completion is not None:
                painted[place, len(before) + len(after) - 1] = 0
            if row.taught:
                labels[place, len(before) : len(before) + len(after)] = after
        rng = np.random.default_rng([self.seed, step])
        target = pack(torch.from_numpy(self.latents[[row.picture for row in rows]]).float())
        level = np.where(rng.random(self.size) < FIRST_STEP_SHARE, 1.0, rng.random(self.size))
        level = TIMESTEP_SHIFT * level / (1.0 + (TIMESTEP_SHIFT - 1.0) * level)
        parts = GeneratorBatch(
            input_ids=torch.from_numpy(ids),
            attention_mask=torch.from_numpy(mask),
            painted=torch.from_numpy(painted),
            labels=torch.from_numpy(labels),
            target=target,
            noise=torch.from_numpy(rng.standard_normal(target.shape, np.float32)),
            noise_level=torch.from_numpy(level.astype(np.float32)),
        )
        return GeneratorBatch(**{name: getattr(parts, name).to(device) for name in GeneratorBatch.__annotations__})

    @property
    def _pad_id(self) -> int:
        return int(self._tokenizer.pad_token_id)

    def _ids(self, texts: list[str]) -> list[list[int]]:
        found: list[list[int]] = self._tokenizer(texts, add_special_tokens=False)["input_ids"]
        return found

    def _row(self, rng: random.Random) -> Row:
        place = rng.randrange(len(self.contents))
        thinks = rng.random() < THINKING_SHARE
        misled = thinks and rng.random() < MISLED_SHARE
        asked = self.contents[rng.randrange(len(self.contents)) if misled else place]
        (difficulty,) = rng.choices(tuple(PROMPT_SHARES), tuple(PROMPT_SHARES.values()))
        completion = caption(self.contents[place]) if thinks else None
        return Row(place, prompt(rng, asked, difficulty), completion, thinks and not misled)
