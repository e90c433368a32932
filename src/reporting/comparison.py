"""The comparison of runs as plain data: everything that console, Markdown, JSON and page show of it."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from src.data.categories import category_key
from src.data.verdict import Status
from src.errors import ComparisonError, did_you_mean
from src.record.results import SampleResult
from src.reporting.comparability import check_comparable, same_sample
from src.reporting.mismatch import Difference, Mismatch
from src.reporting.multiplicity import SIGNIFICANT, group_letters, holm
from src.reporting.paired import RESAMPLES, PairedDifference, paired_difference, samples_needed
from src.reporting.report import DIFFICULTIES, NO_NAME
from src.reporting.statistics import Summary, summarise
from src.reporting.stored_runs import StoredRun, describe_editor, score_of

SCHEMA_VERSION = 1
TIE_WIDTH = 0.5
DIFFERENCES_TO_SHOW = (0.1, 0.2, 0.3, 0.5, 1.0)
"""True differences for which the number of samples that would show them is stated."""


@dataclass(frozen=True)
class Sides:
    """One sample of two runs. A side is None where an unfinished run has not come to it."""

    first: SampleResult | None
    second: SampleResult | None

    @property
    def known(self) -> SampleResult:
        """The side that tells more of the sample: one that could be read, if there is one."""
        rows = [row for row in (self.first, self.second) if row is not None]
        return next((row for row in rows if row.source_sha256 is not None), rows[0])


@dataclass(frozen=True)
class PairComparison:
    """The second run against the first: overall and in each category and difficulty."""

    first: str
    second: str
    overall: PairedDifference
    categories: dict[str, PairedDifference]
    difficulties: dict[str, PairedDifference]


@dataclass(frozen=True)
class Comparison:
    """Runs compared with each other."""

    pairs: list[PairComparison]
    """Every two runs, in the order in which the runs were named."""
    report: dict[str, Any]
    """All of it as JSON data, without a NaN."""


def compare(
    runs: Sequence[StoredRun], allowed: Collection[Difference] = (), tie_width: float = TIE_WIDTH
) -> Comparison:
    """Compares every run with every other one.

    Args:
        runs: At least two, with distinct names.
        allowed: What may differ between them; each such difference is a mark.
        tie_width: Scores of a sample that differ by at most this are a tie.

    Raises:
        ComparisonError: for differences that are not allowed, and where two runs have no sample in common.
    """
    marks = check_comparable(runs, allowed)
    pairs = adjusted([compare_pair(*two, tie_width) for two in itertools.combinations(runs, 2)])
    samples = len({row.sample_id for run in runs for row in run.results})
    own = {run.name: summary_of(run, run.results, samples) for run in runs}
    report = {
        "schema_version": SCHEMA_VERSION,
        "timestamp": datetime.now().astimezone().isoformat(timespec="seconds"),
        "tie_width": tie_width,
        "tests": sum(one.p is not None for pair in pairs for one in _all(pair)),
        "resamples": RESAMPLES,
        "marks": _marks(marks),
        "warnings": list(_warnings(runs, own)),
        "runs": _runs(runs, pairs, own),
        "pairs": [_pair(pair) for pair in pairs],
        "samples": _samples(runs),
    }
    return Comparison(pairs, report)


# Two runs.


def compare_pair(first: StoredRun, second: StoredRun, tie_width: float) -> PairComparison:
    """Pairs the samples of two runs; p-values are not adjusted yet.

    Raises:
        ComparisonError: no sample has a score in both.
    """
    both = list(sides(first, second))
    overall = _difference(both, tie_width)
    if not overall.pairs:
        raise ComparisonError(f"no sample has a score in both {first.name} and {second.name}: nothing can be paired")
    categories = _grouped(both, lambda row: row.category)
    difficulties = _grouped(both, lambda row: row.difficulty)
    known = [name for name in DIFFICULTIES if name in difficulties]
    return PairComparison(
        first.name,
        second.name,
        overall,
        {name: _difference(group, tie_width) for name, group in categories.items()},
        {
            name: _difference(difficulties[name], tie_width)
            for name in [*known, *(name for name in difficulties if name not in known)]
        },
    )


def sides(first: StoredRun, second: StoredRun) -> Iterator[Sides]:
    """The samples of two comparable runs.

    A sample that one of them lacks is left out, unless that run is unfinished: then it is a sample without a score. A
    sample that is not the same in both is left out.
    """
    for sample_id in {**first.by_id, **second.by_id}:
        one, other = first.by_id.get(sample_id), second.by_id.get(sample_id)
        if one is not None and other is not None:
            if same_sample(one, other):
                yield Sides(one, other)
        elif (first if one is None else second).interrupted:
            yield Sides(one, other)


def overall_difference(first: StoredRun, second: StoredRun) -> PairedDifference:
    """The difference over all samples alone, with Student's interval; what `group_letters` are made of."""
    return _difference(list(sides(first, second)), TIE_WIDTH, bootstrap=False)


