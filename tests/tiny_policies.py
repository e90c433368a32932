"""Real Qwen2.5-VL policies of a hundred thousand parameters, saved once per test session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from src.miniature.editor.architecture import EditorSize, build_text_encoder
from src.models.vlm.prompts import load_prompt
from tests.tiny_parts import VOCABULARY, once, qwen2_processor, qwen_tokenizer

SIZE = EditorSize(vocabulary=VOCABULARY, text_width=64, text_layers=1, vision_width=64, vision_layers=1)
PROMPTS = ("first_pass", "second_pass", "think_answer")
PARROT = "<CoT>ab</CoT><Re_edit>paint 7</Re_edit>"
"""One token of the tiny vocabulary, as are the long system prompts."""


def _prompt(name: str) -> tuple[str, str]:
    if name == "think_answer":
        return load_prompt("vqa", name, "en").render(question="What is the weather?")
    return load_prompt("rewrite", name, "en").render(edit_instruction="change to 3")


def _build() -> tuple[Any, Any]:
    """Model and processor, the same at every call."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        whole = [*(_prompt(name)[0] for name in PROMPTS), PARROT]
        tokenizer = qwen_tokenizer(["aaaa bbbb", "change to 3"], whole=whole)
        processor = qwen2_processor(tokenizer)
        model = build_text_encoder(SIZE, tokenizer)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model, processor


def _save(folder: Path, *parts: Any) -> Path:
    for part in parts:
        part.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
@once
def policy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that says anything."""
    return _save(tmp_path_factory.mktemp("policy"), *_build())


@pytest.fixture(scope="session")
@once
def parrot_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that was trained to say `PARROT`, whatever it is shown."""
    import torch

    model, processor = _build()
    inputs = processor.apply_chat_template(
        [_lesson("first_pass", 1, "red"), _lesson("second_pass", 2, "blue"), _lesson("think_answer", 1, "green")],
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"padding": True},
    )
    labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(40):
        model(**inputs, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return _save(tmp_path_factory.mktemp("parrot"), model, processor)


def _lesson(name: str, images: int, color: str) -> list[dict[str, Any]]:
    system, user = _prompt(name)
    shown = [{"type": "image", "image": Image.new("RGB", (16, 16), color)} for _ in range(images)]
    turns = {"system": [_text(system)], "user": [*shown, _text(user)], "assistant": [_text(PARROT)]}
    return [{"role": role, "content": content} for role, content in turns.items()]


def _text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}
