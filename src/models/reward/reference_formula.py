"""How close an edited image comes to a known exact result, without any model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CHANGE_THRESHOLD = 8
"""A pixel belongs to the change when a channel differs by more than this many of 255 grey levels."""
SMALLEST_COMPONENT = 4
"""Connected components with fewer pixels are judged together, as one."""
UNSEEN_DAMAGE = 16
"""Changes of up to this many grey levels in pixels that should stay are forgiven: autoencoders leave such noise."""
TOLERATED_DAMAGE = (0.02, 0.10)
"""Bounds of the mean damage (0–1) of the pixels that should stay at which `preservation` reaches zero."""


@dataclass(frozen=True, slots=True)
class ReferenceComparison:
    """The result of `compare_with_reference`.

    Attributes:
        score: `10 × change × preservation`, 0–10.
        change: How much of the demanded change was made, 0–1.
        preservation: How well everything else was left alone, 0–1.
    """

    score: float
    change: float
    preservation: float


def compare_with_reference(source: np.ndarray, edited: np.ndarray, reference: np.ndarray) -> ReferenceComparison:
    """Scores an edit against the exact result: 0 for the untouched source, 10 for the reference itself.

    With absolute differences summed over the channels:

    - The *changed* pixels M are those where a channel of |reference − source| exceeds `CHANGE_THRESHOLD`.
    - M falls into 8-connected components; those under `SMALLEST_COMPONENT` pixels form one component together.
    - `progress` of a component = clip(1 − Σ|edited − reference| / Σ|source − reference|, 0, 1) over its pixels.
    - `change` = mean progress over the components, so that a small change counts as much as a large one.
    - `damage` = mean of max(0, |edited − source| − `UNSEEN_DAMAGE`) / 255 over the pixels outside M, grown by one pixel
      to forgive soft edges; |·| is the mean over the channels here.
    - `demand` = Σ|reference − source| / 255 over M, divided by the number of those outside pixels: what the demanded
      change would cost as damage, so that removing two objects for one leaves nothing of the score.
    - `preservation` = max(0, 1 − damage / demand), with demand kept within `TOLERATED_DAMAGE`; 1 if nothing is outside.
    - `score` = 10 × change × preservation.

    The formula is this project's own.

    Args:
        source: The image before the edit, uint8 (height, width, 3).
        edited: The editor's output, same shape.
        reference: The exact result, same shape.

    Raises:
        ValueError: The arrays differ in shape or type, or source and reference are the same picture.
    """
    _check_images(source, edited, reference)
    before, after, wanted = (image.astype(np.int32) for image in (source, edited, reference))
    changed = np.abs(wanted - before).max(axis=2) > CHANGE_THRESHOLD
    if not changed.any():
        raise ValueError("source and reference show no difference, so progress towards the reference is undefined")
    change = _mean_progress(changed, np.abs(after - wanted).sum(axis=2), np.abs(before - wanted).sum(axis=2))
    preservation = _preservation(changed, np.abs(after - before).mean(axis=2), np.abs(wanted - before).mean(axis=2))
    return ReferenceComparison(score=10.0 * change * preservation, change=change, preservation=preservation)


def _check_images(*images: np.ndarray) -> None:
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape != images[0].shape or image.shape[2] != 3:
            raise ValueError(
                "expected three uint8 images of one (height, width, 3) shape, got "
                + ", ".join(f"{image.dtype} {image.shape}" for image in images)
            )


def _mean_progress(changed: np.ndarray, remaining: np.ndarray, demanded: np.ndarray) -> float:
    from scipy import ndimage

    labels, count = ndimage.label(changed, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    remainder = count + 1
    renamed = np.where(sizes < SMALLEST_COMPONENT, remainder, np.arange(count + 1))
    renamed[0] = 0
    labels = renamed[labels]
    components = np.unique(labels[changed])
    left = ndimage.sum_labels(remaining, labels, components)
    full = ndimage.sum_labels(demanded, labels, components)
    return float(np.clip(1.0 - left / full, 0.0, 1.0).mean())


def _preservation(changed: np.ndarray, difference: np.ndarray, demanded: np.ndarray) -> float:
    from scipy import ndimage

    outside = ~ndimage.binary_dilation(changed, structure=np.ones((3, 3)))
    if not outside.any():
        return 1.0
    damage = np.maximum(0.0, difference[outside] - UNSEEN_DAMAGE).mean() / 255.0
    demand = demanded[changed].sum() / outside.sum() / 255.0
    return float(max(0.0, 1.0 - damage / np.clip(demand, *TOLERATED_DAMAGE)))
