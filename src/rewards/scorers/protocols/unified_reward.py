"""UnifiedReward-Edit's protocol for a single edit."""

from __future__ import annotations

from PIL import Image

from src.data.reward_model_protocols import UNIFIEDREWARD_EDIT
from src.models.vlm.official_prompts import OfficialFiles
from src.models.vlm.question import Delivery, Sampling
from src.rewards.scorers.protocols.edit_score import EditScore


class UnifiedRewardEdit(EditScore):
    """`unifiedreward-edit@2026-06`, of CodeGoat24/UnifiedReward, UnifiedReward-Edit/, 2026-06-18: O = √(SC · PQ).

    The two calls of `editscore@2025-11`, pictures first, then the text, no system role, no temperature, 4096 tokens,
    pictures as JPEG of quality 95 with all their pixels. The repository publishes no formula: it is EditScore's, on
    0–10, as questions and data are. What is not as published: see `UNIFIEDREWARD_EDIT`.
    """

    facts = UNIFIEDREWARD_EDIT
    delivery = Delivery(False, "jpeg", 95, sampling=Sampling(temperature=None, max_tokens=4096))
    official = OfficialFiles(
        paths=(
            "UnifiedReward-Edit/edit_pointwise_instruction_following.py",
            "edit_pointwise_instruction_following.py",
        ),
        placeholders={"instruction": "{instruction}"},
        style="replace",
        known={
            "49dbf8654866c071925c16deb6e51c1e1c316fb2fbd7c6c158a964f7d9741832": "CodeGoat24/UnifiedReward 2026-06-18",
        },
        beside=("edit_pointwise_quality.py",),
    )
    texts = (("problem",), ("edit_pointwise_quality.problem",))

    def prepare(self, image: Image.Image, source: Image.Image) -> Image.Image:
        """The picture as it is."""
        return image
