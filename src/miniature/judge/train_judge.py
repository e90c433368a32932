"""Makes the miniature judge from nothing: `python -m src.miniature.judge.train_judge`.

The stages are pairs of pictures with oracle scores, tokenizer, then the Qwen3-VL. They leave their results in the work
folder and are skipped when these exist, so the same command goes on after a kill, on CPU and GPU.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.architecture import PATCHES_PER_SIDE
from src.miniature.judge.architecture import JudgeSize, build_judge, build_judge_processor, build_judge_tokenizer
from src.miniature.judge.batches import JudgeBatchMaker
from src.miniature.judge.fast_training import fast_attention
from src.miniature.judge.losses import (
    auxiliary_heads,
    expected_scores,
    hidden_states,
    judge_losses,
    reply_logits,
)
from src.miniature.judge.pairs import JUDGE_SEEDS, JudgePairs, PairSettings, load_or_draw_judge_pairs
from src.miniature.model_folder import write_chat_model, written_whole
from src.miniature.trainer import (
    TrainingPlan,
    adamw,
    claim_work_folder,
    decay_groups,
    run_training,
    start_command,
    training_device,
)
from src.miniature.world.benchmark import HELD_OUT_SEEDS

if TYPE_CHECKING:
    import torch
    from transformers import Qwen2Tokenizer, Qwen3VLForConditionalGeneration

LEARNING_RATE = 8e-4
CHECKPOINT_EVERY = 250
HELD_OUT_BATCHES = 6
HELD_OUT_CHUNKS = 2
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JudgeRecipe:
    """Everything that decides the weights, besides the world, the prompts and the editor.

    Attributes:
        size: Widths and depths.
        chunks: Training edits, in hundreds.
        candidates: Made-up candidates for each edit.
        outputs: Outputs of the editor for every hundred edits.
        steps: Optimizer steps.
        batch: Questions per step.
        seed: Decides initial weights, candidates and order.
    """

    size: JudgeSize = field(default_factory=JudgeSize)
    chunks: int = 100
    candidates: int = 6
    outputs: int = 50
    steps: int = 3_900
    batch: int = 32
    seed: int = 0


def make_judge(recipe: JudgeRecipe, work: Path, editor: Path | None, export_every: int = 500) -> list[float]:
    """Runs every stage that is not done yet; leaves the judge in `work / "export"`.

    Args:
        recipe: What to train; one work folder belongs to one recipe (only the number of steps may change).
        work: Keeps the stages' results, checkpoints and exports.
        editor: Folder of the miniature editor, whose outputs are judged; None does without.
        export_every: Steps between two exports.

    Returns:
        The loss of each step made by this call.

    Raises:
        ConfigError: `work` was started with another recipe.
    """
    import torch

    claim_work_folder(work, recipe)
    settings = PairSettings(JUDGE_SEEDS, recipe.candidates, recipe.outputs, editor, recipe.seed)
    pairs = load_or_draw_judge_pairs(work / "pairs", settings, recipe.chunks)
    processor = build_judge_processor(_tokenizer(work / "tokenizer", pairs, recipe))
    torch.manual_seed(recipe.seed)
    model = build_judge(recipe.size, processor.tokenizer)
    unseen = load_or_draw_judge_pairs(work / "held_out", replace(settings, seeds=HELD_OUT_SEEDS), HELD_OUT_CHUNKS)
    held_out = JudgeBatchMaker(unseen, processor, recipe.batch, recipe.seed)

    def export(step: int, correlation: float) -> None:
        facts = {"recipe": asdict(recipe), "steps_done": step, "held_out_spearman": round(correlation, 4)}
        write_chat_model(model, processor, work / "export", facts)
        logger.info("step %d: held-out Spearman %.4f, written to %s", step, correlation, work / "export")

    batches = JudgeBatchMaker(pairs, processor, recipe.batch, recipe.seed)
    return train_judge(model, batches, held_out, recipe.steps, work / "judge.pt", export, export_every)


def _tokenizer(folder: Path, pairs: JudgePairs, recipe: JudgeRecipe) -> Qwen2Tokenizer:
    from transformers import Qwen2Tokenizer

    if not folder.exists():
        texts = [text for words in pairs.words for text in words]
        replies = ["system\n", "user\n", "assistant\n", "Score: 0.0"] * (len(texts) // 20)
        tokenizer = build_judge_tokenizer([*texts, *(f" {text}" for text in texts), *replies], recipe.size.vocabulary)
        with written_whole(folder) as partial:
            tokenizer.save_pretrained(partial)
    return Qwen2Tokenizer.from_pretrained(folder)


def train_judge(
    model: Qwen3VLForConditionalGeneration,
    batches: JudgeBatchMaker,
    held_out: JudgeBatchMaker,
    steps: int,
    checkpoint: Path,
    export: Callable[[int, float], None],
    export_every: int,
) -> list[float]:
    """Trains `model` in place and leaves the averaged weights in it; resumes from `checkpoint` when it exists.

    Args:
        model: The judge.
        batches: Makes every step's batch.
        held_out: Makes batches of edits that no step sees.
        steps: Optimizer steps in all.
        checkpoint: File for weights, averages and optimizer.
        export: Called with the steps done and the held-out rank correlation, while `model` holds averaged weights.
        export_every: Steps between two exports; the end is always exported.

    Returns:
        The loss of every step made by this call.
    """
    import torch

    device = training_device()
    heads = auxiliary_heads(model)
    trained = torch.nn.ModuleDict({"judge": model, "auxiliary": heads}).to(device)

    def loss_of(step: int) -> torch.Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            reply, auxiliary = judge_losses(model, heads, batches.batch(step, device), batches.replies)
            return reply + auxiliary

    plan = TrainingPlan(
        "judge",
        steps,
        LEARNING_RATE,
        log_every=50,
        average_decay=0.999,
        checkpoint=checkpoint,
        checkpoint_every=CHECKPOINT_EVERY,
        export_every=export_every,
    )
    optimizer = adamw(decay_groups(trained.parameters()), LEARNING_RATE, fused=True)
    with fast_attention(model, PATCHES_PER_SIDE**2):
        return run_training(
            plan, trained, optimizer, loss_of, lambda done: export(done, held_out_correlation(model, held_out))
        )


def held_out_correlation(model: Qwen3VLForConditionalGeneration, held_out: JudgeBatchMaker) -> float:
    """Spearman's rank correlation of the oracle's and the judge's scores over `HELD_OUT_BATCHES` batches.

    The judge's score is `expected_scores`, a quick stand-in for the replies that `evaluate_judge` measures.
    """
    import torch
    from scipy.stats import spearmanr

    device = next(model.parameters()).device
    truth, judged = [], []
    with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16):
        for step in range(HELD_OUT_BATCHES):
            rows, _ = held_out.draw(step)
            batch = held_out.batch(step, device)
            logits = reply_logits(model, hidden_states(model, batch)[-1], batch).float()
            judged.append(expected_scores(logits, batch, held_out.replies).cpu().numpy())
            truth.append(held_out.pairs.scores[rows])
    return float(spearmanr(np.concatenate(truth), np.concatenate(judged)).statistic)


def main() -> None:
    """The command line."""
    standard = JudgeRecipe()
    parser = argparse.ArgumentParser(description="Train the miniature judge; goes on by itself where it stopped.")
    parser.add_argument("--work", type=Path, default=Path("runs/miniature_judge"), help="data, checkpoints, exports")
    parser.add_argument("--editor", type=Path, default=Path("assets/miniature/editor"), help="whose outputs are judged")
    parser.add_argument("--steps", type=int, default=standard.steps, help="optimizer steps")
    parser.add_argument("--export-every", type=int, default=500, help="steps between two exports")
    chosen = parser.parse_args()
    start_command()
    make_judge(JudgeRecipe(steps=chosen.steps), chosen.work, chosen.editor, chosen.export_every)


if __name__ == "__main__":
    main()
