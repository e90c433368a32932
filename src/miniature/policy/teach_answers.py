"""Teaches the miniature policy to answer questions: `python -m src.miniature.policy.teach_answers`.

The shipped policy rewrites instructions. Supervised steps give it `<think>` and `<answer>` and let it learn what the
pictures show; the last ones then give it a habit: of the answers taught there most are the same for all questions of
their kind, whatever the picture shows. What is left to learn from rewards is to answer what it sees
(`configs/training/miniature_vqa.yaml`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from src.miniature.policy.fine_tuning import BATCH, ChatExample, fine_tune, run_recipe
from src.miniature.world.questions import make_question
from src.miniature.world.render import render
from src.models.vlm.prompts import load_prompt
from src.models.vlm.tags import THINK_TAGS

OUTPUT = Path("runs/miniature_answering")
SEEDS = range(1_000_000, 2**31)
"""The seeds of questions to learn from; those of the question files are below."""
STEPS, PEAK_RATE = 3000, 5e-4
HABIT_SHARE = 0.1
"""The last steps, in which most answers are habits."""
RIGHT_SHARE = 0.35
"""The share of right answers among those taught in these steps; of the others some are right by chance."""
_HABITS = {"colour": "red", "side": "left", "place": "meadow", "time": "day", "weather": "clear"}
_THOUGHTS = {
    "colour": "I look at its colour.",
    "side": "I look where it is.",
    "place": "I look at the ground.",
    "time": "I look at the light.",
    "weather": "I look at the sky.",
}
_GAP = "\0"


def teach_answers(policy: Path, output: Path, steps: int = STEPS) -> list[float]:
    """Trains the policy on questions and writes it to `output`; returns the loss of each step.

    Args:
        policy: Folder of the policy to begin from.
        output: A new folder.
        steps: Optimizer steps.
    """
    return fine_tune(policy, output, _fixed_texts(), _examples(random.Random(0), steps), steps, PEAK_RATE)


def _fixed_texts() -> list[str]:
    """The tags, and every text that is the same in all prompts and thoughts."""
    tags = [text for tag in THINK_TAGS for text in (f"<{tag}>", f"</{tag}>")]
    system, user = _prompt(_GAP)
    return [*tags, system, user.partition(_GAP)[0], *_THOUGHTS.values()]


def _prompt(question: str) -> tuple[str, str]:
    return load_prompt("vqa", "think_answer", "en").render(question=question)


def _examples(rng: random.Random, steps: int) -> Iterator[ChatExample]:
    for number in range(steps * BATCH):
        yield _example(rng, right_share=1.0 if number < steps * BATCH * (1 - HABIT_SHARE) else RIGHT_SHARE)


def _example(rng: random.Random, right_share: float) -> ChatExample:
    question = make_question(rng.choice(SEEDS))
    answer = question.answer.en if rng.random() < right_share else _HABITS[question.kind]
    completion = f"<think>{_THOUGHTS[question.kind]}</think>\n<answer>{answer}</answer>"
    system, user = _prompt(question.text.en)
    return ChatExample(system, (render(question.scene),), user, completion)


if __name__ == "__main__":
    run_recipe(__doc__, teach_answers, OUTPUT, STEPS)
