"""Numbers and names of `training.grpo` that cannot be are refused with a sentence, before anything loads."""

from __future__ import annotations

import pytest

from src.errors import ConfigError
from src.training.config import TrainingSettings, parse_training_config
from src.training.grpo.settings import grpo_config


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_generations", 0), ("num_generations", 1), ("num_iterations", 0), ("per_device_train_batch_size", -4),
        ("gradient_accumulation_steps", 0), ("steps_per_generation", 0), ("learning_rate", -1), ("temperature", 0),
        ("temperature", -1), ("top_p", 0), ("top_p", 1.1), ("beta", -0.1), ("epsilon", -0.1), ("epsilon_high", -0.1),
        ("loss_type", "nonsense"), ("importance_sampling_level", "nonsense"), ("scale_rewards", "nonsense"),
        ("vllm_mode", "nonsense"), ("vllm_gpu_memory_utilization", 1.5), ("max_completion_length", 0),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"training\.grpo\.{name}: "):
        grpo_config(TrainingSettings(grpo={name: value}))


def test_values_that_can_be_are_taken() -> None:
    given = {"loss_type": "dr_grpo", "scale_rewards": False, "beta": 0.0, "top_p": 1.0, "max_completion_length": None}
    arguments = grpo_config(TrainingSettings(grpo=given))
    assert (arguments.loss_type, arguments.scale_rewards, arguments.beta) == ("dr_grpo", "none", 0.0)
    assert arguments.max_completion_length is None


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_numpy_cannot_take_is_refused(seed: int) -> None:
    with pytest.raises(ConfigError, match=r"training\.seed"):
        parse_training_config({"policy": {"model": "m"}, "data": {"train": "t"}, "training": {"seed": seed}}, "test")
