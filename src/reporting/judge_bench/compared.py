"""`ComparedPair`: two edits that people have compared, and what a judge said of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from src.data.preferences import PreferencePair
from src.data.winners import FIRST_WINS, SECOND_WINS
from src.record.results import SampleResult
from src.reporting.report import NO_NAME
from src.reporting.statistics import ROUNDING

SIDES = ("a", "b")
SIGNS = {FIRST_WINS: -1, SECOND_WINS: 1}
"""1 where people prefer edit B, -1 where they prefer A; any other answer prefers neither."""


def pair_attributes(pair: PreferencePair, side: str) -> dict[str, str | tuple[str, ...]]:
    """What the record keeps of a pair with each of its two edits; `compared_pairs` reads it back."""
    size = None if pair.group_size is None else str(pair.group_size)
    told = {"group": pair.group, "group_size": size, "dimension": pair.dimension, "stated_id": pair.stated_id}
    known = {name: value for name, value in told.items() if value}
    return {"pair": pair.pair_id, "side": side, "winner": pair.winner, **known}


@dataclass(frozen=True)
class ComparedPair:
    """Two edits of one source by one instruction, the answer of people, and the judge's verdict on each edit."""

    pair_id: str
    category: str
    winner: str
    """`a`, `b`, `tie` or `both_bad`."""
    group: str | None
    group_size: int | None
    """How many edits the file says the group has; None where it does not say."""
    dimension: str | None
    stated_id: str
    results: tuple[SampleResult, SampleResult]
    """Of edit A, then of edit B."""

    @property
    def sign(self) -> int:
        """1 where people prefer edit B, -1 where they prefer A, 0 where neither."""
        return SIGNS.get(self.winner, 0)

    def by(self, dimension: str) -> ComparedPair:
        """The pair as a value of this name compares it, in the place of the score that it belongs to."""
        values = (result.dimensions.get(dimension) if result.score is not None else None for result in self.results)
        first, second = (replace(result, score=value) for result, value in zip(self.results, values, strict=True))
        return replace(self, results=(first, second))

    @property
    def cluster(self) -> str:
        """Equal for pairs of one source picture, which are not independent of each other."""
        return self.results[0].dependence or self.pair_id

    @property
    def edits(self) -> tuple[str, str]:
        """What names each edit; equal for the same edit of the same source by the same instruction."""
        return self.results[0].edit_key or "", self.results[1].edit_key or ""

    @cached_property
    def gap(self) -> float | None:
        """The judge's score of edit B less that of edit A; None where either has no score."""
        first, second = (result.score for result in self.results)
        return None if first is None or second is None else second - first

    @property
    def right(self) -> float | None:
        """1 where the judge prefers what people prefer, 0.5 where it calls both equal, 0 where it prefers the other.

        None where people prefer neither, or the judge gave no score.
        """
        if self.gap is None or not self.sign:
            return None
        return 0.5 if abs(self.gap) <= ROUNDING else float(self.gap * self.sign > 0)

    @property
    def seconds(self) -> float | None:
        """What the judge took for both edits; None where that is not known of either."""
        known = [result.judge_seconds for result in self.results if result.judge_seconds is not None]
        return sum(known) if len(known) == len(self.results) else None

    @property
    def cost(self) -> float | None:
        """What the judge cost for both edits, in the currency of its prices; None where that is not known of either."""
        known = [cost for result in self.results if (cost := result.usage.get("cost")) is not None]
        return sum(known) if len(known) == len(self.results) else None

    @property
    def without_score(self) -> str | None:
        """Why the pair cannot be compared; None where both edits have a score."""
        lacking = next((result for result in self.results if result.score is None), None)
        return None if lacking is None else f"{lacking.status or 'unfinished'}: {lacking.reason or ''}".rstrip(": ")


def compared_pairs(results: Iterable[SampleResult]) -> Iterator[ComparedPair]:
    """Joins the two edits of each pair of a record, in the order of the file; what is no pair is passed over."""
    waiting: dict[str, SampleResult] = {}
    for result in results:
        told = {name: str(value) for name, value in result.attributes.items()}
        if "pair" not in told:
            continue
        first = waiting.pop(told["pair"], None)
        if first is None:
            waiting[told["pair"]] = result
            continue
        yield ComparedPair(
            pair_id=told["pair"],
            category=result.category or NO_NAME,
            winner=told["winner"],
            group=told.get("group"),
            group_size=int(told["group_size"]) if "group_size" in told else None,
            dimension=told.get("dimension"),
            stated_id=told.get("stated_id", ""),
            results=(first, result) if told["side"] == SIDES[1] else (result, first),
        )
