"""Batches for the miniature judge: the very tokens and patches that `Qwen3VLRewardModel` makes of the same question."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from src.data.categories import ENGLISH
from src.data.image import LazyImage
from src.data.sample import EditSample
from src.miniature.editor.batches import IMAGE_TOKENS, padded, vision_patches
from src.miniature.judge.architecture import LANGUAGES
from src.miniature.judge.pairs import EDITOR_KINDS, WORDS, JudgePairs
from src.miniature.judge.replies import ScoreReplies
from src.models.vlm.prompts import Language, load_prompt
from src.models.vlm.question import before_and_after

if TYPE_CHECKING:
    import torch
    from transformers import Qwen3VLProcessor

SCORE_BINS = (0.05, 1.0, 2.5, 4.0, 5.5, 7.0, 8.5, 9.5)
"""Bounds between the bins of scores that share out a batch."""
BIN_SHARES = (0.25, 0.07, 0.08, 0.09, 0.10, 0.10, 0.11, 0.10, 0.10)
EDITOR_REPEATS = 3
"""How much more often than others an editor's own outputs are drawn: they are what the judge will see."""
EXPLICIT_SHARE = 0.4
DESCRIPTION_SHARE = 0.5
RATIONALE_SHARE = 0.5
GROUP = 4
"""Successive steps that share out their rows by length, so that little of a batch is padding."""
MAP_SIDE = 8
"""Cells per side of the auxiliary maps of the whole picture."""
CLEAR = 24
"""Grey levels by which some channel of a pixel must differ to count in a map: more than an autoencoder's noise."""
CLEAR_PIXELS = 3
"""Such pixels in a cell of 8×8 that mark the cell, so that a small change is as plain a fact as a large one."""
DIFFERENCE_SCALE = 4.0
"""Brings mean colour differences (−1…1), which are mostly small, to the order of 1."""


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
        differences: Colour differences of edit and source within each token of the edit, (batch, 16, 48).
        changes: 1 in each of such a token's cells where edit and source clearly differ, (batch, 16, 4).
        maps: 1 in cells where a change is demanded, where one was made, where target and edit differ: (batch, 3 · 64).
        has_maps: 1 where words and source belong together, so that the maps are defined, (batch, 1).
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    image_tokens: torch.Tensor
    pixel_values: torch.Tensor
    positions: torch.Tensor
    reply: torch.Tensor
    scores: torch.Tensor
    differences: torch.Tensor
    changes: torch.Tensor
    maps: torch.Tensor
    has_maps: torch.Tensor


class JudgePrompts:
    """Token ids of questions, through `CategoryScorer`'s prompts and the judge's chat template."""

    def __init__(self, processor: Qwen3VLProcessor) -> None:
        self._processor = processor
        self._blank = Image.new("RGB", (1, 1))

    def ids(self, samples: list[EditSample], languages: list[Language]) -> list[list[int]]:
        """The prompts of `samples`, each in its language, up to where the reply begins."""
        texts = [self._chat(sample, language) for sample, language in zip(samples, languages, strict=True)]
        ids: list[list[int]] = self._processor.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return ids

    def _chat(self, sample: EditSample, language: Language) -> str:
        system, user = load_prompt("category", ENGLISH[sample.category], language).render(
            original_description=sample.description,
            edit_instruction=sample.instruction,
            rationale=sample.rationale,
            reference=False,
        )
        content: list[dict[str, str]] = []
        for shown in before_and_after(self._blank, self._blank, language):
            content += [{"type": "text", "text": shown.label}, {"type": "image"}]
        content.append({"type": "text", "text": user})
        chat = self._processor.tokenizer.apply_chat_template(
            [
                {"role": "system", "content": [{"type": "text", "text": system}]},
                {"role": "user", "content": content},
            ],
            chat_template=self._processor.chat_template,
            add_generation_prompt=True,
            tokenize=False,
        )
        return str(chat).replace("<|image_pad|>", "<|image_pad|>" * IMAGE_TOKENS)


