"""Makes the miniature policy: `python -m src.miniature.policy.train_policy`.

Supervised training, begun from the miniature editor's text encoder, on faithful rewrites of wishes of the training
families in training wordings. The same command goes on after a kill, on CPU and GPU.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.architecture import EditorSize
from src.miniature.model_folder import require_model, write_chat_model
from src.miniature.policy.architecture import (
    LANGUAGES,
    POLICY_SIZE,
    begin_from_editor,
    build_policy,
    build_policy_processor,
    build_policy_tokenizer,
)
from src.miniature.policy.batches import PolicyBatches
from src.miniature.trainer import TrainingPlan, adamw, claimed_work_folder, run_training, start_command, training_device
from src.miniature.world.benchmark import HELD_OUT_SEEDS, TRAINING_SEEDS
from src.miniature.world.edits import CATEGORIES, DIFFICULTIES, make_edit

if TYPE_CHECKING:
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor

TOKENIZER_EDITS = 3_000
"""Edits whose texts the tokenizer is trained on."""
HELD_OUT_BATCHES = 4
CHECKPOINT_EVERY = 100

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PolicyRecipe:
    """Everything that decides the weights, besides the world, the prompts and the editor.

    Attributes:
        size: Widths and depths; of the editor's sizes only those of its text encoder matter here.
        steps: Optimizer steps.
        batch: Edits per step, each seen once.
        peak_rate: The highest learning rate.
        seed: Decides initial weights and samples.
    """

    size: EditorSize = POLICY_SIZE
    steps: int = 10_000
    batch: int = 16
    peak_rate: float = 1e-3
    seed: int = 0


def make_policy(
    recipe: PolicyRecipe, editor: Path | None, work: Path, out: Path, export_every: int = 400
) -> list[float]:
    """Trains the policy and writes it to `out`.

    Args:
        recipe: What to train; one work folder belongs to one recipe (only the number of steps may change).
        editor: Folder of the editor to begin from; None begins from chance.
        work: Keeps the checkpoint.
        out: The policy's folder; replaced as a whole at every export, its model card kept.
        export_every: Steps between two exports; the end is always exported.

    Returns:
        The loss of each step made by this call.

    Raises:
        ConfigError: `work` was started with another recipe, or `editor` is not there.
    """
    import torch

    if editor is not None:
        require_model(editor, "--editor")
    with claimed_work_folder(work, recipe):
        torch.manual_seed(recipe.seed)
        tokenizer = build_policy_tokenizer(_tokenizer_texts(), recipe.size.vocabulary)
        processor = build_policy_processor(tokenizer)
        policy = build_policy(recipe.size, tokenizer)
        if editor is not None:
            begin_from_editor(policy, tokenizer, editor)
        return _train(policy, processor, recipe, work / "policy.pt", out, export_every)


def _tokenizer_texts() -> list[str]:
    """Instructions and rewrites as often as they occur, and the words of the chat format."""
    names = [f"{kind}_{language}" for kind in ("instruction", "explicit", "rationale") for language in LANGUAGES]
    texts = ["system\n", "user\n", "assistant\n"] * (TOKENIZER_EDITS // 4)
    for index in range(TOKENIZER_EDITS):
        difficulty = DIFFICULTIES[index // len(CATEGORIES) % len(DIFFICULTIES)]
        edit = make_edit(CATEGORIES[index % len(CATEGORIES)], difficulty, TRAINING_SEEDS[index])
        texts += [getattr(edit, name) for name in names]
    return texts


def _train(
    policy: Qwen2_5_VLForConditionalGeneration,
    processor: Qwen2_5_VLProcessor,
    recipe: PolicyRecipe,
    checkpoint: Path,
    out: Path,
    export_every: int,
) -> list[float]:
    import torch

    policy.to(training_device())
    policy.set_attn_implementation("eager")  # on sequences this short twice as fast as the fused kernel of a CPU
    batches = PolicyBatches(processor, recipe.batch, recipe.seed)
    held_out = PolicyBatches(processor, recipe.batch, recipe.seed, HELD_OUT_SEEDS)

    def export(done: int) -> None:
        with torch.no_grad():
            unseen = np.mean([rewriting_loss(policy, held_out, number).item() for number in range(HELD_OUT_BATCHES)])
        logger.info("policy: loss on held-out pictures %.4f", unseen)
        write_chat_model(policy, processor, out, {"recipe": asdict(recipe), "steps_done": done})

    plan = TrainingPlan(
        "policy",
        recipe.steps,
        recipe.peak_rate,
        log_every=20,
        average_decay=0.995,
        checkpoint=checkpoint,
        checkpoint_every=CHECKPOINT_EVERY,
        export_every=export_every,
    )
    optimizer = adamw(policy.parameters(), recipe.peak_rate, weight_decay=0.01, fused=True)
    return run_training(plan, policy, optimizer, lambda step: rewriting_loss(policy, batches, step), export)


def rewriting_loss(policy: Qwen2_5_VLForConditionalGeneration, batches: PolicyBatches, step: int) -> torch.Tensor:
    """The mean cross-entropy of the taught completions' tokens, in nats."""
    import torch

    device = next(policy.parameters()).device
    with torch.autocast(device.type, dtype=torch.bfloat16):
        loss: torch.Tensor = policy(**batches.batch(step, device), use_cache=False).loss
    return loss


def main() -> None:
    """The command line."""
    standard = PolicyRecipe()
    parser = argparse.ArgumentParser(description="Train the miniature policy; goes on by itself where it stopped.")
    parser.add_argument("--editor", type=Path, default=Path("assets/miniature/editor"), help="editor to begin from")
    parser.add_argument("--out", type=Path, default=Path("assets/miniature/policy"), help="folder of the policy")
    parser.add_argument("--work-dir", type=Path, default=Path("runs/miniature_policy"), help="the checkpoint")
    parser.add_argument("--steps", type=int, default=standard.steps)
    parser.add_argument("--batch", type=int, default=standard.batch, help="edits of a step")
    parser.add_argument("--peak-rate", type=float, default=standard.peak_rate, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=standard.seed)
    chosen = parser.parse_args()
    start_command()
    recipe = PolicyRecipe(steps=chosen.steps, batch=chosen.batch, peak_rate=chosen.peak_rate, seed=chosen.seed)
    make_policy(recipe, chosen.editor, chosen.work_dir, chosen.out)


if __name__ == "__main__":
    main()
