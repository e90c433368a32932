"""Makes the miniature policy: `python -m src.miniature.policy.train_policy`.

Supervised training, begun from the shipped miniature editor's text encoder: first on careful rewrites, from which there
is much to learn, then on noisy ones (`noisy_rewrites`), from which it takes its habits. The same command goes on after
a kill, on CPU and GPU.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from src.errors import ConfigError
from src.miniature.editor.editor_architecture import EditorSize
from src.miniature.model_folder import write_chat_model
from src.miniature.policy.noisy_rewrites import LAZY_THOUGHT, VAGUE
from src.miniature.policy.policy_architecture import (
    LANGUAGES,
    POLICY_SIZE,
    begin_from_editor,
    build_policy,
    build_policy_processor,
    build_policy_tokenizer,
)
from src.miniature.policy.policy_batches import PolicyBatches
from src.miniature.training_state import (
    AveragedWeights,
    learning_rate,
    load_checkpoint,
    save_checkpoint,
    training_device,
)
from src.miniature.world.benchmark import HELD_OUT_SEEDS, TRAINING_SEEDS
from src.miniature.world.edits import CATEGORIES, DIFFICULTIES, make_edit

if TYPE_CHECKING:
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor

TOKENIZER_EDITS = 3_000
"""Edits whose texts the tokenizer is trained on."""
HELD_OUT_BATCHES = 4
CAREFUL_SHARE = 0.8
"""The first share of the steps, in which all rewrites are careful."""
CHECKPOINT_EVERY = 100

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, besides the world, the prompts and the editor.

    Attributes:
        size: Widths and depths; of the editor's sizes only those of its text encoder matter here.
        steps: Optimizer steps.
        batch: Edits per step, each seen once.
        peak_rate: The highest learning rate.
        seed: Decides initial weights and samples.
    """

    size: EditorSize = POLICY_SIZE
    steps: int = 3_000
    batch: int = 16
    peak_rate: float = 1e-3
    seed: int = 0


def make_policy(recipe: Recipe, editor: Path | None, work: Path, out: Path, export_every: int = 400) -> list[float]:
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
        ConfigError: `work` was started with another recipe.
    """
    import torch

    work.mkdir(parents=True, exist_ok=True)
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
    texts = ["system\n", "user\n", "assistant\n", *LAZY_THOUGHT, *VAGUE] * (TOKENIZER_EDITS // 4)
    for index in range(TOKENIZER_EDITS):
        difficulty = DIFFICULTIES[index // len(CATEGORIES) % len(DIFFICULTIES)]
        edit = make_edit(CATEGORIES[index % len(CATEGORIES)], difficulty, TRAINING_SEEDS[index])
        texts += [getattr(edit, name) for name in names]
    return texts


def _train(
    policy: Qwen2_5_VLForConditionalGeneration,
    processor: Qwen2_5_VLProcessor,
    recipe: Recipe,
    checkpoint: Path,
    out: Path,
    export_every: int,
) -> list[float]:
    import torch

    device = training_device()
    policy.to(device).train()
    policy.set_attn_implementation("eager")  # on sequences this short twice as fast as the fused kernel of a CPU
    parameters = list(policy.parameters())
    average = AveragedWeights(parameters, decay=0.995)
    optimizer = torch.optim.AdamW(parameters, lr=recipe.peak_rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    batches = PolicyBatches(processor, recipe.batch, recipe.seed, round(CAREFUL_SHARE * recipe.steps))
    held_out = PolicyBatches(processor, recipe.batch, recipe.seed, HELD_OUT_BATCHES, HELD_OUT_SEEDS)
    losses = []
    for step in range(_resume(checkpoint, recipe, policy, average, optimizer), recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe.steps, recipe.peak_rate)
        loss = rewriting_loss(policy, batches, step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(step)
        losses.append(loss.item())
        done = step + 1
        if done % 20 == 0:
            logger.info("policy: step %d of %d, loss %.4f", done, recipe.steps, np.mean(losses[-20:]))
        if done % CHECKPOINT_EVERY == 0 or done == recipe.steps:
            save_checkpoint(checkpoint, _state(recipe, policy, average, optimizer, done))
        if done % export_every == 0 or done == recipe.steps:
            average.swap()
            policy.eval()
            with torch.no_grad():
                unseen = np.mean(
                    [rewriting_loss(policy, held_out, number).item() for number in range(HELD_OUT_BATCHES)]
                )
            logger.info("policy: held-out loss of careful rewrites %.4f", unseen)
            write_chat_model(policy, processor, out, {"recipe": asdict(recipe), "steps_done": done})
            policy.train()
            average.swap()
    return losses


def rewriting_loss(policy: Qwen2_5_VLForConditionalGeneration, batches: PolicyBatches, step: int) -> torch.Tensor:
    """The mean cross-entropy of the taught completions' tokens, in nats."""
    import torch

    device = next(policy.parameters()).device
    with torch.autocast(device.type, dtype=torch.bfloat16):
        loss: torch.Tensor = policy(**batches.batch(step, device), use_cache=False).loss
    return loss


def _state(
    recipe: Recipe,
    policy: Qwen2_5_VLForConditionalGeneration,
    average: AveragedWeights,
    optimizer: torch.optim.Optimizer,
    step: int,
) -> dict[str, Any]:
    return {
        "recipe": asdict(recipe),
        "policy": policy.state_dict(),
        "average": average.average,
        "optimizer": optimizer.state_dict(),
        "step": step,
    }


def _resume(
    checkpoint: Path,
    recipe: Recipe,
    policy: Qwen2_5_VLForConditionalGeneration,
    average: AveragedWeights,
    optimizer: torch.optim.Optimizer,
) -> int:
    """Takes up the checkpoint, if there is one, and returns the number of steps done."""
    state = load_checkpoint(checkpoint)
    if state is None:
        return 0
    wanted = {name: value for name, value in asdict(recipe).items() if name != "steps"}
    different = [name for name, value in wanted.items() if state["recipe"].get(name) != value]
    if different:
        raise ConfigError(
            f"checkpoint {checkpoint} belongs to a training with another {' and '.join(different)}; "
            "use a new --work-dir, or the old settings to go on there"
        )
    policy.load_state_dict(state["policy"])
    average.restore(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    logger.info("policy: resuming at step %d", state["step"])
    return int(state["step"])


def main() -> None:
    """The command line."""
    standard = Recipe()
    parser = argparse.ArgumentParser(description="Train the miniature policy; goes on by itself where it stopped.")
    parser.add_argument("--editor", type=Path, default=Path("assets/miniature/editor"), help="editor to begin from")
    parser.add_argument("--out", type=Path, default=Path("assets/miniature/policy"), help="folder of the policy")
    parser.add_argument("--work-dir", type=Path, default=Path("runs/miniature_policy"), help="the checkpoint")
    parser.add_argument("--steps", type=int, default=standard.steps)
    parser.add_argument("--batch", type=int, default=standard.batch, help="edits of a step")
    parser.add_argument("--peak-rate", type=float, default=standard.peak_rate, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=standard.seed)
    chosen = parser.parse_args()
    import torch

    torch.set_flush_denormal(True)  # denormal numbers slow a CPU down several times
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    recipe = Recipe(steps=chosen.steps, batch=chosen.batch, peak_rate=chosen.peak_rate, seed=chosen.seed)
    make_policy(recipe, chosen.editor, chosen.work_dir, chosen.out)


if __name__ == "__main__":
    main()
