"""GRPO trainings of the rewriting task whose rewards come of published reward models: behind a server, and loaded."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageStat
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from src.models.reward.edit_reward_layout import REWARD_TOKEN, EditRewardNetwork
from src.models.reward.implementations.edit_reward import EditRewardModel
from src.training.config import TrainingConfig, parse_training_config
from src.training.storage.record import TrainingRecord
from src.training.train import train
from tests.api_judge import server  # noqa: F401 (fixture)
from tests.chat_server import Answer, ChatServer, completion
from tests.conftest import item
from tests.protocol_samples import JUDGE
from tests.tiny_policies import policy_folder  # noqa: F401 (fixture)


@pytest.fixture
def trained(
    tmp_path: Path,
    write_benchmark: Callable[..., Path],
    policy_folder: Path,  # noqa: F811
) -> Callable[..., TrainingConfig]:
    """Trains two steps by brightness as the judge sees it, and returns the config."""

    def run(**sections: Any) -> TrainingConfig:
        data = write_benchmark([item(place, edit_instruction_en=f"wish {place}") for place in range(2)])
        config = parse_training_config(
            {
                "policy": {"model": str(policy_folder)},
                "task": {"class_path": "tests.training_plugins.AnythingTask"},
                "data": {"train": str(data)},
                "diffusion_model": {"class_path": "tests.training_plugins.ToneEditor", "params": {"batch_size": 4}},
                "training": {
                    "output_dir": str(tmp_path / "run"),
                    "show_every": 0,
                    "grpo": {
                        "max_steps": 2,
                        "per_device_train_batch_size": 4,
                        "num_generations": 4,
                        "max_completion_length": 8,
                        "learning_rate": 1e-2,
                        "gradient_checkpointing": False,
                        "save_strategy": "no",
                        "report_to": "none",
                    },
                },
                **sections,
            },
            "test",
        )
        train(config)
        return config

    return run


def steps(config: TrainingConfig) -> list[dict[str, Any]]:
    entries = json.loads((config.training.output_dir / "history.json").read_text(encoding="utf-8"))
    return [entry for entry in entries if "reward" in entry]


def has_learned(config: TrainingConfig, policy: Path) -> bool:
    before = load_file(policy / "model.safetensors")
    after = load_file(config.training.policy_folder / "model.safetensors")
    return any(not torch.equal(before[name].float(), after[name].float()) for name in before if name in after)


def edited_picture(body: dict[str, Any]) -> Image.Image:
    urls = [part["image_url"]["url"] for part in body["messages"][-1]["content"] if part["type"] == "image_url"]
    assert len(urls) == 2
    return Image.open(io.BytesIO(base64.b64decode(urls[1].partition(",")[2])))


def test_a_policy_is_rewarded_by_a_reward_models_protocol_over_a_server(
    server: ChatServer,  # noqa: F811
    trained: Callable[..., TrainingConfig],
    policy_folder: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server says of execution how bright the edit is, from 1 to 5, and of consistency always 5."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def script(body: dict[str, Any], number: int) -> Answer:
        brightness = ImageStat.Stat(edited_picture(body)).mean[0] / 255
        is_execution = "How far was" in body["messages"][-1]["content"][-1]["text"]
        return Answer(completion(json.dumps({"reasoning": "r", "score": [1 + 4 * brightness if is_execution else 5]})))

    server.script = script
    config = trained(
        scorer={"protocol": "firm-edit@2026-03"},
        reward_model={"class_path": JUDGE, "params": {"base_url": server.url, "model": "FIRM-Edit-8B"}},
    )
    assert {(body["temperature"], body["max_tokens"]) for body in server.requests} == {(0.0, 256)}
    for entry, rows in zip(steps(config), completions(config), strict=True):
        assert [row.reward for row in rows] == pytest.approx([10 * brightness_of(row) for row in rows], abs=0.1)
        assert entry["reward"] == pytest.approx(sum(row.reward for row in rows) / len(rows))
    assert any(entry["reward_std"] > 0 for entry in steps(config))
    assert has_learned(config, policy_folder)


def completions(config: TrainingConfig) -> list[list[Any]]:
    with closing(TrainingRecord(config.training.output_dir / "record")) as record:
        return [record.completions(step) for step in (1, 2)]


def brightness_of(row: Any) -> float:
    """How bright `ToneEditor` paints what the policy said, from 0 to 1."""
    text = str(row.reading)
    return round(255 * text.count("a") / max(1, len(text))) / 255


@pytest.fixture
def edit_reward(tmp_path: Path, policy_folder: Path) -> dict[str, Any]:  # noqa: F811
    """A tiny EditReward checkpoint on the policy's own base."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = AutoProcessor.from_pretrained(policy_folder).tokenizer
        tokenizer.add_special_tokens({"additional_special_tokens": [REWARD_TOKEN]})
        model = AutoModelForImageTextToText.from_pretrained(policy_folder, dtype=torch.float32)
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        heads = EditRewardNetwork(model.model, model.config.get_text_config().hidden_size).rm_heads
        for parameter in heads.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    folder = tmp_path / "edit_reward"
    folder.mkdir()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    weights |= {f"rm_heads.{name}": value.clone() for name, value in heads.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    return {"model_name": str(folder), "base": str(policy_folder), "image_pixels": 64 * 64, "dtype": "float32"}


def test_a_policy_is_rewarded_by_an_edit_reward_checkpoint(
    edit_reward: dict[str, Any],
    trained: Callable[..., TrainingConfig],
    policy_folder: Path,  # noqa: F811
) -> None:
    class_path = f"{EditRewardModel.__module__}.{EditRewardModel.__qualname__}"
    config = trained(reward_model={"class_path": class_path, "params": edit_reward})
    assert all(0 < entry["reward"] < 10 for entry in steps(config))
    assert any(entry["reward_std"] > 0 for entry in steps(config)), "edits of other tones have other rewards"
    assert has_learned(config, policy_folder)
