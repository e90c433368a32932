"""Edited pictures of every quality, made from one edit's source and target: what the miniature judge learns to tell."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

VISIBLE = 8
"""Grey levels by which some channel of a pixel must differ to belong to a change."""


@dataclass(frozen=True)
class Scene:
    """The pictures that candidates are made from, uint8 (64, 64, 3) each.

    Attributes:
        source: Before the edit.
        target: The exact result.
        sibling: The exact result of another change of the same picture.
        donor_source: Source of an edit of another picture of the same category.
        donor_target: Its target.
    """

    source: np.ndarray
    target: np.ndarray
    sibling: np.ndarray
    donor_source: np.ndarray
    donor_target: np.ndarray


Maker = Callable[[np.random.Generator, Scene], np.ndarray]
"""Makes one candidate, uint8 (64, 64, 3)."""


def noisy(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """The target with the small deviations of a good editor: noise and a shift of the colours."""
    shift = rng.uniform(-6.0, 6.0, 3)
    return _rounded(scene.target + shift + rng.normal(0.0, rng.uniform(0.0, 5.0), scene.target.shape))


def untouched(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """The source with slight noise: an editor that did nothing."""
    return _rounded(scene.source + rng.normal(0.0, rng.uniform(0.0, 5.0), scene.source.shape))


def partial(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """The source with some connected parts of the change; a change of one part is cut in two."""
    from scipy import ndimage

    labels, count = ndimage.label(changed(scene.source, scene.target), structure=np.ones((3, 3)))
    if count > 1:
        kept = np.isin(labels, 1 + np.flatnonzero(rng.random(count) < 0.5))
    else:
        kept = labels > 0
        rows, columns = np.nonzero(kept)
        if rng.random() < 0.5:
            kept &= np.arange(64)[:, None] <= rng.choice(rows)
        else:
            kept &= np.arange(64)[None, :] <= rng.choice(columns)
    return _pasted(scene.source, scene.target, ndimage.binary_dilation(kept))


def weak(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """A mixture of source and target: the change at reduced strength."""
    share = rng.uniform(0.05, 0.95)
    return _rounded((1.0 - share) * scene.source + share * scene.target.astype(float))


def wrong_colour(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """The target with the colours of the change altered."""
    order = rng.permutation(3)
    altered = 255 - scene.target if rng.random() < 0.3 else scene.target[:, :, order]
    return _pasted(scene.target, altered, changed(scene.source, scene.target))


def wrong_place(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """The change carried out elsewhere."""
    offset = tuple(int(step) for step in rng.integers(-24, 25, 2))
    moved = np.roll(scene.target, offset, axis=(0, 1))
    return _pasted(scene.source, moved, np.roll(changed(scene.source, scene.target), offset, axis=(0, 1)))


def other_change(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """Another change of the picture than the one that was asked for, well made or at reduced strength."""
    share = 1.0 if rng.random() < 0.7 else rng.uniform(0.3, 1.0)
    return _rounded((1.0 - share) * scene.source + share * scene.sibling.astype(float))


def extra_change(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """The target with a change that nobody asked for: another one of the picture, of another picture, or a blot."""
    kind = rng.random()
    if kind < 0.5:
        return _pasted(scene.target, scene.sibling, changed(scene.source, scene.sibling))
    if kind < 0.75:
        return _pasted(scene.target, scene.donor_target, changed(scene.donor_source, scene.donor_target))
    return _erased(rng, scene.target, int(rng.integers(6, 24)))


def damaged(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """The target blurred, compressed, noisy, tinted or with a block missing, at any strength."""
    strength = rng.uniform(0.1, 1.0)
    kind = rng.integers(5)
    if kind == 0:
        return blurred(scene.target, 4.0 * strength)
    if kind == 1:
        return compressed(scene.target, int(40 - 38 * strength))
    if kind == 2:
        return _rounded(scene.target + rng.normal(0.0, 70.0 * strength, scene.target.shape))
    if kind == 3:
        return _rounded(scene.target + strength * rng.uniform(-90.0, 90.0, 3))
    return _erased(rng, scene.target, int(8 + 40 * strength))


def foreign(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """A picture of another scene."""
    return scene.donor_target


MAKERS: dict[str, tuple[Maker, float]] = {
    "noisy": (noisy, 0.10),
    "untouched": (untouched, 0.03),
    "partial": (partial, 0.20),
    "weak": (weak, 0.12),
    "wrong colour": (wrong_colour, 0.11),
    "wrong place": (wrong_place, 0.08),
    "other change": (other_change, 0.04),
    "extra change": (extra_change, 0.16),
    "damaged": (damaged, 0.14),
    "foreign": (foreign, 0.02),
}
"""The kinds of made-up candidates, each with its share."""


def make_candidates(rng: np.random.Generator, scene: Scene, count: int) -> list[tuple[str, np.ndarray]]:
    """Makes `count` candidates of random kinds: pairs of kind and picture."""
    kinds = rng.choice(list(MAKERS), size=count, p=[share for _, share in MAKERS.values()])
    return [(str(kind), MAKERS[str(kind)][0](rng, scene)) for kind in kinds]


def mended(rng: np.random.Generator, output: np.ndarray, target: np.ndarray) -> np.ndarray:
    """An editor's output brought closer to the target: as a whole, or only left, right, above or below some line."""
    share = rng.uniform(0.2, 1.0)
    better = _rounded((1.0 - share) * output + share * target.astype(float))
    axis, line = rng.integers(3), rng.integers(12, 52)
    if axis == 2:
        return better
    before = np.arange(64) < line if rng.random() < 0.5 else np.arange(64) >= line
    return _pasted(output, better, np.broadcast_to(before[:, None] if axis else before[None, :], (64, 64)))


def unseen(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """The picture with a difference that nobody sees: single grey levels, or a JPEG round trip at quality 95."""
    kind = rng.integers(3)
    if kind == 0:
        return compressed(picture, 95)
    if kind == 1:
        return _rounded(picture + rng.integers(-2, 3, 3).astype(float))
    return _rounded(picture + rng.integers(-2, 3, picture.shape).astype(float))


def blurred(picture: np.ndarray, radius: float) -> np.ndarray:
    """A Gaussian blur of `radius` pixels."""
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


def compressed(picture: np.ndarray, quality: int) -> np.ndarray:
    """The picture after a JPEG round trip at `quality` 1–95."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=max(1, quality))
    return np.asarray(Image.open(buffer).convert("RGB"))


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where two pictures differ visibly: bool (64, 64)."""
    different: np.ndarray = np.abs(before.astype(np.int16) - after).max(axis=2) > VISIBLE
    return different


def _pasted(ground: np.ndarray, patch: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.where(where[:, :, None], patch, ground)


def _erased(rng: np.random.Generator, picture: np.ndarray, side: int) -> np.ndarray:
    """The picture with a square in one colour, grey or taken from the picture itself."""
    left, top = rng.integers(0, 64 - side, 2)
    x, y = rng.integers(0, 64, 2)
    result = picture.copy()
    result[top : top + side, left : left + side] = 128 if rng.random() < 0.3 else picture[y, x]
    return result


def _rounded(values: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.rint(values).clip(0, 255).astype(np.uint8)
    return rounded
