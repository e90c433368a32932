"""Weighted means of named values, never outside the range of the values, whatever is lost in rounding."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

import pydantic

from src.data.verdict import Status, Verdict

Weight = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]
"""The type of a weight in params: 0 or more, relative to the other weights."""


def weighted_mean(values: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """`Σ w·v / Σ w` over the names in `values`.

    Args:
        values: At least one value.
        weights: A weight of 0 or more for each name in `values`, not all of them 0; further names are passed over.
    """
    total = math.fsum(weights[name] for name in values)
    mean = math.fsum(weights[name] * value for name, value in values.items()) / total
    return min(max(mean, min(values.values())), max(values.values()))


def weighted_geometric_mean(values: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """`∏ v^(w / Σ w)` over the names in `values`, which are 0 or more: a single 0 that has a weight makes it 0.

    Args:
        values: At least one value.
        weights: A weight of 0 or more for each name in `values`, not all of them 0.
    """
    counted = {name: value for name, value in values.items() if weights[name] > 0}
    lowest, highest = min(counted.values()), max(counted.values())
    if lowest == 0:
        return 0.0
    mean = math.exp(weighted_mean({name: math.log(value) for name, value in counted.items()}, weights))
    return min(max(mean, lowest), highest)


def mean_of_repeats(verdict: Verdict) -> Verdict:
    """The verdict whose score is the mean of the scores of its repeats, and each dimension the mean of theirs.

    Repeats without a score are left out; where none has one, the verdict has the status and the reason of the last.
    """
    repeats = verdict.repeats or ()
    scored = [one for one in repeats if one.score is not None]
    if not scored:
        last = repeats[-1]
        return replace(verdict, status=last.status, score=None, dimensions={}, reason=last.reason)
    return replace(
        verdict,
        status=Status.SCORED,
        score=statistics.fmean(one.score for one in scored if one.score is not None),
        dimensions=_mean_dimensions(scored),
        reason=None,
    )


def _mean_dimensions(verdicts: Sequence[Verdict]) -> dict[str, float | None]:
    means: dict[str, float | None] = {}
    for name in dict.fromkeys(name for one in verdicts for name in one.dimensions):
        values = [value for one in verdicts if (value := one.dimensions.get(name)) is not None]
        means[name] = statistics.fmean(values) if values else None
    return means
