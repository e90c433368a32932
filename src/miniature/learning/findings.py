"""What the learning proof found: means, paired differences with their intervals, and readability, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from src.data.image import content_hash
from src.miniature.learning.measure import Measured
from src.miniature.learning.wishes import SETS, Wish
from src.miniature.model_card import markdown_table
from src.miniature.policy.readable import readability
from src.miniature.world.edits import CATEGORIES
from src.reporting.paired import PairedDifference, paired_difference

ALL = "all"
GOAL_UNTAUGHT, GOAL_TAUGHT = 1.0, -0.2
"""The goals of after − own words, by the oracle: at least so many points on untaught wishes, with the whole interval
above 0, and no less than this on taught ones."""


@dataclass(frozen=True)
class MeasuredSet:
    """All wordings of one set of wishes.

    Attributes:
        wishes: The wishes.
        own: The user's own words.
        exact: The explicit wording, the ceiling.
        before: The policy before GRPO.
        after: The policy after it, by the seed of the training.
    """

    wishes: Sequence[Wish]
    own: Measured
    exact: Measured
    before: Measured
    after: Mapping[int, Measured]


@dataclass(frozen=True)
class Finding:
    """One row: a set, a category or all, by one instrument, after trainings with some seeds.

    Means are of the wishes, and of the seeds where there are several; None where nothing has a score.
    """

    wishes: str
    category: str
    instrument: str
    seeds: tuple[int, ...]
    edits: int
    before: float | None
    after: float | None
    own: float | None
    exact: float | None
    after_minus_own: PairedDifference
    after_minus_before: PairedDifference


def findings(name: str, found: MeasuredSet, instruments: Sequence[str]) -> list[Finding]:
    """Rows of a set: by instrument, over all seeds for each category and all, then seed by seed for all."""
    seeds = tuple(sorted(found.after))
    rows = []
    for instrument in instruments:
        rows += [_finding(name, category, instrument, seeds, found) for category in (*CATEGORIES, ALL)]
        rows += [_finding(name, ALL, instrument, (seed,), found) for seed in seeds if len(seeds) > 1]
    return rows


def _finding(name: str, category: str, instrument: str, seeds: tuple[int, ...], found: MeasuredSet) -> Finding:
    """Wishes after several seeds are rows of their own, and those of one picture a cluster."""
    places = [place for place, wish in enumerate(found.wishes) if category in (ALL, wish.edit.category)]

    def scores(measured: Measured) -> list[float | None]:
        return [measured.scores[instrument][place] for place in places]

    after = [score for seed in seeds for score in scores(found.after[seed])]
    own, before, exact = (scores(one) * len(seeds) for one in (found.own, found.before, found.exact))
    pictures = [content_hash(found.wishes[place].edit.source.tobytes()) for place in places] * len(seeds)
    gain = paired_difference(own, after, pictures, 0.0, bootstrap=False)
    progress = paired_difference(before, after, pictures, 0.0, bootstrap=False)
    return Finding(
        name,
        category,
        instrument,
        seeds,
        len(places),
        _mean(before),
        _mean(after),
        _mean(own),
        _mean(exact),
        gain,
        progress,
    )


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None


def readability_rows(name: str, found: MeasuredSet) -> list[dict[str, Any]]:
    """The readability of a set's rewrites before, and after each seed."""
    policies = {"before": found.before} | {f"after, seed {seed}": one for seed, one in sorted(found.after.items())}
    return [{"wishes": name, "policy": who, **asdict(readability(one.texts))} for who, one in policies.items()]


def goals(rows: Sequence[Finding]) -> list[str]:
    """Whether the goals are reached, by the oracle over all seeds, as sentences."""
    sentences = []
    for row in rows:
        if row.instrument != "oracle" or row.category != ALL or len(row.seeds) < max(len(one.seeds) for one in rows):
            continue
        gain = row.after_minus_own
        if gain.difference is None:
            continue
        if row.wishes == "taught":
            reached, goal = gain.difference >= GOAL_TAUGHT, f"at least {GOAL_TAUGHT:+.1f}"
        else:
            above = gain.ci95 is not None and gain.ci95[0] > 0
            reached = above and gain.difference >= GOAL_UNTAUGHT
            goal = f"at least {GOAL_UNTAUGHT:+.1f} with the interval above 0"
        sentences.append(
            f"{SETS[row.wishes].title}: after − own words {_difference(gain)}; goal: {goal}: "
            f"{'reached' if reached else '**not reached**'}."
        )
    return sentences


def findings_page(rows: Sequence[Finding], readable: Sequence[Mapping[str, Any]], facts: Sequence[str]) -> str:
    """The report as Markdown."""
    parts = ["# Learning proof", *(f"- {fact}" for fact in facts), "## Goals", *(f"- {one}" for one in goals(rows))]
    for name, chosen in SETS.items():
        parts += [f"## {chosen.title[0].upper()}{chosen.title[1:]} (`{name}`)"]
        parts.append(_table([row for row in rows if row.wishes == name]))
        parts.append(_readable_table([row for row in readable if row["wishes"] == name]))
    return "\n\n".join(parts).replace("\n\n- ", "\n- ") + "\n"


def _table(rows: Sequence[Finding]) -> str:
    columns = ("scored by", "wishes", "n", "seeds", "before", "after", "own words", "exact words")
    return markdown_table(
        (*columns, "after − own words [95 %]", "after − before [95 %]"),
        [
            [
                row.instrument,
                row.category,
                str(row.edits),
                ", ".join(map(str, row.seeds)),
                *("–" if one is None else f"{one:.2f}" for one in (row.before, row.after, row.own, row.exact)),
                _difference(row.after_minus_own),
                _difference(row.after_minus_before),
            ]
            for row in rows
        ],
    )


def _difference(found: PairedDifference) -> str:
    if found.difference is None:
        return "–"
    interval = f" [{found.ci95[0]:+.2f}, {found.ci95[1]:+.2f}]" if found.ci95 else ""
    return f"{found.difference:+.2f}{interval}"


def _readable_table(rows: Sequence[Mapping[str, Any]]) -> str:
    return markdown_table(
        ("policy", "rewrites", "unreadable", *(rows[0]["faults"] if rows else ()), "thought outside"),
        [
            [
                row["policy"],
                str(row["rewrites"]),
                *(f"{share:.1%}" for share in (row["unreadable"], *row["faults"].values(), row["foreign_thoughts"])),
            ]
            for row in rows
        ],
    )
