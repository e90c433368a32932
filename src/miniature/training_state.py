"""What every miniature training shares: a stateless learning-rate schedule, averaged weights and checkpoints.

All randomness of a step comes from `(seed, step)`: a checkpoint needs no generator state, and a resumed training
computes what an unbroken one would have computed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

WARM_UP_STEPS = 200
DECAY_SHARE = 0.35
"""The last share of the steps, in which the learning rate falls linearly to zero."""


def training_device() -> torch.device:
    """The first GPU, or the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def learning_rate(step: int, steps: int, peak: float) -> float:
    """The rate of `step` (0-based) out of `steps`: linear warm-up, constant, linear decay to zero."""
    warm_up = min(WARM_UP_STEPS, max(1, steps // 10))
    decay = max(1.0, DECAY_SHARE * steps)
    return peak * min(1.0, (step + 1) / warm_up, (steps - step) / decay)


def decay_groups(parameters: Iterable[torch.nn.Parameter]) -> list[dict[str, Any]]:
    """Parameter groups for AdamW: matrices decay, vectors (norms, biases) do not."""
    known = list(parameters)
    return [
        {"params": [parameter for parameter in known if parameter.ndim > 1], "weight_decay": 0.03},
        {"params": [parameter for parameter in known if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


class AveragedWeights:
    """An exponential moving average of parameters, which samples better than the last weights."""

    def __init__(self, parameters: list[torch.nn.Parameter], decay: float = 0.999) -> None:
        self.decay = decay
        self.parameters = parameters
        self.average = [parameter.detach().clone() for parameter in parameters]

    def update(self, step: int) -> None:
        """Moves the average towards the present weights; early steps move it faster."""
        import torch

        weight = 1.0 - min(self.decay, (step + 1) / (step + 10))
        torch._foreach_lerp_(self.average, [parameter.detach() for parameter in self.parameters], weight)

    def restore(self, stored: list[torch.Tensor]) -> None:
        """Takes up the average of a checkpoint."""
        for own, kept in zip(self.average, stored, strict=True):
            own.copy_(kept)

    def swap(self) -> None:
        """Exchanges average and present weights; a second call undoes the first."""
        for parameter, average in zip(self.parameters, self.average, strict=True):
            present = parameter.detach().clone()
            parameter.data.copy_(average)
            average.copy_(present)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes `state` so that a kill at any moment leaves the old or the new checkpoint, never half of one."""
    import torch

    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The checkpoint at `path`, or None where there is none yet."""
    import torch

    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
