"""Stops a training whose loss or weights are no numbers any more, before a checkpoint holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src.errors import EditLoopError

if TYPE_CHECKING:
    from transformers import TrainerCallback


class TrainingDiverged(EditLoopError):
    """A loss or a weight is NaN or infinite. Checkpoints of earlier steps hold numbers."""


GRPO_ADVICE = "training.grpo.learning_rate (or max_grad_norm), look at the rewards of the last steps"
"""What is to be lowered and looked at when GRPO diverges."""


def diverged(what: str, step: int, advice: str) -> TrainingDiverged:
    """Returns the error for a step, counted from 1, in which `what` is no number."""
    return TrainingDiverged(
        f"step {step}: {what}, so that the training has diverged and nothing after it would be learned. Lower "
        f"{advice}, and train anew, or go on with --resume from the newest checkpoint, which is of an earlier step"
    )


def finite_weights(advice: str = GRPO_ADVICE) -> TrainerCallback:
    """Returns a callback that looks at all trained weights after each step of the optimizer."""
    import torch
    from transformers import TrainerCallback

    class FiniteWeights(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
            trained = [weight for weight in model.parameters() if weight.requires_grad]
            with torch.no_grad():  # the sum of finite numbers may overflow, their largest cannot
                bad = sum(not bool(torch.isfinite(_largest(weight))) for weight in trained if weight.numel())
            if bad:
                raise diverged(
                    f"{bad} of {len(trained)} trained tensors hold NaN or infinite weights", state.global_step, advice
                )

    return FiniteWeights()


def _largest(weight: Any) -> Any:
    """The largest size of a number in a tensor; NaN where it holds one."""
    local = weight.to_local() if hasattr(weight, "to_local") else weight  # a shard of FSDP
    return local.abs().max() if local.numel() else local.new_zeros(())


def finite_loss_trainer(trainer: Any, advice: str) -> Any:
    """Returns a subclass of a trainer that looks at every loss: transformers leaves a NaN out of its log."""
    import torch

    class FiniteLossTrainer(trainer):
        def training_step(self, *arguments: Any, **named: Any) -> Any:
            loss = super().training_step(*arguments, **named)
            if not bool(torch.isfinite(loss)):
                raise diverged(f"the loss is {float(loss)}", self.state.global_step + 1, advice)
            return loss

    return FiniteLossTrainer
