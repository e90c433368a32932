"""`Qwen3VLRewardModel`: a vision-language checkpoint in this process as the judge."""

from __future__ import annotations

import logging
from typing import ClassVar

from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.transformers_model import TransformersModel

logger = logging.getLogger(__name__)

WITHOUT_EFFECT = ("conda_env", "python_path", "script_path", "timeout")
"""Params of older configs, which ran the judge in a process of its own."""


class Qwen3VLRewardModel(TransformersModel, VisionLanguageJudge):
    """Any checkpoint that a `TransformersModel` loads judges edits: Qwen3-VL, Qwen2.5-VL and others."""

    class Params(TransformersModel.Params):
        """Every key of the older benchmark is accepted; `WITHOUT_EFFECT` lists those that do nothing."""

        model_name: str = "Qwen/Qwen3-VL-30B-A3B-Instruct"
        compare_with_original: bool = True
        """Show the source image before the edit."""
        compare_with_reference: bool = True
        """Show the reference image, where there is one, after the edit, to rubrics that speak of it."""
        use_batch_inference: bool = True
        """False asks one question at a time."""
        conda_env: str | None = None
        python_path: str | None = None
        script_path: str | None = None
        timeout: float | None = None

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = (
        TransformersModel.NOT_IN_IDENTITY | {"use_batch_inference"} | set(WITHOUT_EFFECT)
    )

    def _initialize(self) -> None:
        if ignored := [name for name in WITHOUT_EFFECT if self.config.get(name) is not None]:
            logger.info("reward_model.params: %s have no effect; the judge runs in this process", ", ".join(ignored))
        super()._initialize()
        if not self.params.use_batch_inference:
            self.batch_size = self._rows = 1
