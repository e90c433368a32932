"""Real EditScore checkpoints, tiny: a Qwen-VL, and a LoRA adapter with which it says one of two replies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.miniature.editor.architecture import EditorSize, build_text_encoder
from src.models.vlm.question import LabelledImage, Question
from src.models.vlm.question_encoder import QuestionEncoder
from tests.tiny_parts import VOCABULARY, gradient, once, qwen2_processor, qwen_tokenizer

SIZE = EditorSize(vocabulary=VOCABULARY, text_width=64, text_layers=1, vision_width=64, vision_layers=1)
PIXELS = {"shortest_edge": 32 * 32, "longest_edge": 64 * 64}
FULL, PARTLY = ('{"reasoning": "r", "score": [25, 25]}', '{"reasoning": "r", "score": [10, 25]}')
"""One token of the tiny vocabulary each: as SC or PQ, 10 and 4."""
TEXTS = {
    "_context_no_delimit_reasoning_first": "C",
    "_prompts_0shot_two_image_edit_rule": "R",
    "_prompts_0shot_tie_rule_SC": "<instruction>",
    "_prompts_0shot_rule_PQ": "Q",
}
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def save_texts(folder: Path) -> Path:
    """A checkout with short texts in the place of EditScore's own."""
    (folder / "editscore").mkdir(parents=True)
    lines = (f"{name} = {text!r}" for name, text in TEXTS.items())
    (folder / "editscore" / "vie_prompts.py").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
@once
def edit_score_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2.5-VL that says anything."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = qwen_tokenizer(["make it red"], whole=[FULL, PARTLY])
        model = build_text_encoder(SIZE, tokenizer)
        torch.nn.init.normal_(model.get_output_embeddings().weight, std=0.3)  # wide enough that it can be sure
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    folder = tmp_path_factory.mktemp("edit_score_base")
    model.save_pretrained(folder)
    qwen2_processor(tokenizer, PIXELS).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
@once
def edit_score_adapter(edit_score_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that was trained to say `FULL` as often as `PARTLY`, whatever is shown."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText, AutoProcessor

    with torch.random.fork_rng():
        torch.manual_seed(0)
        base = AutoModelForImageTextToText.from_pretrained(edit_score_base, dtype=torch.float32)
        lora = LoraConfig(r=8, lora_alpha=16, target_modules=TARGETS, task_type="CAUSAL_LM")
        model = get_peft_model(base, lora)
        inputs = _lessons(AutoProcessor.from_pretrained(edit_score_base))
        optimizer = torch.optim.AdamW((one for one in model.parameters() if one.requires_grad), lr=1e-2)
        for _ in range(24):
            model(**inputs).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    folder = tmp_path_factory.mktemp("edit_score_adapter")
    model.save_pretrained(folder)
    return folder


def _lessons(processor: Any) -> Any:
    """Both replies to both questions, padded on the left; only replies are learned."""
    import torch

    processor.tokenizer.padding_side = "left"
    tokenizer = processor.tokenizer
    shown = tuple(LabelledImage(f"<img{place}>: ", gradient((32, 32), place)) for place in (1, 2))
    asked = [Question("", shown, "C\nR\nmake it red"), Question("", shown[1:], "C\nQ")] * 2
    prompts = QuestionEncoder(processor, None)(asked)
    replies = [tokenizer.encode(reply + tokenizer.eos_token) for reply in (FULL, FULL, PARTLY, PARTLY)]
    answers = torch.tensor(replies)
    ids, mask = prompts["input_ids"], prompts["attention_mask"]
    prompts["input_ids"] = torch.cat([ids, answers], dim=1)
    prompts["attention_mask"] = torch.cat([mask, torch.ones_like(answers)], dim=1)
    for name, value in prompts.items():
        if value.shape == ids.shape and name != "input_ids":  # what tells pictures from words
            prompts[name] = torch.cat([value, torch.zeros_like(answers)], dim=1)
    prompts["labels"] = torch.cat([torch.full_like(ids, -100), answers], dim=1)
    return prompts
