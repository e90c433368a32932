"""Teaches the miniature policy to answer questions: `python -m src.miniature.train_answering`.

The shipped policy rewrites instructions. Supervised steps give it `<think>` and `<answer>` and let it see what the
pictures show; the last ones then give it a habit: of the answers taught there most are the same for all questions of
their kind, whatever the picture shows. What is left to learn from rewards is to answer what it sees
(`configs/training/miniature_vqa.yaml`).
"""

from __future__ import annotations

import argparse
import logging
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.miniature.policy_batches import TaughtConversation, collated
from src.miniature.questions import make_question
from src.miniature.render import render
from src.miniature.training_batches import IMAGE_TOKENS
from src.miniature.training_state import learning_rate, training_device
from src.rewards.prompts import load_prompt
from src.rewards.tags import THINK_TAGS

if TYPE_CHECKING:
    from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor

logger = logging.getLogger(__name__)

POLICY = Path("assets/miniature/policy")
OUTPUT = Path("runs/miniature_answering")
SEEDS = range(1_000_000, 2**31)
"""Of questions to learn from; those of the question files are below."""
STEPS, BATCH, PEAK_RATE = 3000, 16, 5e-4
HABIT_SHARE = 0.1
"""The last steps, in which most answers are habits."""
RIGHT_SHARE = 0.35
"""Of the answers taught there; of the others some are right by chance."""
_GAP = "\0"
_HABITS = {"colour": "red", "side": "left", "place": "meadow", "time": "day", "weather": "clear"}
_THOUGHTS = {
    "colour": "I look at its colour.",
    "side": "I look where it is.",
    "place": "I look at the ground.",
    "time": "I look at the light.",
    "weather": "I look at the sky.",
}


def teach_answers(policy: Path, output: Path, steps: int = STEPS) -> list[float]:
    """Trains the policy on questions and writes it to `output`; returns the loss of each step.

    Args:
        policy: Folder of the policy to begin from.
        output: A new folder.
        steps: Optimizer steps of `BATCH` questions each.
    """
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(policy)
    model = AutoModelForImageTextToText.from_pretrained(policy, dtype=torch.float32)
    processor.tokenizer.add_tokens(_fixed_texts())
    torch.manual_seed(0)
    model.resize_token_embeddings(len(processor.tokenizer))
    losses = _train(model.to(training_device()).train(), processor, steps)
    model.save_pretrained(output)
    processor.save_pretrained(output)
    return losses


def _fixed_texts() -> list[str]:
    """What becomes one token each: the tags, and every text that is the same in all prompts and thoughts."""
    tags = [text for tag in THINK_TAGS for text in (f"<{tag}>", f"</{tag}>")]
    system, user = _prompt(_GAP)
    return [*tags, system, user.partition(_GAP)[0], *_THOUGHTS.values()]


def _prompt(question: str) -> tuple[str, str]:
    return load_prompt("vqa", "think_answer", "en").render(question=question)


def _train(model: Qwen2_5_VLForConditionalGeneration, processor: Qwen2_5_VLProcessor, steps: int) -> list[float]:
    import torch

    torch.set_flush_denormal(True)  # denormal numbers slow a CPU down several times
    model.set_attn_implementation("eager")  # on sequences this short twice as fast as the fused kernel of a CPU
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=0.01)
    rng = random.Random(0)
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, PEAK_RATE)
        right_share = 1.0 if step < steps * (1 - HABIT_SHARE) else RIGHT_SHARE
        batch = collated(processor, [_conversation(processor, rng, right_share) for _ in range(BATCH)])
        loss = model(**{name: value.to(model.device) for name, value in batch.items()}, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if (step + 1) % 20 == 0:
            logger.info("answers: step %d of %d, loss %.4f", step + 1, steps, sum(losses[-20:]) / 20)
    return losses


def _conversation(processor: Any, rng: random.Random, right_share: float) -> TaughtConversation:
    question = make_question(rng.choice(SEEDS))
    system, user = _prompt(question.text.en)
    messages = [
        {"role": "system", "content": [{"type": "text", "text": system}]},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": user}]},
    ]
    prompt = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    prompt = prompt.replace(processor.image_token, processor.image_token * IMAGE_TOKENS)
    thought = _THOUGHTS[question.kind]
    answer = question.answer.en if rng.random() < right_share else _HABITS[question.kind]
    completion = f"<think>{thought}</think>\n<answer>{answer}</answer>{processor.tokenizer.eos_token}"
    start, end = processor.tokenizer([prompt, completion])["input_ids"]
    return TaughtConversation(render(question.scene), start + end, len(start))


def main() -> None:
    """Runs the recipe from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, default=POLICY)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    teach_answers(arguments.policy, arguments.output, arguments.steps)


if __name__ == "__main__":
    main()
