"""The class path that older configs name for Qwen3-VL in a process of its own."""

from __future__ import annotations

from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel


class Qwen3VLSubprocessRewardModel(Qwen3VLRewardModel):
    """`Qwen3VLRewardModel` under its older name: it runs in the run's own process, on the GPUs of `device_ids`."""
