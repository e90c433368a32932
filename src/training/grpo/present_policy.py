"""`present_policy`: the policy of a trainer as it is now, for what else than an update needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trl import GRPOTrainer


@contextmanager
def present_policy(trainer: GRPOTrainer) -> Iterator[Any]:
    """The trainer's model as it is now, without what wraps it for several processes; ZeRO-3 gathers its weights."""
    from trl.models import unwrap_model_for_generation

    with unwrap_model_for_generation(
        trainer.model_wrapped,
        trainer.accelerator,
        gather_deepspeed3_params=trainer.args.ds3_gather_for_generation,
        gradient_checkpointing_kwargs=trainer.args.gradient_checkpointing_kwargs,
    ) as model:
        yield model
