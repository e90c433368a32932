"""Training a text encoder through the conditioning, in TRL's own loop: resumed exactly, adapter or whole model."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback

from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from src.record.record import Record
from src.training.config import TrainingConfig, parse_training_config
from src.training.storage.record import CompletionRow, TrainingRecord
from src.training.train import train
from tests.conftest import item
from tests.test_conditioning_rewards import EDITOR, SMALL
from tests.test_qwen_image_edit import difference
from tests.test_training_run import history
from tests.tiny_parts import gradient
from tests.tiny_pipelines import qwen_folder  # noqa: F401 (fixture)

pytestmark = pytest.mark.timeout(400)

STEPS, ROWS = 3, 4


@pytest.fixture
def make_run(tmp_path: Path, write_benchmark: Callable[..., Path], qwen_folder: Path) -> Callable[..., TrainingConfig]:
    data = write_benchmark([item(index, edit_instruction_en=f"make the sky {index}") for index in range(2)])
    held_out = write_benchmark([item(9, edit_instruction_en="remove the tree")], "held_out.json")

    def make(name: str, lora: dict[str, Any] | None) -> TrainingConfig:
        config = {
            "policy": {"model": str(qwen_folder / "text_encoder"), "lora": lora},
            "task": {"class_path": "src.training.tasks.conditioning.ConditioningTask", "params": {"max_tokens": 256}},
            "data": {"train": str(data), "held_out": str(held_out)},
            "diffusion_model": {
                "class_path": EDITOR,
                "params": {"model_name": str(qwen_folder), **SMALL, "batch_size": 1},
            },
            "reward_model": {"class_path": "tests.training_plugins.PixelJudge"},
            "training": {
                "output_dir": str(tmp_path / name),
                "patience": 0,
                "show_every": 0,
                "grpo": {
                    "per_device_train_batch_size": ROWS,
                    "num_generations": ROWS,
                    "max_completion_length": 6,
                    "max_steps": STEPS,
                    "learning_rate": "1e-2",
                    "gradient_checkpointing": False,
                    "save_steps": 1,
                    "report_to": "none",
                },
            },
            "evaluation": {"diffusion_params": {"num_inference_steps": 2}},
        }
        return parse_training_config(config, "test")

    return make


class Killed(TrainerCallback):
    """Ends the process's work right after step 2, with its last checkpoint at step 1."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 2:
            raise KeyboardInterrupt


def completions(config: TrainingConfig) -> list[CompletionRow]:
    with closing(TrainingRecord(config.training.output_dir / "record")) as record:
        return [row for step in range(1, STEPS + 1) for row in record.completions(step)]


@pytest.mark.parametrize("lora", [None, {"r": 4, "lora_alpha": 8}], ids=["whole", "adapter"])
def test_a_resumed_training_is_the_unbroken_one_and_its_policy_becomes_an_entry_of_the_benchmark(
    make_run: Callable[..., TrainingConfig], qwen_folder: Path, tmp_path: Path, lora: dict[str, Any] | None
) -> None:
    unbroken, killed = make_run("unbroken", lora), make_run("killed", lora)
    outcome = train(unbroken)
    assert outcome is not None
    with pytest.raises(KeyboardInterrupt):
        train(killed, callbacks=[Killed()])
    made = {path.name for path in (killed.training.output_dir / "record" / "edits").rglob("*.png")}
    train(killed, resume=True)
    rows = completions(unbroken)
    assert completions(killed) == rows
    assert history(killed) == history(unbroken)
    assert len(rows) == STEPS * ROWS
    assert {f"{row.edit_key}.png" for row in rows[: 2 * ROWS]} == made  # step 2 was painted once
    assert len({row.edit_key for row in rows}) > ROWS
    assert len({row.reward for row in rows}) > ROWS
    [gain] = outcome.gains
    assert (gain.samples, gain.coverage) == (1, 1.0)
    assert gain.before != gain.after
    assert_same_editor(unbroken, qwen_folder, outcome.policy, tmp_path)


def assert_same_editor(config: TrainingConfig, folder: Path, policy: Path, tmp_path: Path) -> None:
    """The text encoder that the benchmark measured is the one that plain diffusers loads."""
    import diffusers
    import transformers

    from src.training.lora.merge import merge_lora

    with closing(Record(config.training.output_dir / "evaluation" / "after")) as record:
        params = record.latest_run().config["diffusion_model"]["params"]
    think = params["think"]
    assert (config.diffusion_model.params["num_inference_steps"], params["num_inference_steps"]) == (1, 2)
    whole = policy
    if config.policy.lora is not None:
        assert think["adapter"] == str(policy)
        base = tmp_path / "base"
        encoder = transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained(config.policy.model)
        encoder.save_pretrained(base)
        transformers.AutoProcessor.from_pretrained(policy).save_pretrained(base)
        whole = tmp_path / "merged"
        merge_lora(str(base), policy, whole)
    encoder = transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained(whole)
    diffusers.DiffusionPipeline.from_pretrained(folder, text_encoder=encoder).save_pretrained(tmp_path / "editor")
    users = QwenImageEditModel({"model_name": str(tmp_path / "editor"), **SMALL, "think": {"max_new_tokens": 6}})
    measured = QwenImageEditModel({"model_name": str(folder), **SMALL, "think": think})
    before = QwenImageEditModel({"model_name": str(folder), **SMALL, "think": {"max_new_tokens": 6}})
    wish = ("make the sky red", 3)
    assert difference(users.edit_image(gradient(), *wish), measured.edit_image(gradient(), *wish)) <= 1
    assert difference(users.edit_image(gradient(), *wish), before.edit_image(gradient(), *wish)) > 1
