"""GEdit-Bench's protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping

from PIL import Image

from src.data.protocols import GEDIT, GEDIT_QWEN
from src.data.sample import EditSample
from src.models.vlm.official_prompts import OfficialFiles
from src.models.vlm.question import Delivery, Sampling
from src.rewards.scorers.protocols.pictures import like_the_source
from src.rewards.scorers.protocols.protocol import Call, Protocol, Shown
from src.rewards.scorers.protocols.replies import score_list

CONSISTENCY = ("success", "no_overediting")
QUALITY = ("naturalness", "no_artifacts")
_CONTEXT = "_context_no_delimit"


class GEdit(Protocol):
    """`gedit@2025-05`, of stepfun-ai/Step1X-Edit, GEdit-Bench/, 2025-05-22: O = √(SC · PQ) on 0–10.

    Two calls, text first, no system role, no temperature, 1400 tokens, pictures as JPEG of Pillow's default quality 75:
    SC = min(success, no over-editing) from source and edit, PQ = min(naturalness, no artifacts) from the edit alone.
    The edit is resized to the source's size. What is not as published: see `GEDIT`.
    """

    facts = GEDIT
    delivery = Delivery(True, "jpeg", 75, sampling=Sampling(temperature=None, max_tokens=1400))
    official = OfficialFiles(
        paths=("GEdit-Bench/viescore/vie_prompts.py", "viescore/vie_prompts.py"),
        placeholders={"instruction": "<instruction>"},
        style="replace",
        known={"010234af186eb0a70fcb99047cd32ad1da01bed59ca1a95a01335426417cf838": "stepfun-ai/Step1X-Edit 2025-05-22"},
    )

    def prepare(self, image: Image.Image, source: Image.Image) -> Image.Image:
        """The picture in the source's size."""
        return like_the_source(image, source)

    def calls(self, sample: EditSample, *, as_published: bool) -> list[Call]:
        """Consistency of both pictures, and quality of the edit."""
        return [
            Call(
                "consistency",
                (_CONTEXT, "_prompts_0shot_two_image_edit_rule", "_prompts_0shot_tie_rule_SC"),
                (Shown("source"), Shown("edited")),
                CONSISTENCY,
                score_list(CONSISTENCY, 0, 10),
                {"instruction": sample.instruction},
            ),
            Call(
                "quality",
                (_CONTEXT, "_prompts_0shot_rule_PQ"),
                (Shown("edited"),),
                QUALITY,
                score_list(QUALITY, 0, 10),
            ),
        ]

    def own_score(self, sample: EditSample, values: Mapping[str, float], *, as_published: bool) -> float:
        """√(SC · PQ)."""
        derived = self.derived(values)
        return math.sqrt(derived["semantic_consistency"] * derived["perceptual_quality"])

    def derived(self, values: Mapping[str, float]) -> dict[str, float]:
        """SC and PQ, each the lower of two values."""
        return {
            "semantic_consistency": min(values[name] for name in CONSISTENCY),
            "perceptual_quality": min(values[name] for name in QUALITY),
        }


class GEditQwen(GEdit):
    """`gedit-qwen@2025-05`, the second backbone of the same script: Qwen2.5-VL-72B-Instruct-AWQ on one's own machine.

    As `gedit@2025-05`, but with the pictures first, as PNG, decoded greedily, and at most 512 tokens.
    """

    facts = GEDIT_QWEN
    delivery = Delivery(False, "png", sampling=Sampling(temperature=0.0, max_tokens=512))
    FOLDER = GEDIT.short_name
