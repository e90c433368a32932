"""Another run beside which the page of a run shows its samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from src.reporting.comparability import check_comparable
from src.reporting.comparison import TIE_WIDTH, compare_pair
from src.reporting.comparison_wording import interval, signed
from src.reporting.page.model import Tile, Word
from src.reporting.paired import PairedDifference
from src.reporting.stored_runs import StoredRun, runs_to_compare, score_of
from src.reporting.wording import one_line


@dataclass(frozen=True)
class Against:
    """The other run, and how much better than it the run of the page is."""

    run: StoredRun
    """The other run."""
    name: str
    """What tells the run of the page apart from it."""
    overall: PairedDifference
    """The run of the page minus the other one."""

    def difference(self, sample_id: str, score: float | None) -> float | None:
        """A score of the run of the page minus that of the same sample in the other run; None where one is missing."""
        other = score_of(self.run.by_id.get(sample_id))
        return None if score is None or other is None else score - other

    def tile(self) -> Tile:
        """The difference on all samples, as `compare` states it."""
        shown = f"95 % {interval(self.overall.ci95, '+')} · − {one_line(self.run.name)}"
        return Tile(Word("difference"), signed(self.overall.difference), shown)


def against(run_dir: Path, other_dir: Path) -> Against:
    """Puts a run beside another one.

    Args:
        run_dir: Output directory of the run whose page is made.
        other_dir: Output directory of the other run.

    Raises:
        ComparisonError: `compare` would refuse these two runs.
        OutputError: a record cannot be read.
    """
    other, run = runs_to_compare([other_dir, run_dir])
    check_comparable([other, run], (), by_option=False)
    return Against(other, run.name, compare_pair(other, run, TIE_WIDTH).overall)
