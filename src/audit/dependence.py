"""What the score depends on: instruction, rationale, source, edited picture, and which picture comes first."""

from __future__ import annotations

from collections.abc import Sequence

from src.audit import probes
from src.audit.check import Check, ProbedSample, ahead, lead, moved, why_not
from src.audit.figures import Threshold
from src.audit.targets import Targets
from src.config import AuditConfig


def dependences(samples: Sequence[ProbedSample], targets: Targets, asked: AuditConfig) -> list[Check]:
    """One check for each thing on which the score may depend."""
    return [
        _instruction(samples, targets, asked),
        _rationale(samples, targets, asked),
        _source(samples, targets, asked),
        _picture(samples, targets, asked),
        _order(samples, targets, asked),
    ]


def _instruction(samples: Sequence[ProbedSample], targets: Targets, asked: AuditConfig) -> Check:
    """With the own rationale, and with none, must it count; a foreign one may spoil the score for either."""
    own = ahead(samples, probes.TARGET, probes.FOREIGN_INSTRUCTION, asked.target_ahead, asked.lead)
    alone = ahead(
        samples, probes.NO_RATIONALE, probes.FOREIGN_INSTRUCTION_ALONE, asked.target_ahead, asked.lead, ", no rationale"
    )
    foreign = lead(samples, probes.FOREIGN_RATIONALE, probes.SHUFFLED, "mean lead, foreign r.")
    return Check(
        name="instruction",
        question="Does the same edit under another sample's instruction score less, whatever the rationale?",
        meaning="the scorer does not heed the instruction: any plausible change, or whatever the rationale tells, is "
        "rewarded",
        figures=(*own, *alone, *foreign),
        reason=None if own else why_not(samples, targets, probes.TARGET, probes.FOREIGN_INSTRUCTION),
    )


def _rationale(samples: Sequence[ProbedSample], targets: Targets, asked: AuditConfig) -> Check:
    needed = Threshold(">=", -asked.rationale_lead)
    against = lead(samples, probes.FOREIGN_RATIONALE, probes.FOREIGN_INSTRUCTION, "instruction − r.", needed)
    told = any(probes.NO_RATIONALE in sample.results for sample in samples)
    names = (probes.TARGET, probes.FOREIGN_RATIONALE, probes.FOREIGN_INSTRUCTION)
    lacking = why_not(samples, targets, *names) if told else "the samples have no rationale"
    return Check(
        name="rationale",
        question="Where instruction and rationale contradict each other, does the instruction count at least as much?",
        meaning="the scorer follows the rationale against the user's words: a wrong one decides",
        figures=(
            *lead(samples, probes.TARGET, probes.FOREIGN_RATIONALE, "lead over foreign"),
            *lead(samples, probes.TARGET, probes.NO_RATIONALE, "lead over none"),
            *against,
        ),
        reason=None if against else lacking,
    )


def _source(samples: Sequence[ProbedSample], targets: Targets, asked: AuditConfig) -> Check:
    foreign = ahead(samples, probes.TARGET, probes.WRONG_SOURCE, asked.target_ahead, asked.lead)
    blank = lead(samples, probes.TARGET, probes.BLANK_SOURCE, "mean lead, blank")
    return Check(
        name="source",
        question="Does the same edit beside another sample's source score less?",
        meaning="the scorer does not look at the source image: an edit that loses the scene is not punished",
        figures=(*foreign, *blank),
        reason=None if foreign else why_not(samples, targets, probes.TARGET, probes.WRONG_SOURCE),
    )


def _picture(samples: Sequence[ProbedSample], targets: Targets, asked: AuditConfig) -> Check:
    figures = ahead(samples, probes.TARGET, probes.FOREIGN_PICTURE, asked.target_ahead, asked.lead)
    return Check(
        name="picture",
        question="Does another sample's edit in place of the own one score less?",
        meaning="the scorer does not look at the edited picture: the words alone decide",
        figures=figures,
        reason=None if figures else why_not(samples, targets, probes.TARGET, probes.FOREIGN_PICTURE),
    )


def _order(samples: Sequence[ProbedSample], targets: Targets, asked: AuditConfig) -> Check:
    figures = ahead(samples, probes.TARGET, probes.SWAPPED, asked.target_ahead, asked.lead)
    labelled = moved(samples, probes.REORDERED, asked.moved_by, "edit first")
    return Check(
        name="order",
        question="Does undoing the edit score less than making it?",
        meaning="the scorer does not tell before from after: undoing what was asked for is rewarded",
        figures=(*figures, *labelled),
        reason=None if figures else why_not(samples, targets, probes.TARGET, probes.SWAPPED),
    )
