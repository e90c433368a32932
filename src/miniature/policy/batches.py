"""Batches for the miniature policy: fresh edits for every step, in exactly the tokens that a rollout would see."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from src.miniature.editor.architecture import PATCHES_PER_SIDE
from src.miniature.editor.batches import IMAGE_TOKENS, padded, vision_patches
from src.miniature.policy.architecture import LANGUAGES, rewrite_messages
from src.miniature.policy.faithful_rewrites import faithful_rewrite
from src.miniature.world.benchmark import TRAINING_SEEDS
from src.miniature.world.edits import CATEGORIES, DIFFICULTIES, MiniatureEdit, make_edit

if TYPE_CHECKING:
    import torch
    from transformers import Qwen2_5_VLProcessor

    from src.models.vlm.prompts import Language

BUCKETS = 8
"""Steps whose prompts are sorted by length together, so that little of a batch is padding."""
IGNORE_INDEX = -100
"""The label of a token that no loss is taken of: torch's `ignore_index`."""


class TokenisedExample(NamedTuple):
    """One conversation: the picture, its tokens, and how many of them belong to the prompt."""

    picture: np.ndarray
    tokens: list[int]
    prompt_length: int


class PolicyBatches:
    """Makes the batch of any step from `(seed, step)` alone; no edit is seen twice but by chance.

    The edits are of training families in training wordings, of all categories and difficulties in equal shares; half of
    them are in English and half in Chinese.

    Args:
        processor: The policy's processor.
        size: Conversations of a batch.
        seed: Decides the edits and their languages.
        seeds: The world's seeds to draw edits from.
    """

    def __init__(self, processor: Qwen2_5_VLProcessor, size: int, seed: int, seeds: range = TRAINING_SEEDS) -> None:
        self.processor, self.size, self.seed, self.seeds = processor, size, seed, seeds
        self._group = functools.lru_cache(maxsize=1)(self._draw_group)

    def batch(self, step: int, device: torch.device) -> dict[str, torch.Tensor]:
        """The model's arguments for `step`, as `collate_tokenised` makes them."""
        arguments = collate_tokenised(self.processor, self._group(step // BUCKETS)[step % BUCKETS])
        return {name: value.to(device) for name, value in arguments.items()}

    def _draw_group(self, group: int) -> list[list[TokenisedExample]]:
        """The samples of `BUCKETS` successive steps, shared out by length so that little of a batch is padding."""
        rng = np.random.default_rng([self.seed, group])
        samples = [self._draw(rng) for _ in range(BUCKETS * self.size)]
        samples.sort(key=lambda sample: len(sample.tokens))
        starts = rng.permutation(BUCKETS) * self.size
        return [samples[start : start + self.size] for start in starts]

    def _draw(self, rng: np.random.Generator) -> TokenisedExample:
        seed = int(rng.integers(self.seeds.start, self.seeds.stop))
        edit = make_edit(str(rng.choice(CATEGORIES)), str(rng.choice(DIFFICULTIES)), seed)
        language = LANGUAGES[rng.integers(len(LANGUAGES))]
        return conversation(self.processor, edit, language)


def collate_tokenised(
    processor: Qwen2_5_VLProcessor, conversations: Sequence[TokenisedExample]
) -> dict[str, torch.Tensor]:
    """Conversations padded on the right, with labels on the completions alone."""
    import torch

    tokens, mask = padded([one.tokens for one in conversations], processor.tokenizer.pad_token_id)
    in_prompt = np.arange(tokens.shape[1]) < np.array([[one.prompt_length] for one in conversations])
    labels = np.where(in_prompt | (mask == 0), IGNORE_INDEX, tokens)
    return {
        "input_ids": torch.from_numpy(tokens),
        "attention_mask": torch.from_numpy(mask),
        "labels": torch.from_numpy(labels),
        "mm_token_type_ids": torch.from_numpy((tokens == processor.image_token_id).astype(np.int64)),
        "pixel_values": vision_patches(np.stack([one.picture for one in conversations])),
        "image_grid_thw": torch.tensor([[1, PATCHES_PER_SIDE, PATCHES_PER_SIDE]] * len(conversations)),
    }


def conversation(processor: Qwen2_5_VLProcessor, edit: MiniatureEdit, language: Language) -> TokenisedExample:
    """What a rollout that ends in the faithful rewrite of an edit consists of."""
    prompt = prompt_text(processor, edit, language)
    prompt = prompt.replace(processor.image_token, processor.image_token * IMAGE_TOKENS)
    completion = faithful_rewrite(edit, language).completion() + processor.tokenizer.eos_token
    start, end = processor.tokenizer([prompt, completion])["input_ids"]
    return TokenisedExample(edit.source, start + end, len(start))


def prompt_text(processor: Qwen2_5_VLProcessor, edit: MiniatureEdit, language: Language) -> str:
    """The prompt for an edit, up to where the policy begins to write, with one token in the place of the picture."""
    messages = rewrite_messages(getattr(edit, f"instruction_{language}"), language)
    text: str = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return text
