"""Devices and number types of torch, from the settings `device` and `dtype`."""

from __future__ import annotations

import gc
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from src.errors import ConfigError, ModelError

if TYPE_CHECKING:
    import torch

_DEVICE = re.compile(r"(auto|cpu|mps|cuda|xpu|npu|hpu|mlu|musa)(:\d+)?")


def resolved_device(device: str) -> str:
    """The device that a setting stands for on this machine, GPUs with their number; torch is asked only when needed.

    Args:
        device: `auto` is this process's GPU, else mps, else cpu; `cuda` is this process's GPU.
    """
    if device not in ("auto", "cuda"):
        return device
    import torch

    if device == "cuda" or torch.cuda.is_available():
        return f"cuda:{_own_gpu()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def named_devices(ids: Any) -> list[str]:
    """The devices of `device_ids`: GPUs by number, others by name; none for None.

    Raises:
        ConfigError: it is no list of numbers and names.
    """
    ids = () if ids is None else ids
    if not isinstance(ids, list | tuple) or not all(type(name) in (int, str) for name in ids):
        raise ConfigError(f"device_ids: {ids!r:.80} is no list of devices; write [0, 1] or ['cuda:0', 'cuda:1']")
    return [f"cuda:{name}" if isinstance(name, int) else name for name in ids]


def require_device_name(device: str) -> None:
    """Raises `ConfigError` for what is no device of torch on any machine."""
    if not _DEVICE.fullmatch(device):
        raise ConfigError(f"device {device!r} is no device of torch; write auto, cpu, mps, cuda or cuda:0")


def pick_device(device: str) -> str:
    """The device of `resolved_device`, checked to be there, for a model that is about to be loaded.

    Raises:
        ModelError: a GPU is asked for that torch does not see.
    """
    found = resolved_device(device)
    if found.startswith("cuda"):
        import torch

        seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(found.partition(":")[2]) >= seen:
            sees = f"{seen} GPUs, from cuda:0" if seen else "no GPU"
            raise ModelError(
                f"device {device!r} is asked for, but torch {torch.__version__} sees {sees}; set device: auto"
            )
    return found


def _own_gpu() -> int:
    """The launcher of a distributed run numbers its processes on this machine; each has a GPU of its own."""
    import torch

    return int(os.environ.get("LOCAL_RANK", "0")) % max(1, torch.cuda.device_count())


def own_gpus() -> list[int]:
    """The GPUs that a model with device `auto` may use: all, or among several processes the one of this process."""
    import torch
    import torch.distributed

    is_one_of_several = torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1
    return [_own_gpu()] if is_one_of_several else list(range(torch.cuda.device_count()))


def resolved_dtype(dtype: str, device: str) -> str:
    """The name of the number type that `dtype` stands for: `auto` is float32 on the CPU, else bfloat16."""
    if dtype != "auto":
        return dtype
    return "float32" if resolved_device(device) == "cpu" else "bfloat16"


def pick_dtype(dtype: str, device: str) -> torch.dtype:
    """The torch type of `resolved_dtype`."""
    import torch

    found: torch.dtype = getattr(torch, resolved_dtype(dtype, device))
    return found


def free_memory() -> None:
    """Frees models that nothing needs any more, also those that refer to themselves in circles, as trainers do.

    Where nobody has loaded torch, nothing lies in an accelerator's memory, and it is not loaded for this.
    """
    gc.collect()
    if (torch := sys.modules.get("torch")) and torch.cuda.is_available():
        torch.cuda.empty_cache()
