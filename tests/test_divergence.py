"""A training whose loss or weights are no numbers any more stops at once, with a sentence and without a checkpoint."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import TrainerCallback
from trl import GRPOTrainer

from src.training.grpo.divergence import TrainingDiverged, finite_weights
from src.training.train import train
from tests.test_training_run import MakeRun, make_run
from tests.tiny_policies import policy_folder

__all__ = ["make_run", "policy_folder"]


class Poison(TrainerCallback):
    """Makes one weight infinite or NaN within the second step of the optimizer."""

    def __init__(self, value: float) -> None:
        self._value = value

    def on_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if state.global_step == 1:
            trained = [weight for weight in model.parameters() if weight.requires_grad]
            with torch.no_grad():
                trained[3].view(-1)[0] = self._value


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_a_weight_that_is_no_number_stops_the_training_in_its_step(make_run: MakeRun, value: float) -> None:
    config = make_run(grpo={"save_steps": 1, "num_iterations": 1, "steps_per_generation": 1})
    with pytest.raises(TrainingDiverged, match=r"^step 2: 1 of \d+ trained tensors hold NaN .*learning_rate"):
        train(config, callbacks=[Poison(value)])
    checkpoints = config.training.output_dir / "checkpoints"
    assert [path.name for path in checkpoints.glob("checkpoint-*")] == ["checkpoint-1"]


def test_a_loss_that_is_no_number_stops_the_training_before_the_weights_change(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = GRPOTrainer._compute_loss
    monkeypatch.setattr(GRPOTrainer, "_compute_loss", lambda self, *given: loss(self, *given) * float("nan"))
    with pytest.raises(TrainingDiverged, match=r"^step 1: the loss is nan"):
        train(make_run())


def test_large_weights_are_numbers() -> None:
    model = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(model.weight, 3e38)
    finite_weights().on_step_end(None, None, None, model=model)  # type: ignore[arg-type]
