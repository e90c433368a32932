"""The mean label of all edits of a run, from few labels and all scores (prediction-powered inference)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from src.reporting.calibration.resampling import Measured, mean_measured
from src.reporting.statistics import Scale, clustered_mean, t_quantile

NONE_LEFT = "every scored edit has a label: the mean of the labels says it all"


def prediction_powered_mean(
    labelled: Sequence[tuple[float, float, Hashable]], others: Sequence[tuple[float, Hashable]], scale: Scale
) -> Measured:
    """Prediction-powered mean of Angelopoulos et al. (arXiv 2301.09633): mean of the scores + mean error on labels.

    θ = Σ_others f / N + Σ_labelled (y − f) / n. The interval is θ ± t · √V, where V adds up what each edit contributes,
    (f − f̄) / N or ((y − f) − mean) / n, within source pictures before it squares: for distinct pictures these are the
    paper's σ²_f / N + σ²_{y−f} / n. It holds where the labelled edits are a random part of the run, as those that
    `label` shows.

    Args:
        labelled: Label, score and source picture of each labelled edit.
        others: Score and source picture of each edit without a label.
        scale: The lowest and the highest label; the interval does not leave it.
    """
    count, more = len(labelled), len(others)
    if more < 2:
        return Measured(None, None, count, NONE_LEFT)
    errors = [label - score for label, score, _ in labelled]
    scores = [score for score, _ in others]
    correction, mean = math.fsum(errors) / count, math.fsum(scores) / more
    # Values whose mean is θ and whose deviations are the contributions: their clustered variance is V.
    of_label, of_score = ((count + more) / math.sqrt(size * max(size - 1, 1)) for size in (count, more))
    values = [mean + correction + of_label * (error - correction) for error in errors]
    values += [mean + correction + of_score * (score - mean) for score in scores]
    clusters = _distinct([source for *_, source in labelled] + [source for _, source in others])
    found = clustered_mean(values, clusters)
    of_labels = len(set(clusters[:count]))
    if found is None or of_labels < 2:
        return mean_measured(mean + correction, None, count)
    half = t_quantile(min(found.degrees, of_labels - 1)) * math.sqrt(found.variance)
    low, high = scale
    return mean_measured(found.mean, (max(low, found.mean - half), min(high, found.mean + half)), count)


def _distinct(sources: Sequence[Hashable]) -> list[Hashable]:
    return [("alone", place) if source is None else source for place, source in enumerate(sources)]
