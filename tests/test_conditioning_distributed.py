"""Two processes train a text encoder as one does, the miniature editor's however the policy is sharded.

Real launches of the command line, on the CPU (gloo), as those of `test_distributed.py`.
"""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import ImageStat

from src.models.vlm.question import Question, Reply
from tests.test_conditioning_generation import PAINTER, HurriedJudge
from tests.test_distributed import DEEPSPEED, TWO, ZERO_3, assert_same_training, needs_deepspeed, sharded, trained
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
    assert_same_training(alone, trained(tmp_path, TWO, 2, THINKING, **sharded()))


@needs_deepspeed
def test_zero_2_trains_the_text_encoder_as_one_process_does(alone: Path, tmp_path: Path) -> None:
    assert_same_training(alone, trained(tmp_path, DEEPSPEED, 2, THINKING))


@needs_deepspeed
def test_a_text_encoder_sharded_by_zero_3_is_gathered_for_its_pass(alone: Path, tmp_path: Path) -> None:
    assert_same_training(alone, trained(tmp_path, (*DEEPSPEED, *ZERO_3), 2, THINKING))


class SteadyJudge(HurriedJudge):
    """Scores brightness to two digits, of which a pixel that is rounded otherwise changes none.

    Gathered weights lie at other places in memory, and sums over them may be rounded otherwise.
    """

    def ask(self, questions: Sequence[Question], attempt: int = 0) -> list[Reply]:
        tones = [ImageStat.Stat(one.images[0].image).mean[0] for one in questions]
        return [Reply(f"Score: {tone / 25.5:.2f}", "stop") for tone in tones]


@pytest.fixture(scope="module")
def painting(tmp_path_factory: pytest.TempPathFactory, qwen_image_folder: Path) -> dict[str, str]:
    """Settings of a training of the text encoder of a text-to-image model."""
    prompts = [prompt_item(place, prompt_en=f"paint {'a tree ' * place}") for place in range(1, 5)]
    data = tmp_path_factory.mktemp("prompts") / "prompts.json"
    data.write_text(json.dumps(prompts), encoding="utf-8")
    return {
        **THINKING,
        "policy.model": str(qwen_image_folder / "text_encoder"),
        "data": json.dumps({"train": str(data)}),
        "diffusion_model.class_path": PAINTER,
        "diffusion_model.params": json.dumps({"model_name": str(qwen_image_folder), **SMALL, "batch_size": 1}),
        "reward_model": json.dumps({"class_path": "tests.test_conditioning_distributed.SteadyJudge"}),
        "scorer.class_path": "src.rewards.scorers.prompt_alignment.PromptAlignmentScorer",
    }


@pytest.fixture(scope="module")
def painted_alone(tmp_path_factory: pytest.TempPathFactory, painting: dict[str, str]) -> Path:
    return trained(tmp_path_factory.mktemp("alone"), (), 1, painting)


def test_two_copies_of_the_text_encoder_of_a_text_to_image_model_train_as_one_does(
    painted_alone: Path, tmp_path: Path, painting: dict[str, str]
) -> None:
    assert_same_training(painted_alone, trained(tmp_path, TWO, 2, painting))


def test_a_text_encoder_of_a_text_to_image_model_sharded_by_fsdp_trains_as_a_whole_one_does(
    painted_alone: Path, tmp_path: Path, painting: dict[str, str]
) -> None:
    assert_same_training(painted_alone, trained(tmp_path, TWO, 2, painting, **sharded()))


@needs_deepspeed
def test_zero_2_trains_the_text_encoder_of_a_text_to_image_model_as_one_process_does(
    painted_alone: Path, tmp_path: Path, painting: dict[str, str]
) -> None:
    assert_same_training(painted_alone, trained(tmp_path, DEEPSPEED, 2, painting))


@needs_deepspeed
def test_a_text_encoder_of_a_text_to_image_model_sharded_by_zero_3_trains_as_a_whole_one_does(
    painted_alone: Path, tmp_path: Path, painting: dict[str, str]
) -> None:
    assert_same_training(painted_alone, trained(tmp_path, (*DEEPSPEED, *ZERO_3), 2, painting))
