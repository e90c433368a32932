"""Supervised fine-tuning of the shipped miniature policy: some hundred steps teach it a new form of writing."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from src.miniature.editor.batches import LENGTH_MULTIPLE
from src.miniature.model_folder import require_model
from src.miniature.policy.batches import IGNORE_INDEX
from src.miniature.trainer import TrainingPlan, adamw, run_training, start_command, training_device

if TYPE_CHECKING:
    import torch
    from transformers import Qwen2_5_VLProcessor

POLICY = Path("assets/miniature/policy")
BATCH = 16
"""Examples of a step."""

FineTuning = Callable[[Path, Path, int], list[float]]
"""Given a policy's folder, a new folder and a number of steps: teaches, writes, and returns the losses."""


@dataclass(frozen=True)
class ChatExample:
    """One conversation, and what the policy is to write at its end."""

    system: str
    pictures: tuple[np.ndarray, ...]
    """uint8 (64, 64, 3), shown before the user's text, in this order."""
    user: str
    completion: str


def fine_tune(
    policy: Path,
    output: Path,
    fixed_texts: Sequence[str],
    examples: Iterator[ChatExample],
    steps: int,
    peak_rate: float,
) -> list[float]:
    """Trains a policy on examples, each seen once, and writes it to `output`.

    Args:
        policy: Folder of the policy to begin from.
        output: A new folder.
        fixed_texts: What becomes one token each: tags, and texts that are the same in all examples.
        examples: `BATCH` for each step, at least.
        steps: Optimizer steps.
        peak_rate: The highest learning rate.

    Returns:
        The loss of each step: mean cross-entropy of the completions' tokens, in nats.
    """
    import torch
    from tokenizers import AddedToken
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(policy)
    model = AutoModelForImageTextToText.from_pretrained(policy, dtype=torch.float32)
    processor.tokenizer.add_tokens([AddedToken(text, normalized=False) for text in fixed_texts])
    torch.manual_seed(0)
    model.resize_token_embeddings(len(processor.tokenizer))
    model.to(training_device())
    model.set_attn_implementation("eager")  # on sequences this short twice as fast as the fused kernel of a CPU

    def loss_of(_: int) -> torch.Tensor:
        arguments = collate_chats(processor, list(itertools.islice(examples, BATCH)))
        loss: torch.Tensor = model(
            **{name: value.to(model.device) for name, value in arguments.items()}, use_cache=False
        ).loss
        return loss

    plan = TrainingPlan("policy", steps, peak_rate, log_every=20)
    losses = run_training(plan, model, adamw(model.parameters(), peak_rate, weight_decay=0.01), loss_of)
    model.save_pretrained(output)
    processor.tokenizer.backend_tokenizer.no_padding()  # it would be saved, and whoever loads it pad as we did
    processor.save_pretrained(output)
    return losses


def collate_chats(processor: Qwen2_5_VLProcessor, examples: Sequence[ChatExample]) -> dict[str, torch.Tensor]:
    """The model's arguments: prompts padded on the left, as in a rollout, then completions padded on the right.

    Labels are on the completions alone.
    """
    import torch

    prompts = processor(
        text=[_prompt(processor, example) for example in examples],
        images=[[Image.fromarray(picture) for picture in example.pictures] for example in examples],
        padding=True,
        pad_to_multiple_of=LENGTH_MULTIPLE,
        padding_side="left",
        return_tensors="pt",
    )
    written = processor.tokenizer(
        [example.completion + processor.tokenizer.eos_token for example in examples],
        padding=True,
        pad_to_multiple_of=LENGTH_MULTIPLE,
        padding_side="right",
        return_tensors="pt",
    )
    tokens, mask = written["input_ids"], written["attention_mask"]
    untaught = torch.full_like(prompts["input_ids"], IGNORE_INDEX)
    return dict(prompts) | {
        "input_ids": torch.cat([prompts["input_ids"], tokens], dim=1),
        "attention_mask": torch.cat([prompts["attention_mask"], mask], dim=1),
        "mm_token_type_ids": torch.cat([prompts["mm_token_type_ids"], torch.zeros_like(tokens)], dim=1),
        "labels": torch.cat([untaught, tokens.masked_fill(mask == 0, IGNORE_INDEX)], dim=1),
    }


def _prompt(processor: Qwen2_5_VLProcessor, example: ChatExample) -> str:
    shown = [{"type": "image"} for _ in example.pictures]
    messages = [
        {"role": "system", "content": [{"type": "text", "text": example.system}]},
        {"role": "user", "content": [*shown, {"type": "text", "text": example.user}]},
    ]
    text: str = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return text


def run_recipe(description: str, fine_tuning: FineTuning, output: Path, steps: int) -> None:
    """The command line of a recipe.

    Args:
        description: For `--help`.
        fine_tuning: The recipe.
        output: Its usual folder.
        steps: Its usual number of steps.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, default=POLICY)
    parser.add_argument("--output", type=Path, default=output)
    parser.add_argument("--steps", type=int, default=steps)
    arguments = parser.parse_args()
    start_command()
    require_model(arguments.policy, "--policy")
    fine_tuning(arguments.policy, arguments.output, arguments.steps)