class JudgeBatchMaker:
    """Makes the batch of any step from `(seed, step)` alone.

    Args:
        pairs: The rows to draw from.
        processor: The judge's.
        size: Rows of a batch.
        seed: Decides which rows a step sees, in which words.
    """

    def __init__(self, pairs: JudgePairs, processor: Qwen3VLProcessor, size: int, seed: int) -> None:
        self.pairs, self.size, self.seed = pairs, size, seed
        self.replies = ScoreReplies(processor.tokenizer)
        self.prompts = JudgePrompts(processor)
        self._pad_id = processor.tokenizer.pad_token_id
        self._image_id = processor.image_token_id
        repeats = np.where(np.isin(pairs.kinds, EDITOR_KINDS), EDITOR_REPEATS, 1)
        bins = np.digitize(pairs.scores, SCORE_BINS)
        self._bins = [
            np.repeat(np.flatnonzero(bins == place), repeats[bins == place]) for place in range(len(BIN_SHARES))
        ]
        shares = np.array(BIN_SHARES) * [len(rows) > 0 for rows in self._bins]
        self._shares = shares / shares.sum()
        self._shown_by = np.full(len(pairs.pictures), -1)  # the edit whose source a picture is
        self._shown_by[pairs.sources] = np.arange(len(pairs.sources))
        self._group: tuple[int, list[tuple[np.ndarray, list[list[int]]]]] | None = None

    def batch(self, step: int, device: torch.device) -> JudgeBatch:
        """The batch of `step`."""
        import torch

        rows, prompts = self.draw(step)
        scores = self.pairs.scores[rows]
        about, before, after = self.pairs.rows[rows].T
        wanted, sampled = self.replies.targets(scores, np.random.default_rng([self.seed, step, 1]))
        ids, mask = padded([[*prompt, *reply] for prompt, reply in zip(prompts, sampled, strict=True)], self._pad_id)
        pictures = self.pairs.pictures
        source, edited, target = pictures[before], pictures[after], pictures[self.pairs.targets[about]]
        starts = np.array([len(prompt) for prompt in prompts])[:, None] - 1
        batch = JudgeBatch(
            input_ids=torch.from_numpy(ids),
            attention_mask=torch.from_numpy(mask),
            image_tokens=torch.from_numpy((ids == self._image_id).astype(np.int64)),
            pixel_values=vision_patches(np.stack([source, edited], axis=1).reshape(-1, *source.shape[1:])),
            positions=torch.from_numpy(starts + np.arange(wanted.shape[1])),
            reply=torch.from_numpy(wanted),
            scores=torch.from_numpy(scores),
            differences=torch.from_numpy(_differences(source, edited)),
            changes=torch.from_numpy(_by_token(_marked(source, edited)[..., None])),
            maps=torch.from_numpy(_maps(source, edited, target)),
            has_maps=torch.from_numpy((self.pairs.sources[about] == before).astype(np.float32)[:, None]),
        )
        return JudgeBatch(**{field.name: getattr(batch, field.name).to(device) for field in fields(batch)})

    def draw(self, step: int) -> tuple[np.ndarray, list[list[int]]]:
        """The rows of `step`, as indices, and their prompts' token ids."""
        if self._group is None or self._group[0] != step // GROUP:
            self._group = (step // GROUP, self._draw_group(step // GROUP))
        return self._group[1][step % GROUP]

    def _draw_group(self, group: int) -> list[tuple[np.ndarray, list[list[int]]]]:
        rng = np.random.default_rng([self.seed, group, 0])
        bins = rng.choice(len(self._bins), size=GROUP * self.size, p=self._shares)
        rows = np.array([rng.choice(self._bins[place]) for place in bins])
        languages = [LANGUAGES[place] for place in rng.integers(2, size=len(rows))]
        samples = [self.sample(rng, row, language) for row, language in zip(rows, languages, strict=True)]
        prompts = self.prompts.ids(samples, languages)
        buckets = np.argsort([len(prompt) for prompt in prompts], kind="stable").reshape(GROUP, self.size)
        return [(rows[mine], [prompts[place] for place in mine]) for mine in buckets[rng.permutation(GROUP)]]

    def sample(self, rng: np.random.Generator, row: int, language: Language) -> EditSample:
        """The words of a row, in one of the ways that training varies: wording, description and rationale."""
        about, before, _ = self.pairs.rows[row]
        described = about
        if self._shown_by[before] >= 0 and rng.random() < 0.5:
            described = self._shown_by[before]  # of wrong questions, one half fits the picture up to the instruction
        explicit, has_description, has_rationale = rng.random(3) < (EXPLICIT_SHARE, DESCRIPTION_SHARE, RATIONALE_SHARE)
        return as_sample(
            self.pairs.rules[about][0],
            self._words(about, "explicit" if explicit else "instruction", language),
            self._words(described, "description", language) if has_description else "",
            self._words(about, "rationale", language) if has_rationale else None,
        )

    def _words(self, edit: int, name: str, language: Language) -> str:
        return self.pairs.words[edit][WORDS.index(f"{name}_{language}")]


def as_sample(category: str, instruction: str, description: str, rationale: str | None) -> EditSample:
    """A sample as scorers get it; its pictures are passed beside it."""
    return EditSample(
        sample_id="miniature",
        index=0,
        category=category,
        instruction=instruction,
        description=description,
        source=LazyImage(base64_text=""),
        rationale=rationale,
    )


def _differences(source: np.ndarray, edited: np.ndarray) -> np.ndarray:
    """Mean colour differences of 4×4 pixels, those of one token (16×16 pixels) together: float32 (batch, 16, 48)."""
    change = (edited.astype(np.float32) - source) * (DIFFERENCE_SCALE / 255.0)
    return _by_token(change.reshape(len(change), 16, 4, 16, 4, 3).mean(axis=(2, 4)))


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
