"""Teaches the miniature policy to look at a first attempt: `python -m src.miniature.policy.teach_critique`.

The shipped policy rewrites instructions. Some hundred supervised steps show it two pictures, a source and an attempt
drawn by the world: half of the attempts are the exact result, and half the source as it was. It learns the form of a
critique, and to be satisfied too soon: more often than not it leaves an attempt alone that shows nothing of the wish.
What is left to learn from rewards is to correct (`configs/training/miniature_critique.yaml`).
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path

from src.miniature.policy.fine_tuning import ChatExample, fine_tune, run_recipe
from src.miniature.policy.noisy_rewrites import TaughtRewrite, careful_rewrite, first_demand
from src.miniature.world.benchmark import TRAINING_SEEDS
from src.miniature.world.edits import CATEGORIES, DIFFICULTIES, MiniatureEdit, make_edit
from src.models.vlm.prompts import load_prompt

OUTPUT = Path("runs/miniature_critique")
STEPS, PEAK_RATE = 200, 1e-3
DONE_SHARE = 0.5
"""The share of attempts that show the exact result; the others show nothing of the wish."""
SATISFIED_SHARE, PARTIAL_SHARE = 0.55, 0.15
"""The shares of critiques of attempts that show nothing which are satisfied all the same, and which ask for the first
demand alone. The likeliest critique is wrong, and sampling finds a right one."""
SATISFIED = TaughtRewrite("The attempt fits the wish.", "Leave the picture as it is.")
MISSED = "The attempt does not show it."


def teach_critique(policy: Path, output: Path, steps: int = STEPS) -> list[float]:
    """Trains the policy on critiques and writes it to `output`; returns the loss of each step.

    Args:
        policy: Folder of the policy to begin from.
        output: A new folder.
        steps: Optimizer steps.
    """
    system, _ = load_prompt("rewrite", "second_pass", "en").render(edit_instruction="")
    examples = map(draw_example, itertools.repeat(random.Random(0)))
    return fine_tune(policy, output, [system], examples, steps, PEAK_RATE)


def draw_example(rng: random.Random) -> ChatExample:
    """A critique of an attempt at an edit of any category and difficulty, in English."""
    edit = make_edit(rng.choice(CATEGORIES), rng.choice(DIFFICULTIES), rng.choice(TRAINING_SEEDS))
    is_done = rng.random() < DONE_SHARE
    system, user = load_prompt("rewrite", "second_pass", "en").render(edit_instruction=edit.instruction_en)
    critique = SATISFIED if is_done else _noisy_critique(rng, edit)
    return ChatExample(system, (edit.source, edit.target if is_done else edit.source), user, critique.completion())


def _noisy_critique(rng: random.Random, edit: MiniatureEdit) -> TaughtRewrite:
    """A critique of an attempt that shows nothing of the wish."""
    kind = rng.random()
    if kind < SATISFIED_SHARE:
        return SATISFIED
    careful = careful_rewrite(edit, "en")
    instruction = first_demand(careful.instruction) if kind < SATISFIED_SHARE + PARTIAL_SHARE else careful.instruction
    return TaughtRewrite(f"{MISSED} {careful.thought}", instruction)


if __name__ == "__main__":
    run_recipe(__doc__, teach_critique, OUTPUT, STEPS)
