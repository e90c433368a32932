"""RationalRewards' protocol."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from src.data.reward_model_protocols import RATIONALREWARDS
from src.data.sample import EditSample
from src.models.vlm.official_prompts import OfficialFiles
from src.models.vlm.question import Delivery, Sampling
from src.rewards.scorers.protocols.aspects import aspect_scores, aspects_as_published
from src.rewards.scorers.protocols.protocol import Call, Protocol, Shown

ASPECTS = {
    "text_faithfulness": "text faithfulness",
    "image_faithfulness": "image faithfulness",
    "physical_quality": "physical and visual quality",
    "text_rendering": "text rendering",
}
"""The heading of each aspect in a reply."""


class RationalRewards(Protocol):
    """`rationalrewards@2026-04`, of TIGER-AI-Lab/RationalRewards, 2026-04-16: the mean of 1–4, mapped to 0–1.

    One call with a system role: a text with source and edit in their places, as PNG with all their pixels, temperature
    0.1, 2048 tokens. The reply is a critique with a score for each aspect, text rendering where it applies; the better
    wording of the request, which it ends with, stays in the reply. Score: (mean of the aspects − 1) / 3. What is not as
    published: see `RATIONALREWARDS`.
    """

    facts = RATIONALREWARDS
    averages_scores = True
    delivery = Delivery(False, "png", sampling=Sampling(temperature=0.1, max_tokens=2048))
    official = OfficialFiles(
        paths=(
            "diffusion_rl_training/train_qwen_edit_rationalrewards.py",
            "train_qwen_edit_rationalrewards.py",
        ),
        placeholders={"instruction": "request"},
        verbatim=frozenset({"SYSTEM_PROMPT", "COMMON_TASK_GUIDELINE"}),
        known={
            "fe4bb980e2c798a331aa35cb385ad6256c8a04b5edfff557437d249502b69d9d": (
                "TIGER-AI-Lab/RationalRewards 2026-04-16"
            ),
        },
        between="\n\n",
    )

    def calls(self, sample: EditSample, *, as_published: bool) -> list[Call]:
        """The critique."""
        reply = aspects_as_published(ASPECTS, 1, 4) if as_published else aspect_scores(ASPECTS, 1, 4, "text_rendering")
        return [
            Call(
                "critique",
                ("TASK_RELATED_TEMPLATE", "COMMON_TASK_GUIDELINE"),
                (Shown("source"), Shown("edited")),
                tuple(ASPECTS),
                reply,
                {"instruction": sample.instruction},
                official_system=("SYSTEM_PROMPT",),
                places_pictures=True,
            )
        ]

    def own_score(self, sample: EditSample, values: Mapping[str, float], *, as_published: bool) -> float:
        """The mean of the aspects that have a value, from 1–4 to 0–1."""
        return (statistics.fmean(values[name] for name in ASPECTS if name in values) - 1) / 3
