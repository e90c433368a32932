"""FIRM-Edit's protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping

from src.data.reward_model_protocols import FIRM_EDIT
from src.data.sample import EditSample
from src.models.vlm.official_prompts import OfficialFiles
from src.models.vlm.question import Delivery, Sampling
from src.rewards.scorers.protocols.protocol import Call, Protocol, Shown
from src.rewards.scorers.protocols.replies import scaled, score_list

_BASE, _BONUS = 0.6, 0.4
"""The weights of execution alone, and of execution times consistency."""


class FirmEdit(Protocol):
    """`firm-edit@2026-03`, of VisionXLab/FIRM-Reward, editing/, 2026-03-13: E · (0.6 + 0.4 · C) on 0–1.

    Two calls, each of source, edit and then the text, no system role, temperature 0, 256 tokens, pictures as JPEG of
    Pillow's default quality 75: execution and consistency, 1 to 5. E and C are the two as (s − 1) / 4: consistency
    counts as far as the instruction was carried out alone. What is not as published: see `FIRM_EDIT`.
    """

    facts = FIRM_EDIT
    averages_scores = True
    delivery = Delivery(False, "jpeg", 75, sampling=Sampling(temperature=0.0, max_tokens=256))
    official = OfficialFiles(
        paths=("editing/reward_server/prompt_template.py", "reward_server/prompt_template.py"),
        placeholders={"instruction": "prompt"},
        known={"cf383a14f08c335611f03996a7b89da42a8897ed9b59bcd89fc0c9c68e2f567b": "VisionXLab/FIRM-Reward 2026-03-13"},
    )

    def calls(self, sample: EditSample, *, as_published: bool) -> list[Call]:
        """Execution and consistency."""
        return [
            _call("execution", "SCORE_EXECUTION", sample, as_published=as_published),
            _call("consistency", "SCORE_CONSISTENCY", sample, as_published=as_published),
        ]

    def own_score(self, sample: EditSample, values: Mapping[str, float], *, as_published: bool) -> float:
        """Execution, modulated by consistency."""
        execution, consistency = ((values[name] - 1) / 4 for name in ("execution", "consistency"))
        return execution * (_BASE + _BONUS * consistency)


def _call(name: str, official: str, sample: EditSample, *, as_published: bool) -> Call:
    reply = score_list((name,), 1, 5)
    if as_published:
        reply = scaled(reply, "without its fraction", math.floor)
    shown = (Shown("source"), Shown("edited"))
    return Call(name, (official,), shown, (name,), reply, {"instruction": sample.instruction})
