"""The class path that older configs name for Qwen-Image-Edit on several GPUs."""

from __future__ import annotations

from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel


class MultiGPUQwenImageEditModel(QwenImageEditModel):
    """`QwenImageEditModel` under its older name: the run itself now makes one replica per entry of `device_ids`."""
