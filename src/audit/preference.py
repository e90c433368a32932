"""How reliably one of two scores is the higher one, over samples."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from src.reporting.statistics import Z95


def preference(differences: Sequence[float], clusters: Sequence[Hashable]) -> tuple[float, tuple[float, float]]:
    """The share of positive differences, ties counted half (the probability of superiority), with a 95 % interval.

    The share is (1 + p₊ − p₋) / 2 of the paired proportions p₊ and p₋, so its interval is that of their difference: the
    adjusted Wald interval of Bonett and Price (Journal of Educational and Behavioral Statistics 37, 2012), which adds
    one difference of either sign. Hence it has a width where all samples agree, and ties narrow it: a scorer that
    cannot tell two pictures apart is found out sooner than one that guesses. Where samples share a source picture,
    the counts are scaled down to the number of sources, which is the cautious end of what the dependence can cost.

    Args:
        differences: At least one, finite.
        clusters: The source picture of each.

    Returns:
        The share, 0–1, and the interval's two ends, within 0–1.
    """
    total = len(differences)
    positive = sum(difference > 0 for difference in differences) / total
    negative = sum(difference < 0 for difference in differences) / total
    count = len(set(clusters))
    adjusted_positive, adjusted_negative = ((count * share + 1) / (count + 2) for share in (positive, negative))
    middle = adjusted_positive - adjusted_negative
    half = Z95 * math.sqrt((adjusted_positive + adjusted_negative - middle**2) / (count + 2))
    low, high = max(-1.0, middle - half), min(1.0, middle + half)
    return (1 + positive - negative) / 2, ((1 + low) / 2, (1 + high) / 2)
