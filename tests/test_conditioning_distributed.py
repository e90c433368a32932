"""Two processes train the miniature editor's text encoder as one does, however the policy is sharded.

Real launches of the command line, on the CPU (gloo), as those of `test_distributed.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.test_distributed import DEEPSPEED, ROOT, TWO, ZERO_3, assert_same_training, needs_deepspeed, trained

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
