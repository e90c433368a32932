"""Whether judge and oracle order the edits of a group alike, step by step: where reward hacking begins, and a signal
for stopping that needs no oracle.

GRPO learns from the order within groups alone. When policy and judge have grown together so far that the judge's order
there is no longer the oracle's, more training raises the reward and not the edits. Without an oracle a second judge of
another kind takes its place: what pleases one judge for a weakness of its own does not please the other, so that their
agreement falls.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

WINDOW = 10
"""Measured steps over which curves run."""
CLEAR = 0.5
"""Points of 10 by which two edits must differ for their order to count."""
LEAST_PAIRS = 30
"""Pairs of a window below which there is no share."""
OVERDONE = 0.5
"""Points of 10 that the oracle's mean must have lost, while the reward has lost nothing, for hacking to have begun."""
DISAGREEMENT = 0.1
"""The share by which the agreement of two judges must have fallen below its best for a training to be stopped."""


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
    """The step from which the reward was earned at the oracle's expense, or None.

    It is the step at which the oracle's windowed mean was best, once this mean has lost `OVERDONE` points and the
    windowed reward nothing.
    """
    oracle = windowed_mean([one.oracle for one in steps])
    reward = windowed_mean([one.reward for one in steps])
    best = WINDOW - 1
    for place in range(WINDOW, len(steps)):
        if oracle[place] > oracle[best]:
            best = place
        elif oracle[place] <= oracle[best] - OVERDONE and reward[place] >= reward[best]:
            return steps[best].step
    return None


def stop_here(steps: Sequence[StepOrder]) -> int | None:
    """The step at which the two judges' agreement says that a training should be stopped, or None; asks no oracle."""
    shares = windowed_share([one.with_judge or OrderedPairs(0.0, 0) for one in steps])
    best = 0.0
    for place in range(WINDOW - 1, len(steps)):
        share = shares[place]
        if share is None:
            continue
        if share < best - DISAGREEMENT:
            return steps[place].step
        best = max(best, share)
    return None
