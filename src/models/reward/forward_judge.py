"""`ForwardJudge`: what judges share that read an edit in forward passes of a checkpoint and write no words."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import pydantic
from PIL import Image

from src.models.checkpoint_model import CheckpointModel, CheckpointParams
from src.models.reward.base_reward import BaseRewardModel, Judgement, JudgeRequest
from src.models.vlm.attention import require_attention


class ForwardJudge(CheckpointModel, BaseRewardModel):
    """Source, edit and instruction in, a score out, several edits in a pass.

    A subclass loads its weights into `self.model` on `self.device`, and judges in `judge_batch`.
    """

    needs_prompts: ClassVar[bool] = False

    class Params(CheckpointParams):
        """Which checkpoint, and where and how it computes."""

        device: str = "auto"
        use_flash_attention: bool = False
        """Use the package flash-attn instead of torch's own attention."""
        batch_size: int = pydantic.Field(8, ge=1)
        """Number of edits that are judged at once."""

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = CheckpointModel.NOT_IN_IDENTITY | {"use_flash_attention"}
    device: str
    model: Any

    @classmethod
    def check_ready(cls, params: dict[str, Any]) -> None:
        """Raises `ConfigError` when the package of `use_flash_attention` is missing."""
        if cls.Params(**params).use_flash_attention:
            require_attention("flash_attention_2", "reward_model.params.use_flash_attention")

    @classmethod
    def stated_usage(cls, params: dict[str, Any]) -> frozenset[str]:
        """Every answer states its calls."""
        return frozenset({"calls"})

    @abstractmethod
    def judge_batch(self, requests: list[JudgeRequest]) -> list[Judgement]:
        """Judges several edits at once."""

    def judge(self, request: JudgeRequest) -> Judgement:
        """Judges one edit."""
        return self.judge_batch([request])[0]

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
        """Scores one edit, 0–10, by its source and the instruction alone.

        Raises:
            ValueError: there is no source image, or the judge's value is no number.
        """
        return self.judge(JudgeRequest(edited_image, original_image, original_description, edit_instruction)).score

    @classmethod
    def takes_reference(cls) -> bool:
        """False: it looks at source and edit alone."""
        return False

    def load_to_gpu(self) -> None:
        """Moves the weights to the device."""
        self.model.to(self.device)

    def unload_from_gpu(self) -> None:
        """Moves the weights to main memory."""
        if self.device != "cpu":
            import torch

            self.model.to("cpu")
            torch.get_device_module(self.device).empty_cache()
