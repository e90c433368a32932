"""Where a torch model runs and in which number type, from the settings `device` and `dtype`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.errors import ModelError

if TYPE_CHECKING:
    import torch


def pick_device(device: str) -> str:
    """The device that `auto` stands for, or the given one.

    Raises:
        ModelError: CUDA is asked for where torch sees none.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError(f"device {device!r} is asked for, but torch {torch.__version__} sees no GPU; set device: auto")
    return device


def own_gpus() -> list[int]:
    """The GPUs that a model with device `auto` may use: all, or among several processes the one of this process."""
    import torch
    import torch.distributed

    is_one_of_several = torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1
    return [torch.cuda.current_device()] if is_one_of_several else list(range(torch.cuda.device_count()))


def pick_dtype(dtype: str, device: str) -> torch.dtype:
    """The torch type that `dtype` names; `auto` is bfloat16 on an accelerator, float32 on the CPU."""
    import torch

    if dtype == "auto":
        return torch.float32 if device == "cpu" else torch.bfloat16
    found: torch.dtype = getattr(torch, dtype)
    return found
