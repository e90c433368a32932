"""The map from rewards to scores, by two anchors: unedited sources and chosen edits of training pairs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from src.models.reward.trained_preference import ScoreMap

UNEDITED, CHOSEN = 2.0, 8.0
"""The scores that the mean reward of unedited sources and that of chosen edits become."""
MOST_ANCHORS = 200
"""Training pairs by which the map is fitted."""


def fit_score_map(
    chosen: Sequence[float], rejected: Sequence[float], unedited: Sequence[float]
) -> tuple[ScoreMap, str]:
    """Fits the map, and says by what.

    The mean reward of the unedited sources becomes `UNEDITED`, that of the chosen edits `CHOSEN`. Where the judge
    prefers the unedited source on average, that would be a falling map: then the mean of all rewards becomes 5, and one
    standard deviation above it 10 · sigmoid(1).

    Args:
        chosen: Rewards of the chosen edits of training pairs.
        rejected: Those of the rejected ones.
        unedited: Those of the sources, judged as if they were edits.
    """
    low, high = statistics.fmean(unedited), statistics.fmean(chosen)
    if high > low:
        steps = math.log(CHOSEN / (10 - CHOSEN)) - math.log(UNEDITED / (10 - UNEDITED))
        scale = steps / (high - low)
        offset = low - math.log(UNEDITED / (10 - UNEDITED)) / scale
        how = f"unedited sources have {UNEDITED:g} on average of their rewards, chosen edits {CHOSEN:g}"
        return ScoreMap(offset=offset, scale=scale), how
    every = [*chosen, *rejected]
    spread = statistics.pstdev(every) or 1.0
    how = (
        "the judge gives unedited sources a higher reward than chosen edits on average, so they are no anchor: the "
        "mean reward of edits has 5"
    )
    return ScoreMap(offset=statistics.fmean(every), scale=1.0 / spread), how
