"""EditScore's protocol, for each kind of model that its repository asks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from PIL import Image

from src.data.reward_model_protocols import EDITSCORE, EDITSCORE_API, EDITSCORE_QWEN25
from src.data.sample import EditSample
from src.models.vlm.official_prompts import OfficialFiles
from src.models.vlm.question import Delivery, Sampling
from src.rewards.core.judge_prompt import ReplyFormat
from src.rewards.scorers.protocols.pictures import like_the_source
from src.rewards.scorers.protocols.protocol import Call, Protocol, Shown
from src.rewards.scorers.protocols.replies import scaled, score_list

CONSISTENCY = ("prompt_following", "consistency")
QUALITY = ("naturalness", "no_artifacts")
_HIGHEST = 25
"""The highest number that the questions allow."""
_CONTEXT = "_context_no_delimit_reasoning_first"


class EditScore(Protocol):
    """`editscore@2025-11`, of VectorSpaceLab/EditScore, 2025-11-09: O = √(SC · PQ) on 0–10, mean over the passes.

    Two calls a pass, pictures first, then the text, no system role, temperature 0.7, top_p 0.9, top_k 20, 512 tokens,
    seed 42 and up by one a pass, pictures as PNG: prompt following and consistency of source and edit, naturalness and
    freedom from artifacts of the edit alone, all from 0 to 25 and divided by 2.5. SC and PQ are the lower of their two
    numbers. The edit is resized to the source's size. Asked are the Qwen3-VL models. What is not as published: see
    `EDITSCORE`.
    """

    facts = EDITSCORE
    FOLDER = EDITSCORE.short_name
    averages_scores = True
    labels: ClassVar[tuple[str, str]] = ("", "")
    """The words before the first and the second picture that a call shows."""
    delivery = Delivery(False, "png", sampling=Sampling(0.7, 512, top_p=0.9, top_k=20, seed=42))
    official = OfficialFiles(
        paths=("editscore/vie_prompts.py", "vie_prompts.py"),
        placeholders={"highest": "10", "instruction": "<instruction>"},  # the range goes in before the instruction
        style="replace",
        known={
            "14dee0ac57433f096ee3c44aa84577576f546c41df56e19b8d85ac44c175aa29": "VectorSpaceLab/EditScore 2025-11-09",
        },
    )
    texts: ClassVar[tuple[tuple[str, ...], tuple[str, ...]]] = (
        (_CONTEXT, "_prompts_0shot_two_image_edit_rule", "_prompts_0shot_tie_rule_SC"),
        (_CONTEXT, "_prompts_0shot_rule_PQ"),
    )
    """The names of the official texts of both calls."""

    def prepare(self, image: Image.Image, source: Image.Image) -> Image.Image:
        """The picture in the source's size."""
        return like_the_source(image, source)

    def calls(self, sample: EditSample, *, as_published: bool) -> list[Call]:
        """Consistency of both pictures, and quality of the edit."""
        first, second = self.labels
        consistency, quality = self.texts
        both = (Shown("source", first), Shown("edited", second))
        values = {"instruction": sample.instruction, "highest": str(_HIGHEST)}
        return [
            Call("consistency", consistency, both, CONSISTENCY, _of_25(CONSISTENCY), values),
            Call("quality", quality, (Shown("edited", first),), QUALITY, _of_25(QUALITY), values),
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


class EditScoreQwen25(EditScore):
    """`editscore-qwen25@2025-11`, the Qwen2.5-VL models of the same repository: EditScore-7B, -32B and -72B.

    As `editscore@2025-11`, but each picture comes after a label with its number. The system role is the one that the
    chat template of Qwen2.5-VL has by itself.
    """

    facts = EDITSCORE_QWEN25
    labels = ("<img1>: ", "<img2>: ")


class EditScoreAPI(EditScore):
    """`editscore-api@2025-11`, the models behind OpenAI's protocol in EditScore's table, which have no adapter.

    As `editscore@2025-11`, but text first, pictures as JPEG of Pillow's default quality 75, and neither temperature nor
    limit of tokens nor seed sent.
    """

    facts = EDITSCORE_API
    delivery = Delivery(True, "jpeg", 75, sampling=Sampling(temperature=None, max_tokens=None))


def _of_25(names: tuple[str, ...]) -> ReplyFormat:
    """Numbers from 0 to 25, as values from 0 to 10."""
    return scaled(score_list(names, 0, _HIGHEST), "divided by 2.5", lambda number: number / (_HIGHEST / 10))
