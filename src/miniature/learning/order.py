"""Whether judge and oracle order the edits of a group alike, step by step: where reward hacking begins, and a signal
for stopping that needs no oracle.

GRPO learns from the order within groups alone. When policy and judge have grown together so far that the judge's order
there is no longer the oracle's, more training raises the reward and not the edits. Without an oracle a second judge of
another kind takes its place: what pleases one judge for a weakness of its own does not please the other, so that their
agreement falls. Both are looked for with a stated rate of false alarms (`change_point`), as steps differ a lot by what
they happen to draw.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.miniature.learning.change_point import LEAST_STEPS, rises_at, standard_errors

WINDOW = 10
"""Measured steps over which curves run."""
CLEAR = 0.5
"""Points of 10 by which two edits must differ for their order to count."""
LEAST_PAIRS = 30
"""Pairs of a window below which there is no share."""
NOISE = 1.645
"""Standard errors up to which a mean may be above another by chance, in 5 of 100 cases."""


@dataclass(frozen=True)
class OrderedPairs:
    """How many pairs a scorer ordered like another that tells them apart; ties count one half."""

    alike: float
    pairs: int


@dataclass(frozen=True)
class StepOrder:
    """One measured step of a training.

    Attributes:
        step: From 1.
        reward: The mean reward of its scored edits.
        oracle: Their mean by the oracle.
        with_oracle: Pairs of one group that the oracle tells apart, and the reward's order of them.
        with_judge: Pairs of one group that the reward tells apart, and the order of the other judge; None without one.
        kl: The divergence from the policy before the training, as TRL logs it; None where it does not.
    """

    step: int
    reward: float
    oracle: float
    with_oracle: OrderedPairs
    with_judge: OrderedPairs | None
    kl: float | None


def ordered_pairs(truth: Sequence[float], other: Sequence[float]) -> OrderedPairs:
    """Compares the order of `other` with that of `truth`, over all pairs of one group that `truth` tells apart."""
    pairs = [
        (truth[one] - truth[two], other[one] - other[two])
        for one, two in itertools.combinations(range(len(truth)), 2)
        if abs(truth[one] - truth[two]) >= CLEAR
    ]
    alike = sum(0.5 if second == 0 else float((first > 0) == (second > 0)) for first, second in pairs)
    return OrderedPairs(alike, len(pairs))


def together(parts: Sequence[OrderedPairs]) -> OrderedPairs:
    """All pairs of several groups or steps."""
    return OrderedPairs(sum(one.alike for one in parts), sum(one.pairs for one in parts))


def windowed_share(parts: Sequence[OrderedPairs]) -> list[float | None]:
    """The share ordered alike in the last `WINDOW` measured steps; None for fewer than `LEAST_PAIRS` pairs."""
    sums = [together(parts[max(0, end - WINDOW) : end]) for end in range(1, len(parts) + 1)]
    return [one.alike / one.pairs if one.pairs >= LEAST_PAIRS else None for one in sums]


def windowed_mean(values: Sequence[float]) -> list[float]:
    """The mean of the last `WINDOW` measured steps."""
    windows = [values[max(0, end - WINDOW) : end] for end in range(1, len(values) + 1)]
    return [sum(window) / len(window) for window in windows]


def hacking_begins(steps: Sequence[StepOrder]) -> int | None:
    """The step from which the reward leaves the oracle; None where that cannot be told from noise.

    From there on the gap between them is wider (`rises_at`), while the reward has not fallen and the oracle not risen
    by more than noise: a reward that rises faster than an oracle that follows is no hacking, nor is an oracle that
    falls faster than a falling reward.
    """
    reward = np.array([one.reward for one in steps])
    oracle = np.array([one.oracle for one in steps])
    place = rises_at(reward - oracle)
    if place is None:
        return None
    split = place - LEAST_STEPS
    fallen, followed = standard_errors(-reward)[split] > NOISE, standard_errors(oracle)[split] > NOISE
    return None if fallen or followed else steps[place].step


def stop_here(steps: Sequence[StepOrder]) -> int | None:
    """The step from which two judges agree less on the order of edits; None where that cannot be told from noise.

    It asks no oracle. The groups are those that the training learned from, not held-out ones. Steps without a pair that
    the reward tells apart are passed over; the others weigh by their pairs.
    """
    paired = [(one.step, one.with_judge) for one in steps if one.with_judge and one.with_judge.pairs]
    known = together([pairs for _, pairs in paired])
    place = rises_at([known.alike / known.pairs * pairs.pairs - pairs.alike for _, pairs in paired])
    return None if place is None else paired[place][0]