def _difference(both: Sequence[Sides], tie_width: float, *, bootstrap: bool = True) -> PairedDifference:
    return paired_difference(
        [score_of(pair.first) for pair in both],
        [score_of(pair.second) for pair in both],
        [pair.known.dependence or f"of sample {pair.known.sample_id}" for pair in both],
        tie_width,
        bootstrap=bootstrap,
    )


def _grouped(both: Sequence[Sides], name_of: Any) -> dict[str, list[Sides]]:
    groups: dict[str, list[Sides]] = defaultdict(list)
    for pair in both:
        groups[name_of(pair.known) or NO_NAME].append(pair)
    return dict(groups)


def _all(pair: PairComparison) -> list[PairedDifference]:
    return [pair.overall, *pair.categories.values(), *pair.difficulties.values()]


def adjusted(pairs: Sequence[PairComparison]) -> list[PairComparison]:
    """Returns the comparison with p-values adjusted for all tests of all pairs."""
    values = iter(holm([one.p for pair in pairs for one in _all(pair)]))
    return [
        replace(
            pair,
            overall=replace(pair.overall, p_holm=next(values)),
            categories={name: replace(one, p_holm=next(values)) for name, one in pair.categories.items()},
            difficulties={name: replace(one, p_holm=next(values)) for name, one in pair.difficulties.items()},
        )
        for pair in pairs
    ]


def chosen_categories(pair: PairComparison, names: Sequence[str]) -> dict[str, PairedDifference]:
    """The categories that were asked for, by either of their names; all samples together where none was.

    Raises:
        ComparisonError: no sample is of such a category.
    """
    if not names:
        return {"all samples": pair.overall}
    known = {category_key(name): name for name in pair.categories}
    for name in names:
        if category_key(name) not in known:
            raise ComparisonError(
                f"no sample of these runs is of category {name!r}; they have {', '.join(pair.categories)}."
                + did_you_mean(name, pair.categories)
            )
    return {known[category_key(name)]: pair.categories[known[category_key(name)]] for name in names}


# As plain data.


def _pair(pair: PairComparison) -> dict[str, Any]:
    needed = {str(points): samples_needed(pair.overall, points) for points in DIFFERENCES_TO_SHOW}
    return asdict(pair) | {"samples_needed": needed}


def _runs(
    runs: Sequence[StoredRun], pairs: Sequence[PairComparison], own: Mapping[str, Summary]
) -> list[dict[str, Any]]:
    """The runs, the best first by their mean over the samples that all have a score for."""
    common = _scored_by_all(runs)
    means = {run.name: _mean([score_of(run.by_id[sample_id]) for sample_id in common]) for run in runs}
    ranked_by = means if common else {name: summary.mean for name, summary in own.items()}
    ordered = sorted(runs, key=lambda run: (not common and run.interrupted, -(ranked_by[run.name] or 0.0)))
    different = [
        (pair.first, pair.second)
        for pair in pairs
        if pair.overall.p_holm is not None and pair.overall.p_holm < SIGNIFICANT
    ]
    letters = group_letters([run.name for run in ordered], different)
    return [
        {
            "name": run.name,
            "folder": str(run.folder),
            "run_key": run.info.run_key,
            "editor": describe_editor(run.info),
            "editor_identity": run.info.editor,
            "interrupted": run.interrupted,
            "group": letters[run.name],
            "mean_of_common": means[run.name],
            "common": len(common),
            "own": asdict(own[run.name]),
            "statuses": statuses_of(run),
        }
        for run in ordered
    ]


