"""Real Qwen-VL judges of a few hundred kilobytes with random weights, saved once per test session."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from src.miniature.editor.architecture import EditorSize, build_text_encoder
from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel
from src.models.vlm.question import LabelledImage, Question, Reply
from tests.tiny_parts import VOCABULARY, fill, gradient, qwen2_processor, qwen3_processor, qwen3_vl, qwen_tokenizer

TEXTS = ["Score: 8.5", "How well was the sky painted red?", "评分：7"]
SIZE = EditorSize(vocabulary=VOCABULARY, text_width=64, text_layers=2, vision_width=64, vision_layers=2)
IMAGE_PIXELS = {"shortest_edge": 32 * 32, "longest_edge": 128 * 128}
SAMPLED = {"temperature": 1.0, "top_p": 0.9, "seed": 3}
LEAKY = {"do_sample": True, "temperature": 0.7, "top_k": 20, "repetition_penalty": 1.5, "max_length": 3}
"""Generation settings as checkpoints bring them along; none may reach the judge."""
_SAVED: dict[str, Path] = {}


def save_judge(folder: Path, family: str) -> Path:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = qwen_tokenizer(TEXTS)
        if family == "qwen3":
            model, processor = qwen3_vl(tokenizer), qwen3_processor(tokenizer, IMAGE_PIXELS)
        else:
            model, processor = build_text_encoder(SIZE, tokenizer), qwen2_processor(tokenizer, IMAGE_PIXELS)
        fill(model, 0.15)  # wide enough that words and pixels change the reply
    for name, value in LEAKY.items():
        setattr(model.generation_config, name, value)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session", params=["qwen3", "qwen2.5"])
def judge_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3-VL, then a Qwen2.5-VL."""
    return _saved_judge(tmp_path_factory, request.param)


@pytest.fixture(scope="session")
def qwen3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3-VL alone, for what does not depend on the family."""
    return _saved_judge(tmp_path_factory, "qwen3")


def _saved_judge(tmp_path_factory: pytest.TempPathFactory, family: str) -> Path:
    if family not in _SAVED:
        _SAVED[family] = save_judge(tmp_path_factory.mktemp("judge"), family)
    return _SAVED[family]


def judge(folder: Path, **changes: Any) -> Qwen3VLRewardModel:
    return Qwen3VLRewardModel({"model_name": str(folder), "max_new_tokens": 12, **changes})


def question(turn: int = 0, text: str = "How well?", images: int = 2, size: tuple[int, int] | None = None) -> Question:
    """Another one for each `turn`, with pictures of another size."""
    pictures = [gradient(size or (64, 48 + 16 * turn + 32 * index), turn + index) for index in range(images)]
    labels = ("Source:", "Edit:")
    return Question(
        "You judge.",
        tuple(LabelledImage(*pair) for pair in zip(labels, pictures, strict=False)),
        text + " really" * turn,
    )


def texts(replies: list[Reply]) -> list[str]:
    assert [reply.error for reply in replies] == [None] * len(replies)
    return [reply.text for reply in replies]


def ids(model: Qwen3VLRewardModel, text: str) -> list[int]:
    return list(model.processor.tokenizer.encode(text))


def dictated(model: Qwen3VLRewardModel, *replies: list[int]) -> Any:
    """The model writes these tokens, one reply a row, and padding after the end of a row."""
    import torch

    longest, pad = max(map(len, replies)), model.processor.tokenizer.pad_token_id
    rows = torch.tensor([reply + [pad] * (longest - len(reply)) for reply in replies])
    return mock.patch.object(model.model, "generate", lambda input_ids, **rest: torch.cat([input_ids, rows], dim=1))
