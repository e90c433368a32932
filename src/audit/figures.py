"""`Figure`: something measured, its 95 % interval, and whether that is where it has to be."""

from __future__ import annotations

import operator
import statistics
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from src.audit.preference import preference
from src.reporting.paired import paired_difference
from src.reporting.statistics import Scale, mean_interval


class CheckOutcome(StrEnum):
    """Whether a figure keeps its threshold, as far as that is known."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    """The interval holds values that would pass and values that would fail: more samples are needed."""
    NOT_MEASURED = "not measured"
    """Nothing could be measured; the check's `reason` says why."""


@dataclass(frozen=True)
class Threshold:
    """A bound that a figure has to keep, such as `>= 7`."""

    sign: str
    """`<`, `<=`, `>` or `>=`."""
    bound: float

    def met_by(self, value: float) -> bool:
        """Whether the value keeps the bound."""
        holds = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[self.sign]
        return bool(holds(value, self.bound))


@dataclass(frozen=True)
class Figure:
    """One measured number; without `needed` it is there for information."""

    label: str
    value: float
    interval: tuple[float, float] | None
    """95 %; None for fewer than two sources or a few that agree, and where the value stands for itself."""
    samples: int
    """How many samples it comes from."""
    needed: Threshold | None = None
    outcome: CheckOutcome | None = None
    """Set exactly when `needed` is."""


def by_interval(
    label: str, value: float, interval: tuple[float, float] | None, samples: int, needed: Threshold | None = None
) -> Figure:
    """Makes a figure that passes when the whole interval fulfils the requirement and fails when none of it does."""
    if needed is None:
        return Figure(label, value, interval, samples)
    met = {needed.met_by(end) for end in interval} if interval else {True, False}
    outcome = CheckOutcome.INCONCLUSIVE if len(met) == 2 else CheckOutcome.PASS if met == {True} else CheckOutcome.FAIL
    return Figure(label, value, interval, samples, needed, outcome)


def by_value(label: str, value: float, samples: int, needed: Threshold) -> Figure:
    """Makes a figure that stands for itself, without a guess about other samples."""
    return Figure(label, value, None, samples, needed, CheckOutcome.PASS if needed.met_by(value) else CheckOutcome.FAIL)


def mean_figure(
    label: str, values: Sequence[float], clusters: Sequence[Hashable], scale: Scale, needed: Threshold | None = None
) -> Figure:
    """The mean of at least one value on a scale, with the cluster-robust interval of the reports."""
    return by_interval(label, statistics.fmean(values), mean_interval(values, clusters, scale), len(values), needed)


def lead_figure(
    label: str,
    ahead: Sequence[float],
    behind: Sequence[float],
    clusters: Sequence[Hashable],
    needed: Threshold | None = None,
) -> Figure:
    """How far one probe is ahead of another on the same samples, at least one; decided as two runs are compared."""
    found = paired_difference(behind, ahead, clusters, bootstrap=False)
    assert found.difference is not None
    return by_interval(label, found.difference, found.ci95, found.pairs, needed)


def preference_figure(
    label: str, differences: Sequence[float], clusters: Sequence[Hashable], needed: Threshold
) -> Figure:
    """The share of positive differences, ties counted half; see `preference`."""
    share, interval = preference(differences, clusters)
    return by_interval(label, share, interval, len(differences), needed)
