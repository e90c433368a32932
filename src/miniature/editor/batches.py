"""Batches for the miniature editor's transformer and text encoder: exactly what the pipeline would feed them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.architecture import IMAGE_SIDE, PATCH_SIDE, TIMESTEP_SHIFT, prompt_template
from src.miniature.editor.pairs import FOREIGN_SETTINGS, TEXTS_PER_EDIT, TrainingPairs
from src.models.diffusion.prompt_template import template_prefix_length

if TYPE_CHECKING:
    import torch
    from transformers import Qwen2Tokenizer

CHANGED_WEIGHT = 1.0
"""Extra weight of all changed latents of a picture together, as a share of the unchanged ones' weight."""
LARGEST_WEIGHT = 24.0
"""Bound of the extra weight of one changed latent: a change of a few pixels would else drown everything."""
FIRST_STEP_SHARE = 0.15
"""Share of training samples at pure noise, where sampling with few steps decides most."""
SIBLINGS = 4
"""Edits of one picture that a batch holds together: what tells them apart are their words alone."""
DIFFICULTY_SHARES = (0.5, 0.25, 0.25)
"""How often training reads the explicit, the medium and the hard wording. An editor must follow what there is to draw
before a rewriter can help it."""
FOREIGN_SHARE, NEUTRAL_SHARE = 0.06, 0.04
"""How often training pairs a picture with words about things that it does not show, or that ask for nothing, and no
change."""
NEUTRAL_TEXTS = (
    "What does the picture show?",
    "Say what you see.",
    "Leave everything as it is.",
    "Change nothing.",
    "How many things are there?",
    "Is this a nice picture?",
    "画面上有什么？",
    "说说你看到了什么。",
    "什么都不要改。",
    "保持原样。",
    "一共有几样东西？",
    "这幅画好看吗？",
)
"""Words that ask for no change; `evaluate_editor` asks others."""
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


@dataclass(frozen=True)
class Draw:
    """Which samples a step sees.

    Attributes:
        edits: The edit of each sample, int64 (batch,).
        prompts: Index of each sample's prompt, int64 (batch,).
        unchanged: Whether the sample's words ask for nothing in its picture, bool (batch,).
    """

    edits: np.ndarray
    prompts: np.ndarray
    unchanged: np.ndarray


