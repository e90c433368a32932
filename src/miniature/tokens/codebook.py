"""The codebook of the miniature VQ-VAE: principal directions of cells, and k-means over what they leave of a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.pairs import TrainingPairs
from src.miniature.tokens.picture_tokens import CELL

if TYPE_CHECKING:
    import torch

VALUES = 32
"""How many values the encoder keeps of a cell, and before that of a quarter of one."""
CHANGED_SHARE = 0.75
"""Share of the cells learned from that an edit changes: a codebook of all cells knows the sky and no small figure."""
_GRID = 0.1
"""Cells nearer than this are one and the same when the first codes are chosen."""


def draw_cells(pairs: TrainingPairs, count: int, seed: int) -> np.ndarray:
    """Cells of the targets, most of them changed: float32 (count, 8, 8, 3) in −1…1."""
    rng = np.random.default_rng([seed, 0])
    edits = rng.choice(len(pairs), min(len(pairs), count // 8), replace=False)
    targets, sources = as_cells(pairs.targets[edits]), as_cells(pairs.sources[pairs.picture[edits]])
    changed = np.flatnonzero((np.abs(targets.astype(np.int16) - sources) > 8).any(axis=(1, 2, 3)))
    most = rng.choice(changed, int(CHANGED_SHARE * count))
    rest = rng.integers(len(targets), size=count - len(most))
    return targets[np.concatenate([most, rest])].astype(np.float32) / 127.5 - 1.0


def as_cells(images: np.ndarray) -> np.ndarray:
    """Pictures (n, 64, 64, 3) as cells, row by row: (n · 64, 8, 8, 3)."""
    count, height, width, _ = images.shape
    tiles = images.reshape(count, height // CELL, CELL, width // CELL, CELL, 3).swapaxes(2, 3)
    return tiles.reshape(-1, CELL, CELL, 3)


def linear_maps(cells: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """The two maps of `set_linear_encoder`: principal directions of quarters of cells, then of whole cells."""
    quarters = _quarters(cells)
    first = _directions(quarters)
    second = _directions((quarters @ first.T).reshape(len(cells), -1))
    return first, second


def values_of(cells: np.ndarray, quarters: torch.Tensor, wholes: torch.Tensor) -> torch.Tensor:
    """What the encoder keeps of cells by the maps of `linear_maps`: float32 (n, 32)."""
    return (_quarters(cells) @ quarters.T).reshape(len(cells), -1) @ wholes.T


def _quarters(cells: np.ndarray) -> torch.Tensor:
    """Cells (n, 8, 8, 3) as quarters, row by row: (4 · n, 48)."""
    import torch

    half = CELL // 2
    tiles = torch.from_numpy(cells).reshape(-1, 2, half, 2, half, 3).transpose(2, 3)
    return tiles.reshape(-1, 3 * half * half)


def _directions(values: torch.Tensor) -> torch.Tensor:
    """The first principal directions of `values` (n, width), in rows."""
    import torch

    centred = values - values.mean(0)
    return torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -VALUES:].T.contiguous()


def k_means(values: torch.Tensor, codes: int, rounds: int, seed: int) -> torch.Tensor:
    """Centres of `values` (n, width): (codes, width).

    The first centres are different values, each drawn by the root of its frequency: rare shapes get codes as well. A
    centre that loses all its values moves to a random one.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    different, counts = torch.unique((values / _GRID).round().to(torch.int16), dim=0, return_counts=True)
    codes_drawn = torch.multinomial(counts.float().sqrt(), codes, len(different) < codes, generator=generator)
    centres = different[codes_drawn].float() * _GRID
    for _ in range(rounds):
        nearest = nearest_codes(values, centres)
        sizes = torch.bincount(nearest, minlength=codes)[:, None]
        means = torch.zeros_like(centres).index_add_(0, nearest, values) / sizes.clip(1)
        others = values[torch.randint(len(values), (codes,), generator=generator)]
        centres = torch.where(sizes > 0, means, others)
    return centres


def nearest_codes(values: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """The nearest of `centres` to each of `values`."""
    import torch

    lengths = centres.square().sum(1)
    return torch.cat([(lengths - 2.0 * part @ centres.T).argmin(1) for part in values.split(8192)])
