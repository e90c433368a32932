"""What the miniature policy is taught to write: rewrites in the right form, more often imprecise than not.

A policy for reinforcement learning has to be imperfect in a way that practice can mend. Here a *careful* rewrite thinks
first and then says what to draw; a *lazy* one thinks nothing and is most often so vague that the editor cannot follow.
The lazy forms are few, so that each is likelier than any careful one where the shares below let it be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from src.miniature.world.benchmark import TRAINING_SEEDS
from src.miniature.world.edits import DIFFICULTIES, MiniatureEdit, make_edit
from src.miniature.world.phrasing import Words
from src.models.vlm.prompts import Language
from src.models.vlm.tags import REWRITE_TAGS

LAZY_SHARE = dict(zip(DIFFICULTIES, (0.50, 0.70, 0.75), strict=True))
"""How often a rewrite is lazy: the more there is to infer, the more often. Above one half the likeliest rewrite is
lazy; it stays well below one, so that sampling finds the careful one."""
VAGUE_SHARE, PARTIAL_SHARE = 0.75, 0.15
"""Shares of the lazy rewrites that only repeat that there is a wish, and that name its first demand alone. The rest
speaks of another edit. Another colour or side would do no harm: there the miniature editor goes by the picture."""
LAZY_THOUGHT = Words("The picture has to fit the wish.", "画面要符合要求。")
VAGUE = Words("Change the picture so that it fits the wish.", "把画面改成符合要求的样子。")

_FIRST_DEMAND = re.compile("[^;,；，、。]+")


@dataclass(frozen=True)
class TaughtRewrite:
    """One answer that training shows for an edit.

    Attributes:
        thought: What stands in `<CoT>`.
        instruction: What stands in `<Re_edit>`.
    """

    thought: str
    instruction: str

    def completion(self) -> str:
        """The text that the policy has to write, as `src.models.vlm.tags.read_rewrite` reads it."""
        thought, instruction = REWRITE_TAGS
        return f"<{thought}>{self.thought}</{thought}>\n<{instruction}>{self.instruction}</{instruction}>"


def noisy_rewrite(rng: np.random.Generator, edit: MiniatureEdit, language: Language) -> TaughtRewrite:
    """Draws a rewrite of `edit`, careful or lazy by `LAZY_SHARE`."""
    if rng.random() < LAZY_SHARE[edit.difficulty]:
        return _lazy(rng, edit, language)
    return careful_rewrite(edit, language)


def careful_rewrite(edit: MiniatureEdit, language: Language) -> TaughtRewrite:
    """Why the result looks as it does, then what to draw."""
    return TaughtRewrite(getattr(edit, f"rationale_{language}"), getattr(edit, f"explicit_{language}"))


def _lazy(rng: np.random.Generator, edit: MiniatureEdit, language: Language) -> TaughtRewrite:
    kind = rng.random()
    if kind < VAGUE_SHARE:
        instruction = getattr(VAGUE, language)
    elif kind < VAGUE_SHARE + PARTIAL_SHARE:
        instruction = first_demand(getattr(edit, f"explicit_{language}"))
    else:
        other = make_edit(edit.category, "easy", int(rng.integers(TRAINING_SEEDS.start, TRAINING_SEEDS.stop)))
        instruction = getattr(other, f"explicit_{language}")
    return TaughtRewrite(getattr(LAZY_THOUGHT, language), instruction)


def first_demand(instruction: str) -> str:
    """The part of an English or Chinese instruction before its first comma or semicolon, as a sentence."""
    first = _FIRST_DEMAND.match(instruction)
    assert first is not None, "wordings of the miniature world begin with a word"
    return first[0].rstrip(".") + ("." if instruction.endswith(".") else "。")
