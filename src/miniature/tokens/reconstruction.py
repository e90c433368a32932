"""What the tokenizer of a miniature token editor leaves of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from src.miniature.editor.pairs import TrainingPairs
from src.miniature.model_card import markdown_table
from src.miniature.tokens.codebook import as_cells
from src.miniature.world.edits import CATEGORIES
from src.models.diffusion.implementations.token_edit import TokenEditModel
from src.models.reward.reference_formula import compare_with_reference
from src.reporting.statistics import mean_interval

ALL = "**all**"


@dataclass(frozen=True)
class TokenEditor:
    """A miniature token editor, run by the class that runs any token editor."""

    model: TokenEditModel

    def edit(self, pictures: Sequence[np.ndarray], instructions: Sequence[str]) -> Sequence[np.ndarray]:
        """Edits each picture by its instruction, seed 0 for all."""
        images = [Image.fromarray(picture) for picture in pictures]
        return [np.asarray(image) for image in self.model.batch_edit(images, list(instructions))]

    def round_trips(self, pictures: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Sends pictures through the tokenizer."""
        codec = self.model.codec
        return [np.asarray(codec.decode(codec.encode(Image.fromarray(picture)))) for picture in pictures]

    def codes(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """The codes of pictures: int64 (n, rows, columns)."""
        return np.array([self.model.codec.encode(Image.fromarray(picture)) for picture in pictures])


def reconstruction_table(editor: TokenEditor, pairs: TrainingPairs) -> str:
    """What is left of the targets of `pairs`, by category, as a Markdown table.

    Decibels, the mean reference score, and the share of the cells with unchanged pixels whose code is unchanged.
    """
    passed = np.stack(editor.round_trips(list(pairs.targets)))
    sources = pairs.sources[pairs.picture]
    alike = _alike(pairs, sources)
    kept = editor.codes(list(sources)) == editor.codes(list(pairs.targets))
    scores = [compare_with_reference(*images).score for images in zip(sources, passed, pairs.targets, strict=True)]
    categories = np.array([category for category, _, _ in pairs.rules])
    rows = []
    for category in (*CATEGORIES, ALL):
        chosen = np.flatnonzero((categories == category) | (category == ALL))
        error = np.square(passed[chosen].astype(np.float64) - pairs.targets[chosen]).mean()
        same = kept[chosen][alike[chosen]].mean()
        decibels = 10.0 * np.log10(255.0**2 / error)
        score = with_interval([scores[place] for place in chosen], pairs.picture[chosen].tolist())
        rows.append([category, str(len(chosen)), f"{decibels:.1f}", score, f"{same:.1%}"])
    return markdown_table(("category", "edits", "dB", "round trip", "kept"), rows)


def _alike(pairs: TrainingPairs, sources: np.ndarray) -> np.ndarray:
    """Which cells of a picture an edit leaves alone in every pixel: bool (edits, rows, columns)."""
    same = (as_cells(sources) == as_cells(pairs.targets)).all(axis=(1, 2, 3))
    side = int((len(same) / len(sources)) ** 0.5)
    alike: np.ndarray = same.reshape(len(sources), side, side)
    return alike


def with_interval(scores: Sequence[float], clusters: Sequence[int] | None = None) -> str:
    """A mean of reference scores with its 95 % interval, as a cell of a table; a dash where there are none."""
    if not scores:
        return "–"
    interval = mean_interval(scores, range(len(scores)) if clusters is None else clusters, (0.0, 10.0))
    ends = "" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]"
    return f"{np.mean(scores):.2f}{ends}"
