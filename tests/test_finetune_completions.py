"""`finetune` on completions: a policy learns what GRPO's task can read, at the prompts that GRPO asks."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.config_file import checked
from src.errors import ConfigError, DataError, ModelError
from src.models.diffusion.conditioning import Conditioner, ConditioningRequest
from src.models.diffusion.implementations.qwen_image import QwenImageModel
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from src.training.finetune.config import FinetuneConfig
from src.training.finetune.lesson import IGNORED
from src.training.finetune.train import finetune, lesson_of
from tests.conftest import item, png
from tests.test_conditioning_generation import JUDGE, PAINTER
from tests.test_conditioning_rewards import EDITOR, SMALL
from tests.test_text_to_image import prompt_item
from tests.tiny_pipelines import plus_folder, qwen_folder, qwen_image_folder  # noqa: F401 (fixtures)

Settings = dict[str, Any]
POLICY = "assets/miniature/policy"
RIGHT = "<CoT>it is blue</CoT><Re_edit>paint the square red</Re_edit>"
PROMPTS_OF = "configs/training/miniature_rewrite.yaml"
END = "<|im_end|>"


@pytest.fixture
def settings(tmp_path: Path, write_benchmark: Callable[..., Path]) -> Settings:
    """Three prompts; the first has two right completions, the third one that no task could read."""
    data = write_benchmark([item(index, id=f"{index:05d}") for index in range(3)])
    names = [f"{index:05d}" for index in range(3)]
    rows = [
        {"id": names[0], "completion": RIGHT},
        {"id": names[0], "completion": RIGHT.replace("red", "blue")},
        {"id": names[1], "completion": RIGHT.replace("red", "dark green")},
        {"id": names[2], "completion": "just paint it"},
        {"id": "nobody", "completion": RIGHT},
    ]
    completions = tmp_path / "completions.jsonl"
    completions.write_text("\n".join(map(json.dumps, rows)))
    return {
        "policy": {"model": POLICY},
        "completions": {
            "prompts_of": PROMPTS_OF,
            "train": [{"path": str(data), "completions": str(completions)}],
        },
        "training": {
            "output_dir": str(tmp_path / "out"),
            "max_steps": 2,
            "per_device_train_batch_size": 2,
            "learning_rate": 1e-3,
            "save_steps": 2,
            "report_to": [],
        },
    }


def config(settings: Settings) -> FinetuneConfig:
    return checked(FinetuneConfig, settings, "test config")


def test_labels_are_the_completion_and_the_end_of_the_turn_alone(settings: Settings, tmp_path: Path) -> None:
    from transformers import AutoProcessor

    lesson = lesson_of(config(settings))
    rows = lesson.read(tmp_path / "images")[0].rows
    batch = lesson.collate(rows)
    tokenizer = AutoProcessor.from_pretrained(POLICY).tokenizer
    for row, ids, labels, mask in zip(rows, batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
        learned = labels != IGNORED
        assert bool((labels[learned] == ids[learned]).all())
        assert ids[learned].tolist() == [
            *tokenizer(row.completion, add_special_tokens=False).input_ids,
            tokenizer.eos_token_id,
        ]
        assert bool((mask[learned] == 1).all())


def test_a_completion_that_the_task_cannot_read_is_left_out_and_named(settings: Settings, tmp_path: Path) -> None:
    train, _ = lesson_of(config(settings)).read(tmp_path / "images")
    assert len(train.rows) == 3
    assert "could not read" in train.left_out["00002"]
    assert "no selected item" in train.left_out["nobody"]


def test_a_policy_is_trained_and_stored_whole(settings: Settings) -> None:
    outcome = finetune(config(settings))
    assert outcome is not None
    losses = [entry["loss"] for entry in json.loads(outcome.history.read_text()) if "loss" in entry]
    assert len(losses) == 2
    assert (outcome.policy / "model.safetensors").is_file()
    assert (outcome.policy / "tokenizer.json").is_file()


def test_other_prompts_than_those_of_the_training_are_refused(settings: Settings) -> None:
    settings["completions"]["language"] = "zh"
    with pytest.raises(ConfigError, match=r"completions\.language"):
        lesson_of(config(settings))


def test_completions_without_prompts_are_refused(settings: Settings, tmp_path: Path) -> None:
    empty = tmp_path / "other.jsonl"
    empty.write_text(json.dumps({"id": "nobody", "completion": RIGHT}))
    settings["completions"]["train"][0]["completions"] = str(empty)
    with pytest.raises(DataError, match=r"nobody: no selected item"):
        lesson_of(config(settings)).read(tmp_path / "images")


def test_a_critique_is_learned_from_source_and_first_attempt_as_grpo_shows_them(
    settings: Settings, tmp_path: Path, write_benchmark: Callable[..., Path]
) -> None:
    attempt = base64.b64encode(png((9, 9, 9), size=(40, 24))).decode()
    data = write_benchmark([item(0, id="00000", preliminary_img_b64=attempt), item(1, id="00001")], "attempts.json")
    part = settings["completions"]
    part |= {"prompts_of": "configs/training/miniature_critique.yaml"}
    part["train"][0]["path"] = str(data)
    lesson = lesson_of(config(settings))
    train, _ = lesson.read(tmp_path / "images")
    assert [[image.decode().size for image in row.example.images] for row in train.rows] == [[(16, 16), (40, 24)]] * 2
    assert "preliminary_img" in train.left_out["00001"]
    batch = lesson.collate(train.rows)
    assert len(batch["image_grid_thw"]) == 2 * len(train.rows)


def thinking(folder: Path, class_path: str, **params: object) -> dict[str, Any]:
    """The section `completions.prompts_of` of a training through the conditioning of a tiny pipeline."""
    return {
        "policy": {"model": str(folder / "text_encoder")},
        "task": {"class_path": "src.training.tasks.conditioning.ConditioningTask"},
        "data": {"train": "not_read.json"},
        "diffusion_model": {"class_path": class_path, "params": {"model_name": str(folder), **params}},
        "reward_model": {"class_path": "tests.training_plugins.PixelJudge"},
    }


@pytest.mark.parametrize("fixture", ["qwen_folder", "plus_folder"])
def test_a_text_encoder_learns_its_thought_behind_the_prompt_that_its_pipeline_encodes(
    settings: Settings, tmp_path: Path, request: pytest.FixtureRequest, fixture: str
) -> None:
    folder: Path = request.getfixturevalue(fixture)
    following = thinking(folder, EDITOR, **SMALL, vl_resolution=56)
    (tmp_path / "thinking.yaml").write_text(json.dumps(following))
    settings["policy"] = following["policy"]
    settings["completions"]["prompts_of"] = str(tmp_path / "thinking.yaml")
    lesson = lesson_of(config(settings))
    lesson.check_model()
    row = lesson.read(tmp_path / "images")[0].rows[0]
    batch = lesson.collate([row])
    editor = QwenImageEditModel({"model_name": str(folder), "device": "cpu", **SMALL, "vl_resolution": 56})
    shown = tuple(editor.shown_to_encoder(row.example.images[0].decode()))
    prompt = Conditioner(editor.pipe)._inputs(ConditioningRequest(row.example.request, shown))
    written = [*editor.pipe.tokenizer(row.completion).input_ids, editor.pipe.tokenizer.convert_tokens_to_ids(END)]
    assert batch["input_ids"][0].tolist() == [*prompt["input_ids"][0].tolist(), *written]
    assert bool((batch["pixel_values"] == prompt["pixel_values"]).all())
    assert batch["labels"][0, -len(written) :].tolist() == written
    assert set(batch["labels"][0, : -len(written)].tolist()) == {IGNORED}


def test_a_text_encoder_is_taught_for_pictures_of_text_and_thinks_afterwards(
    settings: Settings, tmp_path: Path, write_benchmark: Callable[..., Path], qwen_image_folder: Path
) -> None:
    data = write_benchmark([prompt_item(0, id="00000", prompt_en="a tree")], "prompts.json")
    following = thinking(qwen_image_folder, PAINTER, num_inference_steps=1, true_cfg_scale=1.0, width=32, height=32)
    following["scorer"] = {"class_path": "src.rewards.scorers.prompt_alignment.PromptAlignmentScorer"}
    following["reward_model"] = {"class_path": JUDGE}
    (tmp_path / "thinking.yaml").write_text(json.dumps(following))
    settings["policy"] = following["policy"]
    settings["completions"] |= {"prompts_of": str(tmp_path / "thinking.yaml")}
    settings["completions"]["train"][0]["path"] = str(data)
    settings["training"] |= {"max_steps": 20, "save_steps": 20, "learning_rate": 1e-2}
    outcome = finetune(config(settings))
    assert outcome is not None
    losses = [entry["loss"] for entry in json.loads(outcome.history.read_text()) if "loss" in entry]
    assert losses[-1] < 0.5 * losses[0]
    params = following["diffusion_model"]["params"] | {"think": {"policy": str(outcome.policy), "max_new_tokens": 4}}
    assert QwenImageModel({**params, "device": "cpu"}).generate_image("a tree").size == (32, 32)


def test_a_policy_that_is_not_the_text_encoder_of_the_painter_is_refused(
    settings: Settings, tmp_path: Path, qwen_folder: Path
) -> None:
    (tmp_path / "thinking.yaml").write_text(json.dumps(thinking(qwen_folder, EDITOR, **SMALL)))
    settings["completions"]["prompts_of"] = str(tmp_path / "thinking.yaml")
    with pytest.raises(ModelError, match=r"policy\.model"):
        lesson_of(config(settings))
