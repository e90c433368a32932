"""What the miniature policy is taught to write: why the result looks as it does, then what to draw."""

from __future__ import annotations

from dataclasses import dataclass

from src.miniature.world.edits import MiniatureEdit
from src.models.vlm.prompts import Language
from src.models.vlm.tags import REWRITE_TAGS


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


def faithful_rewrite(edit: MiniatureEdit, language: Language) -> TaughtRewrite:
    """The reason of an edit and its explicit wording, both in one language."""
    return TaughtRewrite(getattr(edit, f"rationale_{language}"), getattr(edit, f"explicit_{language}"))
