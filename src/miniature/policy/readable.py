"""Whether a rewrite of the miniature policy can be read: in form, in the world's own sentences, without repeats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from src.miniature.world.grammar import has_repeats, is_of_the_world
from src.models.vlm.tags import read_rewrite

FORM = "form"
"""The fault of a completion that breaks a rule of the tags, so that nothing is edited."""
GRAMMAR = "grammar"
"""The fault of an instruction that is no explicit wording of the world, or mixes its languages."""
REPEATS = "repeats"
"""The fault of saying something twice in a row, or of giving one instruction twice."""


@dataclass(frozen=True)
class Readability:
    """How many of some rewrites can be read.

    Attributes:
        rewrites: How many there are.
        unreadable: The share with at least one fault, 0–1.
        faults: The share with each fault; a rewrite may have several.
        foreign_thoughts: The share whose thought is no sentence by which the world gives reasons. No fault: the editor
            does not read it.
    """

    rewrites: int
    unreadable: float
    faults: dict[str, float]
    foreign_thoughts: float


def rewrite_faults(completion: str) -> tuple[str, ...]:
    """The faults of a policy's completion: `FORM` alone, or those of `GRAMMAR` and `REPEATS` that it has."""
    rewrite = read_rewrite(completion)
    if rewrite.problems:
        return (FORM,)
    told, thought = rewrite.instructions, rewrite.thought
    foreign = not all(is_of_the_world(instruction, "explicit") for instruction in told)
    repeating = len(set(told)) < len(told) or any(map(has_repeats, told))
    repeating = repeating or (has_repeats(thought) and not is_of_the_world(thought, "rationale"))
    return (GRAMMAR,) * foreign + (REPEATS,) * repeating


def readability(completions: Iterable[str]) -> Readability:
    """Reads completions of a policy.

    Args:
        completions: At least one, without special tokens.
    """
    written = list(completions)
    found = [rewrite_faults(completion) for completion in written]
    thoughts = [read_rewrite(completion).thought for completion in written]
    count = len(written)
    return Readability(
        rewrites=count,
        unreadable=sum(map(bool, found)) / count,
        faults={fault: sum(fault in faults for faults in found) / count for fault in (FORM, GRAMMAR, REPEATS)},
        foreign_thoughts=sum(not is_of_the_world(thought, "rationale") for thought in thoughts) / count,
    )
