"""The checks: what the scores of the probes say about a scorer, each with its threshold and what a failure means."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Hashable, Iterable, Sequence

from src.audit import probes
from src.audit.check import Check, ProbedSample, ahead, commonest_reason, level, scored, why_not
from src.audit.dependence import dependences
from src.audit.figures import Figure, Threshold, by_interval, by_value, lead_figure, mean_figure
from src.audit.robustness import reply_length, stability
from src.audit.targets import Targets
from src.config import AuditConfig
from src.data.verdict import Status
from src.record.results import SampleResult
from src.reporting.statistics import mean_interval

FALLING = Threshold("<", 0.0)
"""Mean rank correlation of damage and score."""
EVERY_RUNG = Threshold(">", 0.0)
"""Fall of the mean score from each rung of a ladder to the next."""

CORRELATIONS = (-1.0, 1.0)
"""The scale of a rank correlation."""


def run_checks(
    samples: Sequence[ProbedSample], targets: Targets, asked: AuditConfig, not_cut: str | None = None
) -> list[Check]:
    """Makes all checks in the order of the table, also those that these samples do not allow.

    Args:
        samples: The probed samples.
        targets: The right edits.
        asked: The thresholds.
        not_cut: Why the judge was not asked once more with replies that are cut off; None where it was.
    """
    return [
        _exact_target(samples, targets, asked),
        _no_edit(samples, targets, asked),
        *dependences(samples, targets, asked),
        _ladder(
            samples,
            targets,
            asked,
            "blur",
            probes.BLUR_LADDER,
            meaning="the scorer does not see blur: an editor trained on it may turn soft unnoticed",
        ),
        _ladder(
            samples,
            targets,
            asked,
            "jpeg",
            probes.JPEG_LADDER,
            meaning="the scorer does not see block artefacts: an editor trained on it may learn them unnoticed",
        ),
        stability(samples, targets, asked),
        reply_length(samples, targets, asked, not_cut),
        _repeats(samples, asked),
        _coverage(samples, asked),
    ]


def _exact_target(samples: Sequence[ProbedSample], targets: Targets, asked: AuditConfig) -> Check:
    good = Threshold(">=", asked.target_score)
    figures = level(samples, probes.TARGET, good) if targets.exact else ()
    unknown = "the targets are edits of a run, and nobody knows that they are right"
    reason = why_not(samples, targets, probes.TARGET) if targets.exact else unknown
    return Check(
        name="exact_target",
        question="Does the exact result get a high score?",
        meaning="right edits get too few points: good editors look bad, and training cannot reach its reward",
        figures=figures,
        reason=None if figures else reason,
    )


def _no_edit(samples: Sequence[ProbedSample], targets: Targets, asked: AuditConfig) -> Check:
    loses = ahead(samples, probes.TARGET, probes.NO_EDIT, asked.target_ahead, asked.lead)
    is_low = level(samples, probes.NO_EDIT, Threshold("<", asked.no_edit_score))
    return Check(
        name="no_edit",
        question="Does the unedited source score low, and less than the target?",
        meaning="the scorer does not notice that nothing was edited: an editor that returns its input is rewarded",
        figures=(*loses, *is_low),
        reason=None if loses else why_not(samples, targets, probes.TARGET, probes.NO_EDIT),
    )


def _ladder(
    samples: Sequence[ProbedSample],
    targets: Targets,
    asked: AuditConfig,
    name: str,
    rungs: tuple[str, ...],
    *,
    meaning: str,
) -> Check:
    figures: tuple[Figure, ...] = ()
    whole = [(sample.source, scores) for sample in samples if (scores := sample.scores((probes.TARGET, *rungs)))]
    if whole:
        sources, ladders = zip(*whole, strict=True)
        steps = list(zip(*ladders, strict=True))
        falls = [
            lead_figure(f"fall to {rung}", steps[place], steps[place + 1], sources) for place, rung in enumerate(rungs)
        ]
        figures = (
            *ahead(samples, probes.TARGET, rungs[-1], asked.target_ahead, None),
            mean_figure("Kendall's tau", [kendall_tau_a(scores) for scores in ladders], sources, CORRELATIONS, FALLING),
            _every_rung(falls),
        )
    question = f"Does the score fall with every rung of damage ({', '.join(rungs)})?"
    return Check(
        name, question, meaning, figures, None if figures else why_not(samples, targets, probes.TARGET, *rungs)
    )


def _every_rung(falls: Sequence[Figure]) -> Figure:
    """The smallest fall: fine when it is one, a failure only when the score surely rises or surely stays."""
    least = min(falls, key=lambda fall: fall.value)
    if EVERY_RUNG.met_by(least.value):
        return by_value(least.label, least.value, least.samples, EVERY_RUNG)
    return by_interval(least.label, least.value, least.interval, least.samples, EVERY_RUNG)


def _repeats(samples: Sequence[ProbedSample], asked: AuditConfig) -> Check:
    groups = [(sample.source, _repeated(sample)) for sample in samples]
    varied = [(source, scores) for source, group in groups if len(scores := scored(group)) > 1]
    return Check(
        name="repeat",
        question="Does the same question get the same score?",
        meaning="the score is noisy: ask several times (scorer.params.repeats) or lower the judge's temperature",
        figures=(*_noise(varied, asked.noise), *_replies([group for _, group in groups])) if varied else (),
        reason=None if varied else "no question was scored twice",
    )


def _noise(varied: Sequence[tuple[Hashable, list[float]]], most: float) -> tuple[Figure, ...]:
    """The standard deviation within a sample, pooled over the samples."""
    variances = [statistics.variance(scores) for _, scores in varied]
    interval = mean_interval(variances, [source for source, _ in varied], scale=None)
    deviations = (math.sqrt(max(0.0, interval[0])), math.sqrt(interval[1])) if interval else None
    pooled = math.sqrt(statistics.fmean(variances))
    return (by_interval("std of score", pooled, deviations, len(varied), Threshold("<=", most)),)


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


def _coverage(samples: Sequence[ProbedSample], asked: AuditConfig) -> Check:
    # A reply that was cut off on purpose is right to hold no score.
    results = [one for sample in samples for name, one in sample.results.items() if name != probes.CUT_REPLY]
    applicable = [result for result in results if result.status is not Status.NOT_APPLICABLE]
    count = sum(result.status is Status.SCORED for result in applicable)
    needed = Threshold(">=", asked.coverage)
    return Check(
        name="coverage",
        question="Do the questions get a score at all?",
        meaning="too many questions stay without a score: means rest on what is easy to score (see the reasons below)",
        figures=(by_value("scored", count / len(applicable), len(samples), needed),) if applicable else (),
        reason=None if applicable else commonest_reason(results),
    )


def _repeated(sample: ProbedSample) -> list[SampleResult]:
    first = probes.TARGET if probes.TARGET in sample.results else probes.NO_EDIT
    return [sample.results[name] for name in (first, *probes.REPEATED) if name in sample.results]


def kendall_tau_a(scores: Sequence[float]) -> float:
    """Rank correlation (−1 to 1) of scores with their position: (rising − falling pairs) ÷ all pairs.

    Kendall's τ_a (Biometrika 30, 1938), in which ties count for neither side, so that it is defined for equal scores.

    Args:
        scores: At least two.
    """
    pairs = list(itertools.combinations(scores, 2))
    return sum((later > earlier) - (later < earlier) for earlier, later in pairs) / len(pairs)
