"""Arithmetic of GPU memory: parts, when they are held, and how a policy is spread over processes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from src.errors import ConfigError

GIB = 2**30
Phase = Literal["always", "rollout", "condition", "edit", "update"]
"""`condition` is the pass in which a policy that is a text encoder encodes its completions."""
PHASES: tuple[Phase, ...] = ("rollout", "condition", "edit", "update")

CONTEXT = 1.0 * GIB
"""Estimate: the CUDA context and the libraries' workspaces of one process."""
FRAGMENTATION = 0.05
"""Estimate: what torch's allocator holds beyond what is used, as a share of it."""


@dataclass(frozen=True)
class MemoryPart:
    """Something that takes memory on a GPU."""

    name: str
    size: float
    """Bytes."""
    phase: Phase = "always"
    """`always`, or the part of a step after which its memory can be used for something else."""
    reserved: bool = False
    """Taken as a block whose size is the setting itself: nothing is lost between its pieces."""


def peak(parts: Iterable[MemoryPart], processes: int = 1) -> float:
    """Bytes of the fullest moment, with the estimates for context and fragmentation.

    Args:
        parts: Of one GPU.
        processes: Programs that use it.
    """
    held = list(parts)

    def together(phase: Phase) -> float:
        return sum(
            part.size * (1 if part.reserved else 1 + FRAGMENTATION) for part in held if part.phase in ("always", phase)
        )

    return max(together(phase) for phase in PHASES) + processes * CONTEXT


@dataclass(frozen=True)
class Sharding:
    """The way in which the policy is spread over the processes of a training."""

    processes: int = 1
    kind: Literal["whole", "zero2", "zero3", "fsdp"] = "whole"
    optimizer_offload: bool = False
    weights_offload: bool = False

    @property
    def weights(self) -> int:
        """Number of GPUs over which the weights are spread."""
        return self.processes if self.kind in ("zero3", "fsdp") else 1

    @property
    def gradients(self) -> int:
        """Number of GPUs over which gradients and optimizer states are spread."""
        return 1 if self.kind == "whole" else self.processes

    @property
    def is_deepspeed(self) -> bool:
        """DeepSpeed computes in bfloat16 weights and keeps those in float32 with the optimizer."""
        return self.kind in ("zero2", "zero3")


def read_sharding(path: str | None, processes: int) -> Sharding:
    """Returns what an accelerate file makes of this number of processes.

    Raises:
        ConfigError: it cannot be read, or names a way of sharding that is not known here.
    """
    if path is None:
        return Sharding(processes)
    try:
        settings: dict[str, Any] = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        kind = settings["distributed_type"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigError(f"hardware.accelerate: {path} is no file of accelerate ({error!r})") from error
    deepspeed = settings.get("deepspeed_config") or {}
    stage = deepspeed.get("zero_stage")
    if kind == "DEEPSPEED" and stage in (2, 3):
        return Sharding(
            processes,
            "zero2" if stage == 2 else "zero3",
            deepspeed.get("offload_optimizer_device") == "cpu",
            deepspeed.get("offload_param_device") == "cpu",
        )
    if kind == "FSDP":
        offload = bool((settings.get("fsdp_config") or {}).get("fsdp_offload_params"))
        return Sharding(processes, "fsdp", offload, offload)
    if kind in ("MULTI_GPU", "NO", "MULTI_CPU"):
        return Sharding(processes)
    raise ConfigError(f"hardware.accelerate: memory is known for DDP, ZeRO-2, ZeRO-3 and FSDP, not for {kind} {stage}")
