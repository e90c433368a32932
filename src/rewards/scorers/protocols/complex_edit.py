"""Complex-Edit's protocol."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from src.data.protocols import COMPLEX_EDIT
from src.data.sample import EditSample
from src.models.vlm.official_prompts import OfficialFiles
from src.models.vlm.question import Delivery, Sampling
from src.rewards.scorers.protocols.protocol import Call, Protocol, Shown
from src.rewards.scorers.protocols.replies import json_scores

ALIGNMENT = ("instruction_following", "identity_preservation")
QUALITY = ("perceptual_quality",)
_REASON_FIRST = "\nReason first, and then score."


class ComplexEdit(Protocol):
    """`complex-edit@2025-04`, of UCSC-VLAA/Complex-Edit, complex_edit/eval, 2025-04-22: the mean of three on 0–10.

    Two calls, each answered 20 times: alignment (rubric in the system role, then source, edit and instruction, with
    reasoning) and quality (rubric in the system role, then the edit alone, without a word and without reasoning).
    Temperature 1, 512 tokens, pictures as PNG with detail high, replies bound to a JSON schema. What is not as
    published: see `COMPLEX_EDIT`.
    """

    facts = COMPLEX_EDIT
    delivery = Delivery(False, "png", detail="high", sampling=Sampling(temperature=1.0, max_tokens=512))
    official = OfficialFiles(
        paths=("complex_edit/eval/prompt_alignment.py",),
        placeholders={"instruction": "instruction"},
        verbatim=frozenset({"ALIGNMENT_PROMPT_W_RUBRIC", "prompt_quality.PERCEPTUAL_QUALITY_PROMPT_W_RUBRIC_WO_INST"}),
        known={
            "935315d816b83d855dab99ed9399b7e82d6b7eebd2368a81d21974cd234fd382": "UCSC-VLAA/Complex-Edit 2025-04-22",
        },
        beside=("prompt_quality.py",),
    )
    repeats = 20

    def calls(self, sample: EditSample, *, as_published: bool) -> list[Call]:
        """Alignment of both pictures with the instruction, and quality of the edit."""
        return [
            Call(
                "alignment",
                ("PROMPT_TEMPLATE",),
                (Shown("source"), Shown("edited")),
                ALIGNMENT,
                json_scores(ALIGNMENT, 0, 10),
                {"instruction": sample.instruction},
                official_system=("ALIGNMENT_PROMPT_W_RUBRIC",),
                added_to_system=_REASON_FIRST,
                schema=_schema(ALIGNMENT, reasoning=True),
            ),
            Call(
                "quality",
                (),
                (Shown("edited"),),
                QUALITY,
                json_scores(QUALITY, 0, 10),
                official_system=("prompt_quality.PERCEPTUAL_QUALITY_PROMPT_W_RUBRIC_WO_INST",),
                schema=_schema(QUALITY, reasoning=False),
            ),
        ]

    def own_score(self, sample: EditSample, values: Mapping[str, float], *, as_published: bool) -> float:
        """The mean of the three."""
        return statistics.fmean(values[name] for name in (*ALIGNMENT, *QUALITY))


def _schema(names: tuple[str, ...], *, reasoning: bool) -> dict[str, Any]:
    """An object with one of the texts "0" to "10" for each name, after the reasoning."""
    scores = {name: {"type": "string", "enum": [str(score) for score in range(11)]} for name in names}
    properties = ({"reasoning": {"type": "string"}} if reasoning else {}) | scores
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
