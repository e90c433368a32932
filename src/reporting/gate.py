"""The gate of `compare --fail-if-worse`: is the new run worse by more than a margin, as far as the samples can tell?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.counted import counted
from src.data.categories import ENGLISH, category_key
from src.errors import ComparisonError, ConfigError, did_you_mean
from src.reporting.comparison import PairComparison, chosen_categories
from src.reporting.paired import PairedDifference
from src.reporting.stored_runs import StoredRun
from src.reporting.wording import category_label


@dataclass(frozen=True)
class GateResult:
    """What the gate says of one group of samples."""

    group: str
    difference: PairedDifference
    margin: float

    @property
    def worse(self) -> bool:
        """Whether the whole 95 % interval of new minus base lies below −margin."""
        assert self.difference.ci95 is not None
        return self.difference.ci95[1] < -self.margin

    def sentence(self) -> str:
        """The result in words."""
        found = self.difference
        assert found.ci95 is not None
        interval = f"{found.difference:+.2f} [{found.ci95[0]:+.2f}, {found.ci95[1]:+.2f}]"
        interval += f"{' (sign test)' * found.sign_test} on {counted(found.pairs, 'sample')}"
        said = "worse by more than" if self.worse else "not shown to be worse by more than"
        return f"{category_label(self.group)}: new − base is {interval}: {said} {self.margin:g}"


def refuse_unknown_categories(runs: Sequence[StoredRun], names: Sequence[str]) -> None:
    """Tells a misspelt category from one that is known and of which the runs have no sample.

    Args:
        runs: All runs; their own categories are known beside the five.
        names: What was asked for, by either name of a category.

    Raises:
        ConfigError: a name is no category.
    """
    of_runs = {row.category for run in runs for row in run.results if row.category}
    known = [*ENGLISH.values(), *sorted(of_runs - ENGLISH.keys() - set(ENGLISH.values()))]
    keys = set(map(category_key, known))
    for name in names:
        if category_key(name) not in keys:
            raise ConfigError(
                f"{name!r:.60} is no category; known are {', '.join(known)}." + did_you_mean(name.casefold(), known)
            )


def gate(pair: PairComparison, margin: float, categories: Sequence[str] = ()) -> list[GateResult]:
    """Judges all samples together, or each of some categories.

    Args:
        pair: The new run against the base.
        margin: In points of 10; how much worse the new run may be.
        categories: Which categories are judged, each by itself; all samples together if there are none.

    Raises:
        ComparisonError: no interval can be computed, or no sample is of such a category.
    """
    results = []
    for name, found in chosen_categories(pair, categories).items():
        if found.ci95 is None:
            raise ComparisonError(
                f"{name}: the gate needs an interval, and there is none ({found.note}); run more samples"
            )
        results.append(GateResult(name, found, margin))
    return results
