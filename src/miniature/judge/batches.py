"""Batches for the miniature judge: the very tokens and patches that `Qwen3VLRewardModel` makes of the same question."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.batches import IMAGE_TOKENS, padded, vision_patches
from src.miniature.judge.pairs import JudgePairs
from src.miniature.judge.prompts import JudgePrompts
from src.miniature.judge.questions import BLOCK, AskedQuestion, QuestionBlocks
from src.miniature.judge.replies import ScoreReplies

if TYPE_CHECKING:
    import torch
    from transformers import Qwen3VLProcessor

GROUP = 4
"""Successive steps that share out their blocks by length, so that little of a batch is padding."""
LONG_EVERY = 50
"""One of so many steps asks `LONG_BATCH` questions with a foreign, often long rubric: any prompt gets a score."""
LONG_BATCH = 4
MAP_SIDE = 8
"""Cells per side of the auxiliary maps of the whole picture."""
CLEAR = 24
"""Grey levels by which some channel of a pixel must differ to count in a map: more than an autoencoder's noise."""
CLEAR_PIXELS = 3
"""Such pixels in a cell of 8×8 that mark the cell, so that a small change is as plain a fact as a large one."""
DIFFERENCE_SCALE = 4.0
"""Brings mean colour differences (−1…1), which are mostly small, to the order of 1."""


Drawn = tuple[list[AskedQuestion], list[list[int]]]
"""Questions and the token ids of their prompts."""


