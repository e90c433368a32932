"""Noise that a pipeline takes from torch's global generator, made to follow from the seed of the sample."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_drawing = threading.Lock()
"""The generators belong to the process: replicas that draw from them take turns."""


@contextmanager
def global_noise(seed: int, device: str) -> Iterator[None]:
    """Seeds the global generators for the length of the block, then puts them back as they were.

    Args:
        seed: Of the one sample that is edited in the block.
        device: On which the pipeline runs, such as `cpu` or `cuda:1`.
    """
    import torch

    kind = torch.device(device).type
    accelerators = [torch.device(device)] if kind not in ("cpu", "mps") else []
    with _drawing, torch.random.fork_rng(accelerators, device_type=kind if accelerators else "cuda"):
        torch.manual_seed(seed)
        yield
