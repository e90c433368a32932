"""The training set of the miniature editor: drawn once from the world's training seeds, kept in the work folder.

It keeps pictures together with everything that can be asked of them: only where one picture comes with several wishes
and several results do the words have to be read.
"""

from __future__ import annotations

import functools
import json
import logging
import multiprocessing
import random
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from src.miniature.model_folder import written_whole
from src.miniature.world.benchmark import TRAINING_SEEDS
from src.miniature.world.edits import (
    CATEGORIES,
    DIFFICULTIES,
    MiniatureEdit,
    make_setting,
    setting_families,
    settings,
)
from src.miniature.world.split import HELD_OUT_FAMILIES, Wordings

TEXTS_PER_EDIT = 2 * len(DIFFICULTIES)
"""English and Chinese of each difficulty, easy first: the order of `TrainingPairs.texts`."""
FOREIGN_SETTINGS = frozenset(
    ("scale", "crossing", "litter", "flags", "lamps", "dominoes", "snowmen", "balloons", "lake")
)
"""Settings of whose things no picture of another category shows any: what is said of them means nothing there."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingPairs:
    """Pictures, their possible changes, and the texts that ask for them.

    Attributes:
        sources: uint8 (pictures, 64, 64, 3).
        targets: uint8 (edits, 64, 64, 3); the edits of one picture are neighbours.
        picture: Which source an edit changes, int64 (edits,).
        texts: For each edit its `TEXTS_PER_EDIT` wordings, of training families and in training wordings only.
        rules: For each edit its category, setting and family.
    """

    sources: np.ndarray
    targets: np.ndarray
    picture: np.ndarray
    texts: list[list[str]]
    rules: list[list[str]]

    def __len__(self) -> int:
        return len(self.texts)

    def images(self) -> np.ndarray:
        """All pictures, sources first: uint8 (pictures + edits, 64, 64, 3)."""
        return np.concatenate([self.sources, self.targets])

    def changed(self) -> np.ndarray:
        """Where source and target differ visibly, in the latents' resolution: bool (edits, 16, 16)."""
        different = np.abs(self.sources[self.picture].astype(np.int16) - self.targets).max(axis=3) > 8
        return different.reshape(len(self), 16, 4, 16, 4).any(axis=(2, 4))


@dataclass(frozen=True)
class _Drawn:
    """One picture with its changes, as a process of the pool hands it over."""

    source: np.ndarray
    targets: list[np.ndarray]
    texts: list[list[str]]
    rules: list[list[str]]


def draw_picture(
    seeds: range, index: int, wordings: Wordings = "training", held_out: bool = False
) -> tuple[tuple[MiniatureEdit, ...], ...]:
    """The `index`-th picture of a set: for each of its changes one edit for each difficulty, all of one family.

    Categories take turns, and within a category its settings.

    Args:
        seeds: The seeds of the pictures.
        index: Which of them.
        wordings: Which wordings are allowed.
        held_out: Whether the families are those that no model learns from. Changes that follow from none of them are
            left out then, and settings without any take no turn; every change follows from a family for training.
    """
    category = CATEGORIES[index % len(CATEGORIES)]
    offered = setting_families(category)
    names = [name for name in settings(category) if not (held_out and HELD_OUT_FAMILIES.isdisjoint(offered[name]))]
    name = names[index // len(CATEGORIES) % len(names)]
    told = [make_setting(category, name, seeds[index], difficulty, wordings) for difficulty in DIFFICULTIES]
    rng = random.Random(seeds[index])
    changes = []
    for _, places in groupby(range(len(told[0])), key=lambda place: told[0][place].target.tobytes()):
        if fitting := [place for place in places if told[0][place].held_out == held_out]:
            place = rng.choice(fitting)
            changes.append(tuple(edits[place] for edits in told))
    return tuple(changes)


def _drawn(seeds: range, index: int) -> _Drawn:
    changes = draw_picture(seeds, index)
    return _Drawn(
        source=changes[0][0].source,
        targets=[edits[0].target for edits in changes],
        texts=[[text for edit in edits for text in (edit.instruction_en, edit.instruction_zh)] for edits in changes],
        rules=[[edits[0].category, edits[0].setting, edits[0].family] for edits in changes],
    )


def draw_pairs(seeds: range, pictures: int) -> TrainingPairs:
    """Draws the first pictures of a set with all their changes, on all cores."""
    with multiprocessing.get_context("fork").Pool() as pool:
        drawn = list(pool.imap(functools.partial(_drawn, seeds), range(pictures), chunksize=16))
    return TrainingPairs(
        sources=np.stack([one.source for one in drawn]),
        targets=np.stack([target for one in drawn for target in one.targets]),
        picture=np.repeat(np.arange(pictures), [len(one.targets) for one in drawn]),
        texts=[texts for one in drawn for texts in one.texts],
        rules=[rules for one in drawn for rules in one.rules],
    )


def load_or_draw_pairs(folder: Path, pictures: int) -> TrainingPairs:
    """The pairs kept in `folder`; drawn and kept there when absent."""
    arrays, wordings = folder / "pairs.npz", folder / "wordings.json"
    if not wordings.exists():
        pairs = draw_pairs(TRAINING_SEEDS, pictures)
        np.savez(arrays, sources=pairs.sources, targets=pairs.targets, picture=pairs.picture)
        kept = {"texts": pairs.texts, "rules": pairs.rules}
        with written_whole(wordings) as partial:
            partial.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")
        logger.info("drew %d training pictures with %d edits", pictures, len(pairs))
        return pairs
    with np.load(arrays) as stored:
        kept = json.loads(wordings.read_text(encoding="utf-8"))
        return TrainingPairs(stored["sources"], stored["targets"], stored["picture"], kept["texts"], kept["rules"])
