"""The class path that the older benchmark's template names for its placeholder of a judge."""

from __future__ import annotations

import hashlib
import logging
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from src.models.base import ModelParams
from src.models.reward.base_reward import BaseRewardModel

logger = logging.getLogger(__name__)

LOWEST, HIGHEST = 5.0, 9.0


class ExampleRewardModel(BaseRewardModel):
    """Draws a score between 5 and 9 for each edit without looking at it: the control of a judge that knows nothing.

    The draw follows from edit and instruction, so that equal edits get equal scores and a run can be repeated. None of
    the params does anything.
    """

    needs_prompts: ClassVar[bool] = False

    class Params(ModelParams):
        """The keys of the older template, none of which does anything."""

        model_name: str = ""
        device: str = ""
        temperature: float = 0.0

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = BaseRewardModel.NOT_IN_IDENTITY | {"model_name", "temperature"}

    @classmethod
    def devices(cls, params: dict[str, Any]) -> list[str]:
        """An empty list: nothing is computed, whichever device the template names."""
        return []

    def _initialize(self) -> None:
        logger.warning(
            "ExampleRewardModel draws its scores at random: they say nothing about the edits; name a real judge under "
            "reward_model, e.g. src.models.reward.implementations.qwen3_vl_reward.Qwen3VLRewardModel"
        )

    def score(
        self,
        edited_image: Image.Image,
        original_description: str,
        edit_instruction: str,
        system_prompt: str,
        user_prompt: str,
        original_image: Image.Image | None = None,
        **kwargs: Any,
    ) -> float:
        """A number between 5 and 9, uniform over edits and instructions."""
        content = hashlib.sha256(edit_instruction.encode("utf-8", "surrogatepass") + b"\0" + edited_image.tobytes())
        draw = np.random.default_rng(int.from_bytes(content.digest()))
        return float(draw.uniform(LOWEST, HIGHEST))
