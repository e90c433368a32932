"""The training set of the miniature editor: drawn once from the world's training seeds, kept in the work folder."""

from __future__ import annotations

import functools
import json
import logging
import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.miniature.world.benchmark import TRAINING_SEEDS
from src.miniature.world.edits import CATEGORIES, MiniatureEdit, make_edit

TEXTS = ("instruction_en", "instruction_zh", "explicit_en", "explicit_zh")
"""The four wordings kept of every edit, in the order of `TrainingPairs.texts`."""
EXPLICIT_SHARE = 0.55
"""How often training reads the explicit wording, which an editor must follow well before a rewriter can help it."""
UNTAUGHT_IMPLICIT = frozenset(
    (
        *("recolour_over_water", "release_on_slope"),
        *("make_sunset", "make_snow"),
        *("sort_litter", "flag_half_mast"),
        *("cut_rope", "melt_snowman"),
    )
)
"""Rules whose hard wordings training reads only where they mean nothing. The editor knows these edits only by what
there is to draw: a rewriter that finds the explicit wording for an implicit one has something to gain."""
UNTAUGHT_REPEATS = 5
"""How much more often than others these wordings are taken for pictures that they do not fit."""
UNRELATED_SHARE = 0.25
"""How often training pairs a picture with an instruction about things that it does not show, and no change: most scenes
suggest their edit so strongly that an editor would else not read the instruction at all."""
UNRELATED_RULES = frozenset(
    (
        *("remove_support", "release_on_slope", "tip_scale"),
        *("traffic_lights", "sort_litter", "queue_jumper", "flag_half_mast"),
        *("cut_balloon_string", "cut_rope", "push_domino", "melt_snowman", "switch_lamp"),
    )
)
"""Rules that mean nothing in the scenes of any other category."""
_DIFFICULTY_CYCLE = ("easy", "medium", "easy", "hard", "medium", "easy", "medium", "easy", "hard", "easy")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingPairs:
    """Images and texts of `n` edits.

    Attributes:
        sources: uint8 (n, 64, 64, 3).
        targets: uint8 (n, 64, 64, 3).
        texts: For each edit its `TEXTS`.
        rules: For each edit its category, family and difficulty.
    """

    sources: np.ndarray
    targets: np.ndarray
    texts: list[list[str]]
    rules: list[list[str]]

    def __len__(self) -> int:
        return len(self.texts)

    def images(self) -> np.ndarray:
        """All pictures, sources first: uint8 (2n, 64, 64, 3)."""
        return np.concatenate([self.sources, self.targets])

    def changed(self) -> np.ndarray:
        """Where source and target differ visibly, in the latents' resolution: bool (n, 16, 16)."""
        different = np.abs(self.sources.astype(np.int16) - self.targets).max(axis=3) > 8
        return different.reshape(len(self), 16, 4, 16, 4).any(axis=(2, 4))


def draw_edit(seeds: range, index: int) -> MiniatureEdit:
    """The `index`-th edit of a set: categories in turn, half of each easy, three in ten medium, two in ten hard."""
    difficulty = _DIFFICULTY_CYCLE[index // len(CATEGORIES) % len(_DIFFICULTY_CYCLE)]
    return make_edit(CATEGORIES[index % len(CATEGORIES)], difficulty, seeds[index])


def draw_pairs(seeds: range, count: int) -> TrainingPairs:
    """Draws the first `count` edits of a set, on all cores."""
    with multiprocessing.get_context("fork").Pool() as pool:
        edits = pool.imap(functools.partial(draw_edit, seeds), range(count), chunksize=64)
        sources = np.empty((count, 64, 64, 3), np.uint8)
        targets = np.empty_like(sources)
        texts, rules = [], []
        for index, edit in enumerate(edits):
            sources[index], targets[index] = edit.source, edit.target
            texts.append([getattr(edit, name) for name in TEXTS])
            rules.append([edit.category, edit.family, edit.difficulty])
    return TrainingPairs(sources, targets, texts, rules)


def load_or_draw_pairs(folder: Path, count: int) -> TrainingPairs:
    """The pairs kept in `folder`; drawn and kept there when absent."""
    pictures, wordings = folder / "pairs.npz", folder / "wordings.json"
    if not wordings.exists():
        pairs = draw_pairs(TRAINING_SEEDS, count)
        np.savez(pictures, sources=pairs.sources, targets=pairs.targets)
        kept = {"texts": pairs.texts, "rules": pairs.rules}
        wordings.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")
        logger.info("drew %d training pairs", count)
        return pairs
    with np.load(pictures) as stored:
        kept = json.loads(wordings.read_text(encoding="utf-8"))
        return TrainingPairs(stored["sources"], stored["targets"], kept["texts"], kept["rules"])
