"""Real Qwen-VL judges of a few hundred kilobytes with random weights, saved once per test session."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from src.miniature.editor.editor_architecture import (
    PATCH_SIDE,
    SPECIAL_TOKENS,
    EditorSize,
    build_processor,
    build_text_encoder,
    build_tokenizer,
)
from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel
from src.models.vlm.question import LabelledImage, Question, Reply
from tests.tiny_pipelines import gradient

TEXTS = ["Score: 8.5", "How well was the sky painted red?", "评分：7"]
SIZE = EditorSize(vocabulary=300, text_width=64, text_layers=2, vision_width=64, vision_layers=2)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
IMAGE_PIXELS = {"shortest_edge": 32 * 32, "longest_edge": 128 * 128}
SAMPLED = {"temperature": 1.0, "top_p": 0.9, "seed": 3}
LEAKY = {"do_sample": True, "temperature": 0.7, "top_k": 20, "repetition_penalty": 1.5, "max_length": 3}
"""Generation settings as checkpoints bring them along; none may reach the judge."""


def qwen3_model(tokenizer: Any, patch_side: int = PATCH_SIDE) -> Any:
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 1,
            "num_key_value_heads": 1,
            "head_dim": 64,
            "max_position_embeddings": 1024,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": [12, 10, 10],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 1,
            "patch_size": patch_side,
            "out_hidden_size": 64,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    return Qwen3VLForConditionalGeneration(config)


def qwen3_processor(tokenizer: Any, image_processor: Any) -> Any:
    from transformers import Qwen3VLProcessor, Qwen3VLVideoProcessor

    video = Qwen3VLVideoProcessor(patch_size=image_processor.patch_size, merge_size=2, temporal_patch_size=2)
    return Qwen3VLProcessor(image_processor=image_processor, tokenizer=tokenizer, video_processor=video)


def save_judge(folder: Path, family: str) -> Path:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = build_tokenizer(TEXTS, SIZE.vocabulary)
        tokenizer.eos_token, tokenizer.pad_token = "<|im_end|>", "<|endoftext|>"
        processor = build_processor(tokenizer)
        if family == "qwen3":
            model, processor = qwen3_model(tokenizer), qwen3_processor(tokenizer, processor.image_processor)
        else:
            model = build_text_encoder(SIZE, tokenizer)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.15)  # wide enough that words and pixels change the reply
    processor.image_processor.size = IMAGE_PIXELS
    processor.chat_template = CHAT_TEMPLATE
    for name, value in LEAKY.items():
        setattr(model.generation_config, name, value)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session", params=["qwen3", "qwen2.5"])
def judge_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3-VL, then a Qwen2.5-VL."""
    return save_judge(tmp_path_factory.mktemp("judge"), request.param)


@pytest.fixture(scope="session")
def qwen3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3-VL alone, for what does not depend on the family."""
    return save_judge(tmp_path_factory.mktemp("qwen3"), "qwen3")


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
