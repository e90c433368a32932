"""The class path that older configs name for Qwen3-VL in one process per GPU."""

from __future__ import annotations

from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel


class Qwen3VLMultiGPUSubprocessRewardModel(Qwen3VLRewardModel):
    """`Qwen3VLRewardModel` under its older name: it runs in the run's own process, on the GPUs of `device_ids`."""