@dataclass(frozen=True)
class JudgeBatch:
    """One training batch, on one device; `t` tokens are a prompt and its reply, padded on the right.

    Attributes:
        input_ids: int64 (batch, t).
        attention_mask: 1 for tokens, 0 for padding, int64 (batch, t).
        image_tokens: 1 at the pictures' tokens, int64 (batch, t).
        pixel_values: Patches of both pictures of each sample, (batch · 2 · 64, 384).
        positions: Where the reply's tokens are predicted: from the prompt's last token on, int64 (batch, length).
        reply: Wanted distribution over the symbols of replies at these positions, (batch, length, symbols).
        scores: The oracle's, (batch,).
        blocks: The block of each question, whose scores are compared with one another, int64 (batch,).
        differences: Colour differences of edit and source within each token of the edit, (batch, 16, 48).
        changes: 1 in each of such a token's cells where edit and source clearly differ, (batch, 16, 4).
        maps: 1 in cells where a change is demanded, where one was made, where target and edit differ: (batch, 3 · 64).
        demands: Mean colour difference of target and source in these cells, (batch, 3 · 64).
        has_maps: 1 where words and source belong together, so that the maps are defined, (batch, 1).
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    image_tokens: torch.Tensor
    pixel_values: torch.Tensor
    positions: torch.Tensor
    reply: torch.Tensor
    scores: torch.Tensor
    blocks: torch.Tensor
    differences: torch.Tensor
    changes: torch.Tensor
    maps: torch.Tensor
    demands: torch.Tensor
    has_maps: torch.Tensor


class JudgeBatchMaker:
    """Makes the batch of any step from `(seed, step)` alone.

    Args:
        pairs: What to ask about.
        processor: The judge's.
        size: Questions of a batch, a multiple of `BLOCK`.
        seed: Decides which questions a step asks, in which words.

    Raises:
        ValueError: `size` is not a multiple of `BLOCK`.
    """

    def __init__(self, pairs: JudgePairs, processor: Qwen3VLProcessor, size: int, seed: int) -> None:
        if size % BLOCK:
            raise ValueError(f"a batch of {size} questions cannot hold blocks of {BLOCK}; use a multiple")
        self.pairs, self.size, self.seed = pairs, size, seed
        self.replies = ScoreReplies(processor.tokenizer)
        self.prompts = JudgePrompts(processor)
        self._blocks = QuestionBlocks(pairs)
        self._pad_id = processor.tokenizer.pad_token_id
        self._image_id = processor.image_token_id
        self._group: tuple[int, list[Drawn]] | None = None

    def batch(self, step: int, device: torch.device) -> JudgeBatch:
        """The batch of `step`."""
        import torch

        asked, prompts = self.draw(step)
        scores = np.array([question.score for question in asked], np.float32)
        targets = self.pairs.targets[[question.about for question in asked]]
        wanted, sampled = self.replies.targets(scores, np.random.default_rng([self.seed, step, 1]))
        ids, mask = padded([[*prompt, *reply] for prompt, reply in zip(prompts, sampled, strict=True)], self._pad_id)
        source, edited = (np.stack([getattr(one, name) for one in asked]) for name in ("before", "after"))
        target = self.pairs.pictures[targets]
        starts = np.array([len(prompt) for prompt in prompts])[:, None] - 1
        batch = JudgeBatch(
            input_ids=torch.from_numpy(ids),
            attention_mask=torch.from_numpy(mask),
            image_tokens=torch.from_numpy((ids == self._image_id).astype(np.int64)),
            pixel_values=vision_patches(np.stack([source, edited], axis=1).reshape(-1, *source.shape[1:])),
            positions=torch.from_numpy(starts + np.arange(wanted.shape[1])),
            reply=torch.from_numpy(wanted),
            scores=torch.from_numpy(scores),
            blocks=torch.arange(len(asked)) // BLOCK,
            differences=torch.from_numpy(_differences(source, edited)),
            changes=torch.from_numpy(_by_token(_marked(source, edited)[..., None])),
            maps=torch.from_numpy(_maps(source, edited, target)),
            demands=torch.from_numpy(_colours(source, target, MAP_SIDE).reshape(len(asked), -1)),
            has_maps=torch.from_numpy(np.array([[question.matched] for question in asked], np.float32)),
        )
        return JudgeBatch(**{field.name: getattr(batch, field.name).to(device) for field in fields(batch)})

    def draw(self, step: int) -> Drawn:
        """The questions of `step`, block by block, and their prompts' token ids."""
        if step % LONG_EVERY == LONG_EVERY - 1:
            return self._long(np.random.default_rng([self.seed, step, 2]))
        if self._group is None or self._group[0] != step // GROUP:
            self._group = (step // GROUP, self._draw_group(step // GROUP))
        return self._group[1][step % GROUP]

    def _draw_group(self, group: int) -> list[Drawn]:
        rng = np.random.default_rng([self.seed, group, 0])
        blocks = [self._blocks.draw(rng) for _ in range(GROUP * self.size // BLOCK)]
        prompts = [self._prompts(block, [""] * BLOCK) for block in blocks]
        lengths = [max(len(prompt) for prompt in block) for block in prompts]
        shares = np.argsort(lengths, kind="stable").reshape(GROUP, -1)[rng.permutation(GROUP)]
        return [
            (
                [question for place in mine for question in blocks[place]],
                [prompt for place in mine for prompt in prompts[place]],
            )
            for mine in shares
        ]

    def _long(self, rng: np.random.Generator) -> Drawn:
        asked = self._blocks.draw(rng)[:LONG_BATCH]
        return asked, self._prompts(asked, [self.prompts.foreign_rubric(rng)] * len(asked))

    def _prompts(self, asked: list[AskedQuestion], rubrics: list[str]) -> list[list[int]]:
        return self.prompts.ids([one.sample for one in asked], [one.language for one in asked], rubrics)


def _colours(one: np.ndarray, other: np.ndarray, side: int) -> np.ndarray:
    """Mean colour differences of the cells of two pictures, `side` to a row: float32 (batch, side, side, 3)."""
    change = (other.astype(np.float32) - one) * (DIFFERENCE_SCALE / 255.0)
    width = one.shape[1] // side
    means: np.ndarray = change.reshape(len(one), side, width, side, width, 3).mean(axis=(2, 4))
    return means


def _differences(source: np.ndarray, edited: np.ndarray) -> np.ndarray:
    """Mean colour differences of 4×4 pixels, those of one token (16×16 pixels) together: float32 (batch, 16, 48)."""
    return _by_token(_colours(source, edited, 16))


def _by_token(cells: np.ndarray) -> np.ndarray:
    """Cells (batch, side, side, values) of a picture as (batch, 16, values of one token's cells)."""
    batch, side, _, values = cells.shape
    tokens = cells.reshape(batch, 4, side // 4, 4, side // 4, values).transpose(0, 1, 3, 2, 4, 5)
    return np.ascontiguousarray(tokens.reshape(batch, IMAGE_TOKENS, -1))


def _maps(source: np.ndarray, edited: np.ndarray, target: np.ndarray) -> np.ndarray:
    marked = [_marked(source, target), _marked(source, edited), _marked(edited, target)]
    return np.stack(marked, axis=1).reshape(len(source), -1)


def _marked(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Cells in which two pictures clearly differ: float32 (batch, `MAP_SIDE`, `MAP_SIDE`)."""
    clear = np.abs(one.astype(np.int16) - other).max(axis=3) > CLEAR
    width = one.shape[1] // MAP_SIDE
    counts = clear.reshape(len(one), MAP_SIDE, width, MAP_SIDE, width).sum(axis=(2, 4))
    marked: np.ndarray = (counts >= CLEAR_PIXELS).astype(np.float32)
    return marked
