"""Teaches the miniature policy the form of answers: `python -m src.miniature.train_answering`.

The shipped policy rewrites instructions. Some hundred supervised steps give it `<think>` and `<answer>`, and the habit
of guessing: half of the answers it is taught are drawn at random from those that its kind of question may have. What is
left to learn from rewards is to answer what the picture shows (`configs/training/miniature_vqa.yaml`).
"""

from __future__ import annotations

import argparse
import logging
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.miniature.policy_batches import TaughtConversation, collated
from src.miniature.questions import MiniatureQuestion, make_question
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
"""Of questions to learn the form from; question files begin at 0."""
RIGHT_SHARE = 0.5
"""Of the taught answers; of the others some are right by chance."""
STEPS, BATCH, PEAK_RATE = 160, 16, 1e-3
_GAP = "\0"
_THOUGHTS = {
    "colour": "I look at its colour.",
    "count": "I count them.",
    "side": "I look where it is.",
    "presence": "I look for it.",
    "order": "I compare their places.",
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
        batch = collated(processor, [_conversation(processor, rng) for _ in range(BATCH)])
        loss = model(**{name: value.to(model.device) for name, value in batch.items()}, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if (step + 1) % 20 == 0:
            logger.info("answers: step %d of %d, loss %.4f", step + 1, steps, sum(losses[-20:]) / 20)
    return losses


def _conversation(processor: Any, rng: random.Random) -> TaughtConversation:
    question = make_question(rng.choice(SEEDS))
    system, user = _prompt(question.text.en)
    messages = [
        {"role": "system", "content": [{"type": "text", "text": system}]},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": user}]},
    ]
    prompt = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    prompt = prompt.replace(processor.image_token, processor.image_token * IMAGE_TOKENS)
    thought = _THOUGHTS[question.kind]
    completion = f"<think>{thought}</think>\n<answer>{_answer(question, rng)}</answer>{processor.tokenizer.eos_token}"
    start, end = processor.tokenizer([prompt, completion])["input_ids"]
    return TaughtConversation(render(question.scene), start + end, len(start))


def _answer(question: MiniatureQuestion, rng: random.Random) -> str:
    """The right one, or that of another question of its kind."""
    if rng.random() < RIGHT_SHARE:
        return question.answer.en
    other = make_question(rng.choice(SEEDS))
    while other.kind != question.kind:
        other = make_question(rng.choice(SEEDS))
    return other.answer.en


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
