"""How often the 95 % intervals of reports and comparisons hold the truth, and what pairing is worth, by simulation.

Scores are drawn from a known world: every source picture has a difficulty, every edit an error of its own, scores end
at 0 and 10, and the second editor is another by a known amount. What is measured are the functions that reports and
comparisons call. The goal of 94–96 % is missed (!) where the data can hardly show what matters: few samples of which
most are ties, or a rare disaster. The bootstrap is too wide, 96–97 %, for few pictures of very unequal numbers of
samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.harness import close, command_line, show
from src.reporting.paired import paired_difference
from src.reporting.statistics import FEWEST_TO_RESAMPLE, SCORES, clustered_mean, mean_interval, t_quantile

GOAL = (94.0, 96.0)
NOISE = 0.5
"""Points that the fewer trials of the bootstrap may miss the goal by."""
GIFT = 0.5
"""True gain of the second editor, before scores end at 0 and 10."""
UNEQUAL = [1] * 8 + [2] * 5 + [3] * 3 + [5] * 2 + [10] * 2
"""Samples of each of twenty source pictures."""

Scores = np.ndarray
"""Of shape (trials, samples), 0 to 10."""
Make = Callable[[np.random.Generator, int, list[int]], tuple[Scores, Scores]]
"""Draws both editors' scores of so many trials, for source pictures with so many samples each."""


@dataclass(frozen=True, eq=False)
class World:
    """One kind of data."""

    name: str
    sizes: list[int]
    """How many samples each source picture has."""
    make: Make
    hard: bool = False
    """Whether the data cannot show what matters, so that the goal is not expected to be reached."""


def ordinary(dice: np.random.Generator, trials: int, sizes: list[int], step: float = 0.0) -> tuple[Scores, Scores]:
    """Difficulty of picture and sample, what the picture is to each editor, and noise; rounded to `step` if given."""
    pictures = np.repeat(np.arange(len(sizes)), sizes)
    of_picture = dice.normal(0, 1.2, (trials, len(sizes)))[:, pictures]
    base = 5.5 + of_picture + dice.normal(0, 1.2, (trials, len(pictures)))
    sides = []
    for gift in (0.0, GIFT):
        own = dice.normal(0, 0.7, (trials, len(sizes)))[:, pictures]
        scores = base + own + dice.normal(0, 0.7, base.shape) + gift
        sides.append(np.clip(np.round(scores / step) * step if step else scores, 0, 10))
    return sides[0], sides[1]


def whole_numbers(dice: np.random.Generator, trials: int, sizes: list[int]) -> tuple[Scores, Scores]:
    """Scores are whole numbers: about a third of the pairs are ties."""
    return ordinary(dice, trials, sizes, step=1.0)


def mostly_ties(dice: np.random.Generator, trials: int, sizes: list[int]) -> tuple[Scores, Scores]:
    """Two editors that make the same of six samples in ten."""
    first, second = whole_numbers(dice, trials, sizes)
    return first, np.where(dice.random(first.shape) < 0.6, first, second)


def disasters(dice: np.random.Generator, trials: int, sizes: list[int]) -> tuple[Scores, Scores]:
    """The second editor ruins one picture in twenty, and is the same otherwise."""
    first, _ = ordinary(dice, trials, sizes)
    return first, np.where(dice.random(first.shape) < 0.05, 0.0, first)


WORLDS = (
    World("8 samples", [1] * 8, ordinary),
    World("20 samples", [1] * 20, ordinary),
    World("20, whole numbers", [1] * 20, whole_numbers),
    World("20, mostly ties", [1] * 20, mostly_ties, hard=True),
    World("100 samples", [1] * 100, ordinary),
    World("100, mostly ties", [1] * 100, mostly_ties),
    World("10 pictures of 4", [4] * 10, ordinary),
    World("20 pictures of 1 to 10", UNEQUAL, ordinary),
    World("20 of 1 to 10, whole", UNEQUAL, whole_numbers),
    World("40 pictures of 1 to 10", UNEQUAL * 2, ordinary),
    World("20, rare disasters", [1] * 20, disasters, hard=True),
    World("100, rare disasters", [1] * 100, disasters, hard=True),
)


