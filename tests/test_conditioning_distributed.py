"""Two processes train a text encoder as one does, the miniature editor's however the policy is sharded.

Real launches of the command line, on the CPU (gloo), as those of `test_distributed.py`.
"""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.test_conditioning_generation import JUDGE, PAINTER
from tests.test_distributed import DEEPSPEED, ROOT, TWO, ZERO_3, assert_same_training, needs_deepspeed, trained
from tests.test_text_to_image import prompt_item
from tests.test_thinking_generation import SMALL
from tests.tiny_pipelines import qwen_image_folder  # noqa: F401 (fixture)

pytestmark = pytest.mark.timeout(400)

THINKING = {
    "policy.model": "assets/miniature/editor/text_encoder",
    "task.class_path": "src.training.tasks.conditioning.ConditioningTask",
    "training.grpo.max_completion_length": "6",
    "diffusion_model.params.num_inference_steps": "2",
    # With guidance, the present weights encode the negative prompt as well.
    "diffusion_model.params.true_cfg_scale": "2.0",
    "task.params.negative_prompt_from": "present",
    # A row is painted as it is alone: calls of other sizes round to other pixels.
    "diffusion_model.params.batch_size": "1",
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("alone"), (), 1, THINKING)


def test_two_copies_of_the_text_encoder_train_as_one_does(alone: Path, tmp_path: Path) -> None:
    assert_same_training(alone, trained(tmp_path, TWO, 2, THINKING))


def test_a_text_encoder_sharded_by_fsdp_trains_as_a_whole_one_does(alone: Path, tmp_path: Path) -> None:
    settings = yaml.safe_load((ROOT / "configs/accelerate/fsdp.yaml").read_text(encoding="utf-8"))["fsdp_config"]
    sharded = {name.upper(): str(value) for name, value in settings.items()}
    assert_same_training(alone, trained(tmp_path, TWO, 2, THINKING, ACCELERATE_USE_FSDP="true", **sharded))


@needs_deepspeed
def test_zero_2_trains_the_text_encoder_as_one_process_does(alone: Path, tmp_path: Path) -> None:
    assert_same_training(alone, trained(tmp_path, DEEPSPEED, 2, THINKING))


@needs_deepspeed
def test_a_text_encoder_sharded_by_zero_3_is_gathered_for_its_pass(alone: Path, tmp_path: Path) -> None:
    assert_same_training(alone, trained(tmp_path, (*DEEPSPEED, *ZERO_3), 2, THINKING))


def test_two_copies_of_the_text_encoder_of_a_text_to_image_model_train_as_one_does(
    tmp_path: Path, write_benchmark: Callable[..., Path], qwen_image_folder: Path
) -> None:
    prompts = write_benchmark([prompt_item(place, prompt_en=f"paint {'a tree ' * place}") for place in range(1, 5)])
    painting = {
        **THINKING,
        "policy.model": str(qwen_image_folder / "text_encoder"),
        "data": json.dumps({"train": str(prompts)}),
        "diffusion_model.class_path": PAINTER,
        "diffusion_model.params": json.dumps({"model_name": str(qwen_image_folder), **SMALL, "batch_size": 1}),
        "reward_model": json.dumps({"class_path": JUDGE}),
        "scorer.class_path": "src.rewards.scorers.prompt_alignment.PromptAlignmentScorer",
    }
    one = trained(tmp_path / "one", (), 1, painting)
    assert_same_training(one, trained(tmp_path / "two", TWO, 2, painting))
