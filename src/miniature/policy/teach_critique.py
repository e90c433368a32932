"""Teaches the miniature policy to look at a first attempt: `python -m src.miniature.policy.teach_critique`.

The shipped policy rewrites instructions. Some hundred supervised steps show it two pictures, a source and an attempt
drawn by the world: half of the attempts are the exact result, and half the source as it was. It learns the form of a
critique: to leave a right attempt alone, and to say of another what is missing. The wishes are of training families;
what is left to learn from rewards (`configs/training/miniature_critique.yaml`) is to correct attempts at other wishes.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path

from src.miniature.policy.faithful_rewrites import TaughtRewrite, faithful_rewrite
from src.miniature.policy.fine_tuning import ChatExample, fine_tune, run_recipe
from src.miniature.world.benchmark import TRAINING_SEEDS
from src.miniature.world.edits import CATEGORIES, DIFFICULTIES, MiniatureEdit, make_edit
from src.models.vlm.prompts import load_prompt

OUTPUT = Path("runs/miniature_critique")
STEPS, PEAK_RATE = 200, 1e-3
DONE_SHARE = 0.5
"""The share of attempts that show the exact result; the others show nothing of the wish."""
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
    critique = SATISFIED if is_done else _critique(edit)
    return ChatExample(system, (edit.source, edit.target if is_done else edit.source), user, critique.completion())


def _critique(edit: MiniatureEdit) -> TaughtRewrite:
    """The critique of an attempt that shows nothing of the wish."""
    faithful = faithful_rewrite(edit, "en")
    return TaughtRewrite(f"{MISSED} {faithful.thought}", faithful.instruction)


if __name__ == "__main__":
    run_recipe(__doc__, teach_critique, OUTPUT, STEPS)
