"""The checks: what the scores of the probes say about a scorer, each with its threshold and what a failure means."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from src.audit import probes
from src.audit.figures import (
    CheckOutcome,
    Figure,
    Threshold,
    by_interval,
    by_value,
    lead_figure,
    mean_figure,
    preference_figure,
)
from src.audit.targets import Targets
from src.data.verdict import Status
from src.record.results import SampleResult
from src.reporting.statistics import SCORES, mean_interval

MOSTLY = Threshold(">=", 2 / 3)
"""Right edits must be ahead in two samples of three. Chance is 1/2: that as the threshold could hardly be failed."""
GOOD = Threshold(">=", 7.0)
"""Mean score of right edits."""
LOWER_HALF = Threshold("<", 5.0)
"""Mean score of unedited pictures: below the middle of the scale."""
FALLING = Threshold("<", 0.0)
"""Mean rank correlation of damage and score."""
EVERY_RUNG = Threshold(">", 0.0)
"""Fall of the mean score from each rung of a ladder to the next."""
MOST_NOISE = Threshold("<=", 1.0)
"""Standard deviation of the score of one and the same question: a tenth of the scale."""
LEAST_COVERAGE = Threshold(">=", 0.9)
"""Share of questions that get a score, of those that the scorer does not call inapplicable."""

CORRELATIONS = (-1.0, 1.0)
"""The scale of a rank correlation."""


@dataclass(frozen=True)
class ProbedSample:
    """One sample with the results of its probes."""

    source: Hashable
    """Identity of the source picture; samples that share one are not independent."""
    results: Mapping[str, SampleResult]
    """The result of each probe, by the name of the probe."""

    def score(self, name: str) -> float | None:
        """Returns the score of a probe; None where the probe was not made or has no score."""
        return self.results[name].score if name in self.results else None


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
    """Why the check, or a part of it, was not possible."""

    @property
    def outcome(self) -> CheckOutcome:
        """The worst outcome among those of the figures; without any, the check was not possible."""
        found = {figure.outcome for figure in self.figures}
        order = (CheckOutcome.FAIL, CheckOutcome.INCONCLUSIVE, CheckOutcome.PASS)
        return next((outcome for outcome in order if outcome in found), CheckOutcome.NOT_POSSIBLE)


def run_checks(samples: Sequence[ProbedSample], targets: Targets) -> list[Check]:
    """Makes all checks in the order of the table, also those that these samples do not allow."""
    return [
        _exact_target(samples, targets),
        _no_edit(samples, targets),
        _contrast(
            samples,
            targets,
            probes.SWAPPED,
            question="Does undoing the edit score less than making it?",
            meaning="the scorer does not tell before from after: undoing what was asked for is rewarded",
        ),
        _contrast(
            samples,
            targets,
            probes.WRONG_SOURCE,
            question="Does the same edit beside another sample's source score less?",
            meaning="the scorer does not look at the source image: an edit that loses the scene is not punished",
        ),
        _contrast(
            samples,
            targets,
            probes.SHUFFLED,
            question="Does the same edit under another sample's instruction score less?",
            meaning="the scorer does not heed the instruction: any plausible change is rewarded",
        ),
        _ladder(
            samples,
            targets,
            "blur",
            probes.BLUR_LADDER,
            meaning="the scorer does not see blur: an editor trained on it may turn soft unnoticed",
        ),
        _ladder(
            samples,
            targets,
            "jpeg",
            probes.JPEG_LADDER,
            meaning="the scorer does not see block artefacts: an editor trained on it may learn them unnoticed",
        ),
        _repeats(samples),
        _coverage(samples),
    ]


def _exact_target(samples: Sequence[ProbedSample], targets: Targets) -> Check:
    figures = _level(samples, probes.TARGET, GOOD) if targets.exact else ()
    unknown = "the targets are edits of a run, and nobody knows that they are right"
    reason = _why_not(samples, targets, probes.TARGET) if targets.exact else unknown
    return Check(
        name="exact_target",
        question="Does the exact result get a high score?",
        meaning="right edits get too few points: good editors look bad, and training cannot reach its reward",
        figures=figures,
        reason=None if figures else reason,
    )


def _no_edit(samples: Sequence[ProbedSample], targets: Targets) -> Check:
    ahead, level = _ahead(samples, probes.NO_EDIT), _level(samples, probes.NO_EDIT, LOWER_HALF)
    return Check(
        name="no_edit",
        question="Does the unedited source score low, and less than the target?",
        meaning="the scorer does not notice that nothing was edited: an editor that returns its input is rewarded",
        figures=(*ahead, *level),
        reason=None if ahead else _why_not(samples, targets, probes.TARGET, probes.NO_EDIT),
    )


def _contrast(samples: Sequence[ProbedSample], targets: Targets, name: str, *, question: str, meaning: str) -> Check:
    figures = _ahead(samples, name)
    reason = None if figures else _why_not(samples, targets, probes.TARGET, name)
    return Check(name, question, meaning, figures, reason)


def _ladder(
    samples: Sequence[ProbedSample], targets: Targets, name: str, rungs: tuple[str, ...], *, meaning: str
) -> Check:
    figures: tuple[Figure, ...] = ()
    whole = [(sample.source, scores) for sample in samples if (scores := _all_scores(sample, (probes.TARGET, *rungs)))]
    if whole:
        sources, ladders = zip(*whole, strict=True)
        falls = [
            lead_figure(
                f"fall to {rung}",
                [scores[step] for scores in ladders],
                [scores[step + 1] for scores in ladders],
                sources,
            )
            for step, rung in enumerate(rungs)
        ]
        figures = (
            *_ahead(samples, rungs[-1]),
            mean_figure("Kendall's tau", [kendall_tau_a(scores) for scores in ladders], sources, CORRELATIONS, FALLING),
            _every_rung(falls),
        )
    question = f"Does the score fall with every rung of damage ({', '.join(rungs)})?"
    return Check(
        name, question, meaning, figures, None if figures else _why_not(samples, targets, probes.TARGET, *rungs)
    )


def _every_rung(falls: Sequence[Figure]) -> Figure:
    """The smallest fall: fine when it is one, a failure only when the score surely rises or surely stays."""
    least = min(falls, key=lambda fall: fall.value)
    if EVERY_RUNG.met_by(least.value):
        return by_value(least.label, least.value, least.samples, EVERY_RUNG)
    return by_interval(least.label, least.value, least.interval, least.samples, EVERY_RUNG)


def _repeats(samples: Sequence[ProbedSample]) -> Check:
    groups = [(sample.source, _repeated(sample)) for sample in samples]
    varied = [(source, scores) for source, group in groups if len(scores := _scores(group)) > 1]
    return Check(
        name="repeat",
        question="Does the same question get the same score?",
        meaning="the score is noisy: ask several times (scorer.params.repeats) or lower the judge's temperature",
        figures=(*_noise(varied), *_replies([group for _, group in groups])) if varied else (),
        reason=None if varied else "no question was scored twice",
    )


def _noise(varied: Sequence[tuple[Hashable, list[float]]]) -> tuple[Figure, ...]:
    """The standard deviation within a sample, pooled over the samples."""
    variances = [statistics.variance(scores) for _, scores in varied]
    interval = mean_interval(variances, [source for source, _ in varied], scale=None)
    deviations = (math.sqrt(max(0.0, interval[0])), math.sqrt(interval[1])) if interval else None
    pooled = math.sqrt(statistics.fmean(variances))
    return (by_interval("std of score", pooled, deviations, len(varied), MOST_NOISE),)


def _replies(groups: Iterable[Sequence[SampleResult]]) -> tuple[Figure, ...]:
    """How often the words differ, and how often a reply had to be asked for again; nothing for wordless judges."""
    worded = [[result.replies for result in group if result.replies] for group in groups]
    worded = [replies for replies in worded if len(replies) > 1]
    if not worded:
        return ()
    differing = statistics.fmean(len(set(replies)) > 1 for replies in worded)
    # Whoever answers one question with more replies than another time was asked again.
    asked_again = [len(texts) > min(map(len, replies)) for replies in worded for texts in replies]
    return (
        Figure("replies differ", differing, None, len(worded)),
        Figure("asked again", statistics.fmean(asked_again), None, len(worded)),
    )


def _coverage(samples: Sequence[ProbedSample]) -> Check:
    results = [result for sample in samples for result in sample.results.values()]
    applicable = [result for result in results if result.status is not Status.NOT_APPLICABLE]
    scored = sum(result.status is Status.SCORED for result in applicable)
    return Check(
        name="coverage",
        question="Do the questions get a score at all?",
        meaning="too many questions stay without a score: means rest on what is easy to score (see the reasons below)",
        figures=(by_value("scored", scored / len(applicable), len(samples), LEAST_COVERAGE),) if applicable else (),
        reason=None if applicable else _commonest_reason(results),
    )


def _ahead(samples: Sequence[ProbedSample], name: str) -> tuple[Figure, ...]:
    """How often and how far the target is ahead of a probe; nothing where no sample has both scores."""
    pairs = [(sample.source, scores) for sample in samples if (scores := _all_scores(sample, (probes.TARGET, name)))]
    if not pairs:
        return ()
    sources = [source for source, _ in pairs]
    targets, others = ([scores[place] for _, scores in pairs] for place in (0, 1))
    differences = [target - other for target, other in zip(targets, others, strict=True)]
    return (
        preference_figure("target ahead", differences, sources, MOSTLY),
        lead_figure("mean lead", targets, others, sources),
    )


def _level(samples: Sequence[ProbedSample], name: str, needed: Threshold) -> tuple[Figure, ...]:
    scored = [(sample.source, score) for sample in samples if (score := sample.score(name)) is not None]
    if not scored:
        return ()
    sources, scores = zip(*scored, strict=True)
    return (mean_figure("mean score", scores, sources, SCORES, needed),)


def _all_scores(sample: ProbedSample, names: Iterable[str]) -> list[float]:
    """The scores of all these probes, or nothing when one has none."""
    scores = [sample.score(name) for name in names]
    return [] if None in scores else [score for score in scores if score is not None]


def _repeated(sample: ProbedSample) -> list[SampleResult]:
    first = probes.TARGET if probes.TARGET in sample.results else probes.NO_EDIT
    return [sample.results[name] for name in (first, *probes.REPEATED) if name in sample.results]


def _scores(results: Iterable[SampleResult]) -> list[float]:
    return [result.score for result in results if result.score is not None]


def _why_not(samples: Sequence[ProbedSample], targets: Targets, *names: str) -> str:
    """Why no sample has a score for each of these probes."""
    for name in names:
        made = [sample.results[name] for sample in samples if name in sample.results]
        if not made:
            lonely = "no two samples of a category differ in source and instruction"
            return targets.absent if name == probes.TARGET else lonely
        if not _scores(made):
            return _commonest_reason(made)
    return "no sample has a score for " + " and ".join(names)


def _commonest_reason(results: Iterable[SampleResult]) -> str:
    reasons = Counter(f"{result.status}: {result.reason}" for result in results)
    return reasons.most_common(1)[0][0] if reasons else "there are no samples"


def kendall_tau_a(scores: Sequence[float]) -> float:
    """Rank correlation (−1 to 1) of scores with their position: (rising − falling pairs) ÷ all pairs.

    Kendall's τ_a (Biometrika 30, 1938), in which ties count for neither side, so that it is defined for equal scores.

    Args:
        scores: At least two.
    """
    pairs = list(itertools.combinations(scores, 2))
    return sum((later > earlier) - (later < earlier) for earlier, later in pairs) / len(pairs)
