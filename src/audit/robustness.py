"""What must not count: changes that nobody sees, and how many words the reply has."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from src.audit import probes
from src.audit.check import SHARES, Check, ProbedSample, moved, why_no_target, why_not
from src.audit.figures import Figure, Threshold, by_interval, mean_figure
from src.audit.targets import Targets
from src.config import AuditConfig
from src.data.verdict import Status
from src.record.results import SampleResult
from src.reporting.calibration.rank_correlation import spearman_rho
from src.reporting.calibration.resampling import cluster_numbers
from src.reporting.statistics import FEWEST_TO_RESAMPLE

_SHOWN_AS = dict(zip(probes.UNSEEN, ("±1 grey", "JPEG 95", "PNG again", "padding"), strict=True))


def stability(samples: Sequence[ProbedSample], targets: Targets, asked: AuditConfig) -> Check:
    """Whether the score of the target stays where it is under changes of its picture that nobody sees."""
    needed = Threshold("<=", asked.moved_share)
    figures = {name: moved(samples, name, asked.moved_by, shown, needed) for name, shown in _SHOWN_AS.items()}
    lacking = [f"{_SHOWN_AS[name]}: {why_not(samples, targets, name)}" for name, found in figures.items() if not found]
    found = tuple(figure for of_one in figures.values() for figure in of_one)
    return Check(
        name="stability",
        question=f"Does the score move by more than {asked.moved_by:g} under changes that nobody sees?",
        meaning="the score hangs on what nobody sees: pictures that look alike get other scores, and a training's "
        "rewards are noise",
        figures=found,
        reason="; ".join(lacking) or None if found else why_not(samples, targets, probes.TARGET, *probes.UNSEEN),
    )


def reply_length(samples: Sequence[ProbedSample], targets: Targets, asked: AuditConfig, not_cut: str | None) -> Check:
    """Whether replies of other lengths have other scores, and whether a reply that is cut off has another one.

    Args:
        samples: The probed samples.
        targets: The right edits.
        asked: The thresholds.
        not_cut: Why no reply was cut off; None where replies were.
    """
    correlation = _correlation(samples, asked.length_correlation)
    cut = _misread(samples, asked) if not_cut is None else not_cut
    reasons = [found for found in (correlation, cut) if isinstance(found, str)]
    if (no_target := why_no_target(samples, targets)) is not None:
        reasons = [no_target]
    return Check(
        name="reply_length",
        question="Is the score free of how long the reply is?",
        meaning="the score goes with the length of the reply, or is read from half a reply: raise the limit of tokens, "
        "and look at the replies",
        figures=tuple(figure for found in (correlation, cut) if not isinstance(found, str) for figure in found),
        reason="; ".join(reasons) or None,
    )


def _correlation(samples: Sequence[ProbedSample], most: float) -> tuple[Figure, ...] | str:
    """Spearman's rho over the targets: all are right edits, so that quality gives scores no reason to differ."""
    made = [(sample.source, sample.results[probes.TARGET]) for sample in samples if probes.TARGET in sample.results]
    told = [(source, result) for source, result in made if result.score is not None and result.replies]
    if not told:
        return "no reply was written whose length could count"
    sources = [source for source, _ in told]
    scores = np.array([result.score for _, result in told], dtype=np.float64)
    lengths = np.array([_letters(result) for _, result in told], dtype=np.float64)
    if not np.ptp(lengths):
        return "all replies are equally long"
    if not np.ptp(scores):
        return "all right edits have the same score"
    found = spearman_rho(scores, lengths, cluster_numbers(sources))
    assert found.value is not None
    rho, interval = found.value, found.ci95
    if math.isclose(abs(rho), 1) and len(set(sources)) >= FEWEST_TO_RESAMPLE:
        interval = (rho, rho)  # every resample has that order: an interval, as where all agree
    signed = by_interval("rho with length", rho, interval, len(told))
    folded = interval and _folded(interval)
    return signed, by_interval("|rho|", abs(rho), folded, len(told), Threshold("<=", most))


def _letters(result: SampleResult) -> int:
    """Letters of any script; digits are left out, or the score itself would make replies longer."""
    return sum(character.isalpha() for reply in result.replies for character in reply)


def _folded(interval: tuple[float, float]) -> tuple[float, float]:
    low, high = sorted(map(abs, interval))
    return (0.0 if interval[0] < 0 < interval[1] else low), high


def _misread(samples: Sequence[ProbedSample], asked: AuditConfig) -> tuple[Figure, ...] | str:
    """How often a reply that was cut off gets a score far from that of the whole; without a score it is not misread."""
    both = [
        (sample.source, sample.results[probes.TARGET], sample.results[probes.CUT_REPLY])
        for sample in samples
        if probes.CUT_REPLY in sample.results and sample.score(probes.TARGET) is not None
    ]
    cut = [(source, whole, half) for source, whole, half in both if whole.replies != half.replies]
    if not cut:
        return "no reply was shorter when it was cut off: lower audit.cut_tokens" if both else "no reply was cut off"
    sources = [source for source, _, _ in cut]
    misread = [_is_away(whole, half, asked.moved_by) for _, whole, half in cut]
    scored = [float(half.status is Status.SCORED) for _, _, half in cut]
    return (
        mean_figure("moved when cut", misread, sources, SHARES, Threshold("<=", asked.moved_share)),
        mean_figure("scored when cut", scored, sources, SHARES),
    )


def _is_away(whole: SampleResult, half: SampleResult, by: float) -> float:
    assert whole.score is not None
    return float(half.score is not None and abs(half.score - whole.score) > by)