def _scored_by_all(runs: Sequence[StoredRun]) -> list[str]:
    """Ids of samples that are the same in all runs and have a score in each."""
    return [
        row.sample_id
        for row in runs[0].results
        if all(score_of(run.by_id.get(row.sample_id)) is not None for run in runs)
        and all(same_sample(row, run.by_id[row.sample_id]) for run in runs)
    ]


def _mean(scores: Sequence[float | None]) -> float | None:
    return summarise(scores).mean


def scores_by_category(run: StoredRun, samples: Mapping[str, int] | None = None) -> dict[str, dict[str, Any]]:
    """Summaries of a run's scores by category, as JSON data.

    Args:
        run: The run.
        samples: How many samples of each category there are to read; None counts those that the run has read.
    """
    groups: dict[str, list[SampleResult]] = defaultdict(list)
    for row in run.results:
        groups[row.category or NO_NAME].append(row)
    return {name: asdict(summary_of(run, rows, (samples or {}).get(name, 0))) for name, rows in groups.items()}


def summary_of(run: StoredRun, rows: Sequence[SampleResult], samples: int) -> Summary:
    """The summary of a run's scores, with the samples that an unfinished run has not read yet in its coverage.

    Args:
        run: The run.
        rows: All its results, or those of a category.
        samples: How many samples of that kind there are in the comparison.
    """
    summary = summarise([score_of(row) for row in rows], [row.dependence for row in rows])
    if not run.interrupted or summary.total >= samples:
        return summary
    return replace(summary, total=samples, coverage=summary.num_samples / samples)


def statuses_of(run: StoredRun) -> dict[str, int]:
    """How many samples have each status; those without a verdict are `unfinished`."""
    counts = Counter(row.status for row in run.results)
    known = {status.value: counts[status] for status in Status if counts[status]}
    return known | ({"unfinished": counts[None]} if counts[None] else {})


def _marks(mismatches: Sequence[Mismatch]) -> list[dict[str, str]]:
    return [{"kind": mismatch.kind.value, "text": mismatch.text} for mismatch in dict.fromkeys(mismatches)]


def _warnings(runs: Sequence[StoredRun], own: Mapping[str, Summary]) -> Iterator[str]:
    for run in runs:
        if run.interrupted:
            yield f"{run.name} is not finished: what it has is compared; go on with it by --resume"
    if len({summary.coverage for summary in own.values()}) > 1:
        told = ", ".join(f"{name} {summary.num_samples} of {summary.total}" for name, summary in own.items())
        yield (
            f"coverage differs ({told} samples have a score): pairs in which one side has none are in no difference, "
            "and if failures are the hard samples, the run with more of them looks better than it is"
        )


def _samples(runs: Sequence[StoredRun]) -> list[dict[str, Any]]:
    """Every sample of any run, with its score, status and picture in each; the last is relative to the run's folder."""
    ids = dict.fromkeys(sample_id for run in runs for sample_id in run.by_id)
    rows = []
    for sample_id in ids:
        by_run = {run.name: run.by_id[sample_id] for run in runs if sample_id in run.by_id}
        known = next((row for row in by_run.values() if row.source_sha256 is not None), next(iter(by_run.values())))
        rows.append(
            {
                "sample_id": sample_id,
                "category": known.category,
                "difficulty": known.difficulty,
                "tags": known.tags,
                "instruction": known.instruction,
                "source_sha256": known.source_sha256,
                "runs": {
                    name: {
                        "score": score_of(row),
                        "status": row.status,
                        "reason": row.reason,
                        "dimensions": row.dimensions,
                        "image_path": row.image_path,
                    }
                    for name, row in by_run.items()
                },
            }
        )
    return rows
