"""`Check`: one row of an audit, and the figures that checks have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from src.audit.figures import CheckOutcome, Figure, Threshold, lead_figure, mean_figure, preference_figure
from src.audit.probes import PICTURES, TARGET, WORDS
from src.audit.targets import Targets
from src.record.results import SampleResult
from src.reporting.statistics import DIFFERENCES, SCORES, Scale

SHARES: Scale = (0.0, 1.0)


@dataclass(frozen=True)
class ProbedSample:
    """One sample with the results of its probes."""

    source: str
    """Identity of the source picture; samples that share one are not independent."""
    results: Mapping[str, SampleResult]
    """The result of each probe, by the name of the probe."""

    def score(self, name: str) -> float | None:
        """Returns the score of a probe; None where the probe was not made or has no score."""
        return self.results[name].score if name in self.results else None

    def scores(self, names: Iterable[str]) -> list[float]:
        """The scores of all these probes, or nothing when one has none."""
        scores = [self.score(name) for name in names]
        return [] if None in scores else [score for score in scores if score is not None]


@dataclass(frozen=True)
class Check:
    """One row of the audit."""

    name: str
    question: str
    """What it asks of the scorer."""
    meaning: str
    """What a failure means for somebody who uses the scorer."""
    figures: tuple[Figure, ...]
    """What was measured; figures with a requirement decide, and there are none where nothing could be measured."""
    reason: str | None = None
    """Why the check, or a part of it, was not measured."""

    @property
    def outcome(self) -> CheckOutcome:
        """The worst outcome among those of the figures; without any, nothing was measured that decides."""
        found = {figure.outcome for figure in self.figures}
        order = (CheckOutcome.FAIL, CheckOutcome.INCONCLUSIVE, CheckOutcome.PASS)
        return next((outcome for outcome in order if outcome in found), CheckOutcome.NOT_MEASURED)


def ahead(
    samples: Sequence[ProbedSample],
    better: str,
    worse: str,
    share_needed: float,
    lead_needed: float | None,
    suffix: str = "",
) -> tuple[Figure, ...]:
    """How often and how far one probe is ahead of another; nothing where no sample has both scores."""
    pairs = _pairs(samples, better, worse)
    if not pairs:
        return ()
    sources = [source for source, _, _ in pairs]
    differences = [one - other for _, one, other in pairs]
    share = preference_figure(f"ahead{suffix}", differences, sources, Threshold(">=", share_needed))
    needed = None if lead_needed is None else Threshold(">=", lead_needed)
    return (share, *lead(samples, better, worse, f"mean lead{suffix}", needed))


def lead(
    samples: Sequence[ProbedSample], better: str, worse: str, label: str, needed: Threshold | None = None
) -> tuple[Figure, ...]:
    """How far one probe is ahead of another on average; nothing where no sample has both scores."""
    pairs = _pairs(samples, better, worse)
    if not pairs:
        return ()
    sources, one, other = zip(*pairs, strict=True)
    return (lead_figure(label, one, other, sources, needed),)


def level(samples: Sequence[ProbedSample], name: str, needed: Threshold) -> tuple[Figure, ...]:
    """The mean score of a probe; nothing where no sample has one."""
    scored = [(sample.source, score) for sample in samples if (score := sample.score(name)) is not None]
    if not scored:
        return ()
    sources, scores = zip(*scored, strict=True)
    return (mean_figure("mean score", scores, sources, SCORES, needed),)


def moved(
    samples: Sequence[ProbedSample], name: str, by: float, suffix: str, needed: Threshold | None = None
) -> tuple[Figure, ...]:
    """The share of samples in which a probe's score is away from the target's, and how far on average; or nothing."""
    pairs = _pairs(samples, TARGET, name)
    if not pairs:
        return ()
    sources = [source for source, _, _ in pairs]
    shifts = [abs(one - other) for _, one, other in pairs]
    beyond = [float(shift > by) for shift in shifts]
    return (
        mean_figure(f"moved, {suffix}", beyond, sources, SHARES, needed),
        mean_figure(f"|shift|, {suffix}", shifts, sources, DIFFERENCES),
    )


def _pairs(samples: Sequence[ProbedSample], one: str, other: str) -> list[tuple[str, float, float]]:
    both = [(sample.source, sample.scores((one, other))) for sample in samples]
    return [(source, scores[0], scores[1]) for source, scores in both if scores]


def why_not(samples: Sequence[ProbedSample], targets: Targets, *names: str) -> str:
    """Why no sample has a score for each of these probes."""
    for name in names:
        made = [sample.results[name] for sample in samples if name in sample.results]
        if not made:
            return _not_made(samples, targets, name)
        if not scored(made):
            return commonest_reason(made)
    return "no sample has a score for " + " and ".join(names)


def _not_made(samples: Sequence[ProbedSample], targets: Targets, name: str) -> str:
    if (no_target := why_no_target(samples, targets)) is not None:
        return no_target
    borrows = name in (*WORDS, *PICTURES)
    lonely = "no two samples of a category differ in source and instruction"
    return lonely if borrows else "no such question was asked"


def why_no_target(samples: Sequence[ProbedSample], targets: Targets) -> str | None:
    """Why no sample has a right edit; None where one has."""
    if not samples:
        return "no sample could be probed; its bad samples say why"
    return None if any(TARGET in sample.results for sample in samples) else targets.absent


def scored(results: Iterable[SampleResult]) -> list[float]:
    """The scores among the results."""
    return [result.score for result in results if result.score is not None]


def commonest_reason(results: Iterable[SampleResult]) -> str:
    """The most frequent reason why there is no score."""
    reasons = Counter(f"{result.status}: {result.reason}" for result in results)
    return reasons.most_common(1)[0][0] if reasons else "there are no samples"
