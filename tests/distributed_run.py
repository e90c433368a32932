"""One process of a distributed training, launched as a program: the command line of `main.py`, completions by row.

Every process of a run draws its own completions, so that runs of one and of two processes cannot be compared as they
are. Here a token is drawn by the number of its row in the whole batch: rows are the same, whoever works on them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import trl
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

from main import app


def by_row(step: int, first_row: int) -> Callable[..., torch.Tensor]:
    """`torch.multinomial` for one draw a row, from (step, row, position) alone."""
    position = 0

    def draw(probabilities: torch.Tensor, num_samples: int) -> torch.Tensor:
        nonlocal position
        shares = [
            np.random.default_rng([step, first_row + row, position]).random() for row in range(len(probabilities))
        ]
        position += 1
        reached = probabilities.double().cumsum(dim=-1)
        return torch.searchsorted(reached, torch.tensor(shares)[:, None] * reached[:, -1:])

    return draw


class DrawnByRow(trl.GRPOTrainer):
    """The trainer, with a sampler that does not depend on the number of processes."""

    def _generate_single_turn(self, prompt_ids: list[Any], *arguments: Any, **others: Any) -> Any:
        draw = by_row(self.state.global_step, self.accelerator.process_index * len(prompt_ids))
        with patch.object(torch, "multinomial", draw):
            return super()._generate_single_turn(prompt_ids, *arguments, **others)


def allow_fsdp_without_accelerator() -> None:
    """On a CPU torch can shard as well, and accelerate (1.15) would go on with whole copies."""
    build = AcceleratorState.__init__

    def build_sharded(
        self: AcceleratorState,
        *arguments: Any,
        fsdp_plugin: FullyShardedDataParallelPlugin | None = None,
        **others: Any,
    ) -> None:
        build(self, *arguments, fsdp_plugin=fsdp_plugin, **others)
        if fsdp_plugin is not None:
            self.fsdp_plugin = fsdp_plugin
            self.distributed_type = PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    AcceleratorState.__init__ = build_sharded


if __name__ == "__main__":
    torch.set_num_threads(1)
    allow_fsdp_without_accelerator()
    with patch.object(trl, "GRPOTrainer", DrawnByRow):
        # The last line, and not by an exit with 0, from which torchrun would wait on for the end of a forked worker.
        if code := app(standalone_mode=False):
            sys.exit(code)
