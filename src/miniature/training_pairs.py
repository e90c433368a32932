"""The training set of the miniature editor: drawn once from the world's training seeds, kept in the work folder."""

from __future__ import annotations

import json
import logging
import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.miniature.benchmark import TRAINING_SEEDS
from src.miniature.edits import CATEGORIES, MiniatureEdit, make_edit

TEXTS = ("instruction_en", "instruction_zh", "explicit_en", "explicit_zh")
"""The four wordings kept of every edit, in the order of `TrainingPairs.texts`."""
EXPLICIT_SHARE = 0.55
"""How often training reads the explicit wording, which an editor must follow well before a rewriter can help it."""
_DIFFICULTY_CYCLE = ("easy", "medium", "easy", "hard", "medium", "easy", "medium", "easy", "hard", "easy")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingPairs:
    """Images and texts of `n` edits.

    Attributes:
        sources: uint8 (n, 64, 64, 3).
        targets: uint8 (n, 64, 64, 3).
        texts: For each edit its `TEXTS`.
    """

    sources: np.ndarray
    targets: np.ndarray
    texts: list[list[str]]

    def __len__(self) -> int:
        return len(self.texts)

    def images(self) -> np.ndarray:
        """All pictures, sources first: uint8 (2n, 64, 64, 3)."""
        return np.concatenate([self.sources, self.targets])

    def changed(self) -> np.ndarray:
        """Where source and target differ visibly, in the latents' resolution: bool (n, 16, 16)."""
        different = np.abs(self.sources.astype(np.int16) - self.targets).max(axis=3) > 8
        return different.reshape(len(self), 16, 4, 16, 4).any(axis=(2, 4))


def draw_training_edit(index: int) -> MiniatureEdit:
    """The `index`-th training edit: categories in turn, half of each easy, three in ten medium, two in ten hard."""
    difficulty = _DIFFICULTY_CYCLE[index // len(CATEGORIES) % len(_DIFFICULTY_CYCLE)]
    return make_edit(CATEGORIES[index % len(CATEGORIES)], difficulty, TRAINING_SEEDS.start + index)


def draw_pairs(count: int) -> TrainingPairs:
    """Draws the first `count` training edits, on all cores."""
    with multiprocessing.get_context("fork").Pool() as pool:
        edits = pool.imap(_picture_and_texts, range(count), chunksize=64)
        sources = np.empty((count, 64, 64, 3), np.uint8)
        targets = np.empty_like(sources)
        texts = []
        for index, (source, target, wordings) in enumerate(edits):
            sources[index], targets[index] = source, target
            texts.append(wordings)
    return TrainingPairs(sources, targets, texts)


def _picture_and_texts(index: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    edit = draw_training_edit(index)
    return edit.source, edit.target, [getattr(edit, name) for name in TEXTS]


def load_or_draw_pairs(folder: Path, count: int) -> TrainingPairs:
    """The pairs kept in `folder`; drawn and kept there when absent."""
    pictures, wordings = folder / "pairs.npz", folder / "texts.json"
    if not wordings.exists():
        pairs = draw_pairs(count)
        np.savez(pictures, sources=pairs.sources, targets=pairs.targets)
        wordings.write_text(json.dumps(pairs.texts, ensure_ascii=False), encoding="utf-8")
        logger.info("drew %d training pairs", count)
        return pairs
    with np.load(pictures) as stored:
        return TrainingPairs(stored["sources"], stored["targets"], json.loads(wordings.read_text(encoding="utf-8")))
