"""Noise that a pipeline takes from torch's global generator, made to follow from the seed of the sample."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_drawing = threading.Lock()
"""The generators belong to the process: replicas that draw from them take turns."""


@contextmanager
def global_noise(seed: int, device: str) -> Iterator[None]:
    """Seeds the global generators of the CPU and of one device for the length of the block, then puts them back.

    Args:
        seed: Of the one sample that is edited in the block.
        device: On which the pipeline runs, such as `cpu` or `cuda:1`.
    """
    import torch

    place = torch.device(device)
    module = torch.get_device_module(place) if place.type not in ("cpu", "mps") else None
    with _drawing, torch.random.fork_rng([place] if module else [], device_type=place.type if module else "cuda"):
        torch.default_generator.manual_seed(seed)
        if module is not None:  # and no other device: a policy may be sampling there
            with module.device(place):
                module.manual_seed(seed)
        yield