class SampleDraws:
    """Chooses the samples of any step from `(seed, step)` alone.

    Args:
        pairs: The edits.
        size: Samples of a batch, a multiple of `SIBLINGS`.
        seed: Decides which samples a step sees, in which wording.

    Raises:
        ValueError: `size` is not a multiple of `SIBLINGS`.
    """

    def __init__(self, pairs: TrainingPairs, size: int, seed: int) -> None:
        if size % SIBLINGS:
            raise ValueError(f"a batch of {size} samples cannot hold {SIBLINGS} edits of each picture; use a multiple")
        self.pairs, self.size, self.seed = pairs, size, seed
        self.categories, named, _ = (np.array(column) for column in zip(*pairs.rules, strict=True))
        self.foreign = np.flatnonzero(np.isin(named, sorted(FOREIGN_SETTINGS)))
        self.first_edits = np.searchsorted(pairs.picture, np.arange(len(pairs.sources) + 1))

    def draw(self, step: int) -> Draw:
        """The samples of `step`: `SIBLINGS` different edits of each of its pictures, a few with words of no meaning."""
        rng = np.random.default_rng([self.seed, step, 0])
        pictures = rng.integers(len(self.pairs.sources), size=self.size // SIBLINGS)
        edits = np.concatenate([self.siblings(rng, picture) for picture in pictures])
        difficulty = rng.choice(len(DIFFICULTY_SHARES), p=DIFFICULTY_SHARES, size=self.size)
        language = rng.integers(2, size=self.size)
        kind = rng.random(self.size)
        neutral = kind < NEUTRAL_SHARE
        spoken_of = rng.choice(self.foreign, size=self.size) if len(self.foreign) else edits
        foreign = ~neutral & (kind < NEUTRAL_SHARE + FOREIGN_SHARE)
        foreign &= self.categories[spoken_of] != self.categories[edits]
        prompts = np.where(foreign, spoken_of, edits) * TEXTS_PER_EDIT + 2 * difficulty + language
        without_wish = len(self.pairs) * TEXTS_PER_EDIT + rng.integers(len(NEUTRAL_TEXTS), size=self.size)
        return Draw(edits, np.where(neutral, without_wish, prompts), neutral | foreign)

    def siblings(self, rng: np.random.Generator, picture: int) -> np.ndarray:
        """At most `SIBLINGS` different edits of a picture, at random."""
        first, after = self.first_edits[picture], self.first_edits[picture + 1]
        return first + rng.permutation(after - first)[:SIBLINGS]


class BatchMaker:
    """Makes the batch of any step from `(seed, step)` alone.

    Args:
        pairs: The edits.
        latents: Normalised latents of their sources, then their targets: (pictures + edits, channels, 16, 16).
        tokenizer: The editor's tokenizer.
        size: Samples of a batch, a multiple of `SIBLINGS`.
        seed: Decides which samples a step sees, in which wording, with which noise.

    Raises:
        ValueError: `size` is not a multiple of `SIBLINGS`.
    """

    def __init__(
        self, pairs: TrainingPairs, latents: np.ndarray, tokenizer: Qwen2Tokenizer, size: int, seed: int
    ) -> None:
        template = prompt_template().replace("<|image_pad|>", "<|image_pad|>" * IMAGE_TOKENS)
        texts = [text for texts in pairs.texts for text in texts] + list(NEUTRAL_TEXTS)
        different = list(dict.fromkeys(texts))
        ids = tokenizer([template.format(text) for text in different], add_special_tokens=False)["input_ids"]
        prompt_of = {text: np.asarray(prompt, np.int16) for text, prompt in zip(different, ids, strict=True)}
        self.prompts = [prompt_of[text] for text in texts]
        self.pad_id = tokenizer.pad_token_id
        self.prefix_length = template_prefix_length(tokenizer, prompt_template())
        self.pairs, self.latents = pairs, latents
        self.draws = SampleDraws(pairs, size, seed)
        self.weights = picture_weights(pairs.changed(), self.draws.first_edits)
        self.size, self.seed = size, seed

    def batch(self, step: int, device: torch.device) -> Batch:
        """The batch of `step`."""
        drawn = self.draw(step)
        prompts = [self.prompts[prompt] for prompt in drawn.prompts]
        return self.assembled(step, prompts, drawn.edits, drawn.unchanged, device)

    def assembled(
        self,
        step: int,
        prompts: Sequence[np.ndarray | Sequence[int]],
        edits: np.ndarray,
        unchanged: np.ndarray,
        device: torch.device,
    ) -> Batch:
        """A batch with the noise of `step`.

        Args:
            step: Decides noise and noise levels.
            prompts: Token ids of each sample.
            edits: The edit of each sample, int64 (batch,).
            unchanged: Whether the sample's result is its source, bool (batch,).
            device: Where the batch is put.
        """
        import torch

        ids, mask = padded(prompts, self.pad_id)
        pictures = self.pairs.picture[edits]
        results = np.where(unchanged, pictures, len(self.pairs.sources) + edits)
        rng = np.random.default_rng([self.seed, step, 1])
        target = pack(torch.from_numpy(self.latents[results]).float())
        noise = torch.from_numpy(rng.standard_normal(target.shape, np.float32))
        level = rng.random(self.size)
        level = np.where(rng.random(self.size) < FIRST_STEP_SHARE, 1.0, level)
        level = TIMESTEP_SHIFT * level / (1.0 + (TIMESTEP_SHIFT - 1.0) * level)
        weights = torch.from_numpy(self.weights[pictures])[:, None]
        parts = Batch(
            input_ids=torch.from_numpy(ids),
            attention_mask=torch.from_numpy(mask),
            pixel_values=vision_patches(self.pairs.sources[pictures]),
            source=pack(torch.from_numpy(self.latents[pictures]).float()),
            target=target,
            noise=noise,
            noise_level=torch.from_numpy(level.astype(np.float32)),
            weight=pack(weights.expand(-1, self.latents.shape[1], -1, -1)),
        )
        return Batch(**{name: getattr(parts, name).to(device) for name in Batch.__dataclass_fields__})

    def draw(self, step: int) -> Draw:
        """The samples of `step`."""
        return self.draws.draw(step)


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


def picture_weights(changed: np.ndarray, first_edits: np.ndarray) -> np.ndarray:
    """The loss weights of every picture, the mean of those of all its changes: float32 (pictures, rows, columns).

    They must not depend on the change that is asked for. Where only that one counted, an editor unsure of the words
    would do best to make every possible change at once.

    Args:
        changed: Where each edit changes its picture, bool (edits, rows, columns).
        first_edits: The first edit of each picture, and the number of edits at the end.
    """
    sums = np.add.reduceat(loss_weights(changed), first_edits[:-1])
    weights: np.ndarray = sums / np.diff(first_edits)[:, None, None].astype(np.float32)
    return weights


def loss_weights(changed: np.ndarray) -> np.ndarray:
    """Weights of mean 1 per change that give small changes a say beside the much larger rest: float32 like `changed`.

    Args:
        changed: Where the latents change, bool (edits, 16, 16).
    """
    changing = changed.astype(np.float32)
    share = changing.mean(axis=(1, 2), keepdims=True).clip(min=1e-3)
    weight = 1.0 + (CHANGED_WEIGHT * (1.0 - share) / share).clip(max=LARGEST_WEIGHT) * changing
    return weight / weight.mean(axis=(1, 2), keepdims=True)


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