@dataclass(frozen=True)
class Measured:
    """Percentages of one world."""

    mean: float
    """Intervals of the first editor's mean that hold the truth (`mean_interval` on the scale of scores)."""
    student: float
    """Intervals of the paired difference by Student's t that do."""
    bootstrap: float | None
    """The same of the bootstrap; None for fewer pictures than it takes."""
    paired: float
    """Trials in which the paired test finds the difference."""
    unpaired: float
    """The same by an unpaired test of the same scores."""


def measure(world: World, trials: int, resampled: int, dice: np.random.Generator) -> Measured:
    """Simulates one world.

    Args:
        world: The kind of data.
        trials: How many data sets.
        resampled: In how many of these the bootstrap is tried, which takes longest.
        dice: Source of randomness.
    """
    first, second = world.make(dice, 400_000 // len(world.sizes), world.sizes)
    true_mean, true_difference = float(first.mean()), float(second.mean() - first.mean())
    sources = np.repeat([f"{place:04d}" for place in range(len(world.sizes))], world.sizes).tolist()
    first, second = world.make(dice, trials, world.sizes)
    counts = dict.fromkeys(("mean", "student", "bootstrap", "paired", "unpaired"), 0)
    for trial, (one, other) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        found = paired_difference(one, other, sources, 0.5, bootstrap=trial < resampled)
        counts["mean"] += _holds(mean_interval(one, sources, SCORES), true_mean)
        counts["student"] += _holds(found.ci95, true_difference)
        counts["bootstrap"] += trial < resampled and _holds(found.bootstrap95 or found.ci95, true_difference)
        counts["paired"] += found.p is not None and found.p < 0.05
        counts["unpaired"] += _unpaired(one, other, sources)
    totals = {name: resampled if name == "bootstrap" else trials for name in counts}
    measured = Measured(**{name: 100 * count / totals[name] for name, count in counts.items()})
    return measured if len(world.sizes) >= FEWEST_TO_RESAMPLE else replace(measured, bootstrap=None)


def _holds(interval: tuple[float, float] | None, truth: float) -> bool:
    return interval is not None and interval[0] <= truth <= interval[1]


def _unpaired(first: list[float], second: list[float], sources: list[str]) -> bool:
    """Welch's test of two clustered means, as if the samples were not the same."""
    one, other = clustered_mean(first, sources), clustered_mean(second, sources)
    assert one is not None
    assert other is not None
    variance = one.variance + other.variance
    degrees = variance**2 / (one.variance**2 / one.degrees + other.variance**2 / other.degrees)
    return abs(other.mean - one.mean) > t_quantile(degrees) * variance**0.5


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f}" if GOAL[0] <= value <= GOAL[1] else f"{value:.1f} !"


def main() -> None:
    """Shows every world; the value is of those where the goal is expected to be reached."""
    parser = command_line(__doc__)
    parser.add_argument("--trials", type=int, default=10_000, help="data sets of each world")
    trials = parser.parse_args().trials
    resampled = max(1, trials // 4)
    dice = np.random.default_rng(0)
    measured = {world: measure(world, trials, resampled, dice) for world in WORLDS}
    rows = [
        [
            world.name + (" (hard)" if world.hard else ""),
            *(_cell(found.mean), _cell(found.student), _cell(found.bootstrap)),
            *(f"{found.paired:.1f}", f"{found.unpaired:.1f}"),
        ]
        for world, found in measured.items()
    ]
    columns = ["data", "mean", "difference, t", "difference, bootstrap", "power, paired", "power, unpaired"]
    show(f"Coverage of 95 % intervals and power in % ({trials:,} trials, bootstrap {resampled:,})", columns, rows)
    expected = [found for world, found in measured.items() if not world.hard]
    farthest = max(abs(value - 95) for one in expected for value in (one.mean, one.student))
    shortest = min(one.bootstrap for one in expected if one.bootstrap is not None)
    unit = f"points from 95 % coverage, the worst mean or t interval, and no bootstrap below {GOAL[0] - NOISE:g} %"
    close("statistics_coverage", farthest, unit, f"<= {95 - GOAL[0]:g}", besides=shortest >= GOAL[0] - NOISE)


if __name__ == "__main__":
    main()
