"""What is known of an editor before it loads: whose seed counts, and what is no seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.config import Config, ModelConfig, RuntimeConfig
from src.errors import ConfigError
from src.pipeline.editor_plan import EditorPlan
from src.pipeline.plan import RunPlan
from src.training.config import parse_training_config
from src.training.grpo.edit_pipeline import EditPipeline


def section(**params: Any) -> dict[str, Any]:
    return {"class_path": "tests.plugins.InvertEditor", "params": params}


@pytest.mark.parametrize(("params", "seed"), [({}, 3), ({"seed": 7}, 7), ({"seed": 0}, 0), ({"seed": "8"}, 8)])
def test_the_editors_own_seed_goes_before_that_of_the_run(params: dict[str, Any], seed: int) -> None:
    assert EditorPlan(ModelConfig(**section(**params)), RuntimeConfig(seed=3)).seed == seed


def test_a_samples_seed_follows_from_its_id_and_enters_the_key_of_its_edit() -> None:
    plans = [EditorPlan(ModelConfig(**section()), RuntimeConfig(seed=seed)) for seed in (3, 4)]
    keys = {plan.keys(name, "f00", "paint") for plan in plans for name in ("a", "b")}
    assert len({seed for seed, _ in keys}) == len({key for _, key in keys}) == 4


@pytest.mark.parametrize("seed", ["many", [1], {}, float("inf")])
def test_what_is_no_seed_is_refused_before_anything_loads_in_a_run_and_in_a_training(
    seed: Any, write_benchmark: Callable[..., Path], make_config: Callable[..., Config]
) -> None:
    data = write_benchmark(1)
    message = "diffusion_model.params.seed must be a whole number"
    with pytest.raises(ConfigError, match=message):
        RunPlan(make_config(data, diffusion_model=section(seed=seed)))
    sections = {"policy": {"model": "unused"}, "data": {"train": str(data)}, "diffusion_model": section(seed=seed)}
    judge = {"reward_model": {"class_path": "tests.plugins.BrightnessJudge"}}
    with pytest.raises(ConfigError, match=message):
        EditPipeline(parse_training_config(sections | judge, "test"))
