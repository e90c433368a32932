"""Batches for the miniature editor's transformer and text encoder: exactly what the pipeline would feed them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.architecture import IMAGE_SIDE, PATCH_SIDE, TIMESTEP_SHIFT, prompt_template
from src.miniature.editor.pairs import (
    EXPLICIT_SHARE,
    UNRELATED_RULES,
    UNRELATED_SHARE,
    UNTAUGHT_IMPLICIT,
    UNTAUGHT_REPEATS,
    TrainingPairs,
)
from src.models.diffusion.prompt_template import template_prefix_length

if TYPE_CHECKING:
    import torch
    from transformers import Qwen2Tokenizer

CHANGED_WEIGHT = 0.7
"""Extra weight of all changed latents of a picture together, as a share of the unchanged ones' weight."""
LARGEST_WEIGHT = 12.0
"""Bound of the extra weight of one changed latent: a change of a few pixels would else drown everything."""
FIRST_STEP_SHARE = 0.15
"""Share of training samples at pure noise, where sampling with few steps decides most."""
BUCKETS = 8
"""Steps whose prompts are sorted by length together, so that little of a batch is padding."""
LENGTH_MULTIPLE = 8
"""Prompts are padded to a multiple of this: a CPU compiles its matrix products anew for every other shape."""
IMAGE_TOKENS = (IMAGE_SIDE // PATCH_SIDE // 2) ** 2


@dataclass(frozen=True)
class Batch:
    """One training batch, on one device.

    Attributes:
        input_ids: Prompts, int64 (batch, tokens), padded on the right.
        attention_mask: 1 for tokens, 0 for padding, int64 (batch, tokens).
        pixel_values: Patches of the source images for the vision tower, (batch · 64, 384).
        source: Packed source latents, (batch, 64, 4 · channels).
        target: Packed target latents, same shape.
        noise: Gaussian noise, same shape.
        noise_level: The sigma of each sample, (batch,).
        weight: Loss weight of every value, same shape as `target`.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    pixel_values: torch.Tensor
    source: torch.Tensor
    target: torch.Tensor
    noise: torch.Tensor
    noise_level: torch.Tensor
    weight: torch.Tensor


class BatchMaker:
    """Makes the batch of any step from `(seed, step)` alone.

    Args:
        pairs: The edits.
        latents: Normalised latents of all their sources, then all their targets: (2n, channels, 16, 16).
        tokenizer: The editor's tokenizer.
        size: Samples of a batch.
        seed: Decides which samples a step sees, in which wording, with which noise.
    """

    def __init__(
        self, pairs: TrainingPairs, latents: np.ndarray, tokenizer: Qwen2Tokenizer, size: int, seed: int
    ) -> None:
        template = prompt_template().replace("<|image_pad|>", "<|image_pad|>" * IMAGE_TOKENS)
        different = list({text for texts in pairs.texts for text in texts})
        ids = tokenizer([template.format(text) for text in different], add_special_tokens=False)["input_ids"]
        prompt_of = {text: np.asarray(prompt, np.int16) for text, prompt in zip(different, ids, strict=True)}
        self.prompts = [prompt_of[text] for texts in pairs.texts for text in texts]
        self.lengths = np.array([len(prompt) for prompt in self.prompts])
        self.wordings_per_edit = len(pairs.texts[0])
        self.pad_id = tokenizer.pad_token_id
        self.prefix_length = template_prefix_length(tokenizer, prompt_template())
        self.pairs, self.latents, self.changed = pairs, latents, pairs.changed()
        categories, families, difficulties = (np.array(column) for column in zip(*pairs.rules, strict=True))
        self.categories = categories
        self.untaught = (difficulties == "hard") & np.isin(families, sorted(UNTAUGHT_IMPLICIT))
        unrelated = np.isin(families, sorted(UNRELATED_RULES))
        self.unrelated = np.repeat(np.flatnonzero(unrelated), np.where(self.untaught, UNTAUGHT_REPEATS, 1)[unrelated])
        self.size, self.seed = size, seed

    def batch(self, step: int, device: torch.device) -> Batch:
        """The batch of `step`."""
        import torch

        chosen, prompts, unrelated = self.draw(step)
        ids, mask = padded([self.prompts[prompt] for prompt in prompts], self.pad_id)
        rng = np.random.default_rng([self.seed, step, 1])
        target = pack(torch.from_numpy(self.latents[np.where(unrelated, chosen, len(self.pairs) + chosen)]).float())
        noise = torch.from_numpy(rng.standard_normal(target.shape, np.float32))
        level = rng.random(self.size)
        level = np.where(rng.random(self.size) < FIRST_STEP_SHARE, 1.0, level)
        level = TIMESTEP_SHIFT * level / (1.0 + (TIMESTEP_SHIFT - 1.0) * level)
        changed = self.changed[chosen] & ~unrelated[:, None, None]
        parts = Batch(
            input_ids=torch.from_numpy(ids),
            attention_mask=torch.from_numpy(mask),
            pixel_values=vision_patches(self.pairs.sources[chosen]),
            source=pack(torch.from_numpy(self.latents[chosen]).float()),
            target=target,
            noise=noise,
            noise_level=torch.from_numpy(level.astype(np.float32)),
            weight=pack(loss_weights(changed)[:, None].expand(-1, self.latents.shape[1], -1, -1)),
        )
        return Batch(**{name: getattr(parts, name).to(device) for name in Batch.__dataclass_fields__})

    def draw(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The edits and prompts of `step`, as indices; `BUCKETS` successive steps share out their draws by length.

        Returns:
            Indices of edits, indices of prompts, and where the prompt belongs to an edit of another category.
        """
        rng = np.random.default_rng([self.seed, step // BUCKETS, 0])
        count = BUCKETS * self.size
        chosen = rng.integers(len(self.pairs), size=count)
        spoken_of = rng.choice(self.unrelated, size=count) if len(self.unrelated) else chosen
        unrelated = rng.random(count) < UNRELATED_SHARE
        unrelated &= self.categories[spoken_of] != self.categories[chosen]
        spoken_of = np.where(unrelated, spoken_of, chosen)
        untaught = self.untaught[spoken_of]
        explicit = np.where(untaught, ~unrelated, rng.random(count) < EXPLICIT_SHARE)
        prompts = spoken_of * self.wordings_per_edit + 2 * explicit + rng.integers(2, size=count)
        buckets = np.argsort(self.lengths[prompts], kind="stable").reshape(BUCKETS, self.size)
        mine = buckets[rng.permutation(BUCKETS)[step % BUCKETS]]
        return chosen[mine], prompts[mine], unrelated[mine]


def padded(sequences: Sequence[Sequence[int] | np.ndarray], pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids padded on the right to a common multiple of `LENGTH_MULTIPLE`, and their mask (1 for tokens).

    Returns:
        Ids and mask, int64 (batch, tokens) each.
    """
    longest = max(len(sequence) for sequence in sequences)
    shape = len(sequences), -(-longest // LENGTH_MULTIPLE) * LENGTH_MULTIPLE
    ids, mask = np.full(shape, pad_id, np.int64), np.zeros(shape, np.int64)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return ids, mask


def loss_weights(changed: np.ndarray) -> torch.Tensor:
    """Weights of mean 1 per picture that give small changes a say beside the much larger rest: float32 like `changed`.

    Args:
        changed: Where the latents change, bool (batch, 16, 16).
    """
    import torch

    changing = torch.from_numpy(changed).float()
    share = changing.mean(dim=(1, 2), keepdim=True).clamp(min=1e-3)
    weight = 1.0 + (CHANGED_WEIGHT * (1.0 - share) / share).clamp(max=LARGEST_WEIGHT) * changing
    return weight / weight.mean(dim=(1, 2), keepdim=True)


def pack(latents: torch.Tensor) -> torch.Tensor:
    """2×2 latents (batch, channels, 16, 16) as one token each, in the pipeline's order: (batch, 64, 4 · channels)."""
    batch, channels, height, width = latents.shape
    tiles = latents.reshape(batch, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return tiles.reshape(batch, height * width // 4, 4 * channels)


def vision_patches(images: np.ndarray) -> torch.Tensor:
    """What the processor makes of uint8 images (n, 64, 64, 3): float32 (n · 64, 384), 2×2 patches together."""
    import torch

    groups = IMAGE_SIDE // PATCH_SIDE // 2
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    tiles = pixels.reshape(len(images), 3, groups, 2, PATCH_SIDE, groups, 2, PATCH_SIDE).permute(0, 2, 5, 3, 6, 1, 4, 7)
    frames = tiles.unsqueeze(6).expand(*tiles.shape[:6], 2, PATCH_SIDE, PATCH_SIDE)
    return frames.reshape(-1, 3 * 2 * PATCH_SIDE * PATCH_SIDE)
