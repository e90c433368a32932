"""Makes the miniature judge from nothing: `python -m src.miniature.judge.train_judge`.

The stages are pairs of pictures with oracle scores, tokenizer, then the Qwen3-VL. They leave their results in the work
folder and are skipped when these exist, so the same command goes on after a kill, on CPU and GPU.
"""

from __future__ import annotations

import argparse
import itertools
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from src.miniature.editor.architecture import PATCHES_PER_SIDE
from src.miniature.judge.architecture import JudgeSize, build_judge, build_judge_processor, build_judge_tokenizer
from src.miniature.judge.batches import JudgeBatchMaker
from src.miniature.judge.drawing import JUDGE_SEEDS, PairSettings, load_or_draw_judge_pairs
from src.miniature.judge.fast_training import fast_attention
from src.miniature.judge.losses import (
    auxiliary_heads,
    expected_scores,
    hidden_states,
    judge_losses,
    reply_logits,
)
from src.miniature.judge.pairs import JudgePairs
from src.miniature.judge.questions import BLOCK, AskedQuestion
from src.miniature.model_folder import require_model, write_chat_model, written_whole
from src.miniature.trainer import (
    TrainingPlan,
    adamw,
    claimed_work_folder,
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
HELD_OUT_BATCHES = 16
HELD_OUT_CHUNKS = 5
CLEAR_DIFFERENCE = 1.0
"""Points between the oracle's scores from which on an order counts."""
EARLIER_STATE = (
    "the shipped editor is assets/miniature/editor; earlier states of one are copies of the folder that "
    "python -m src.miniature.editor.train_editor replaces every 1,000 steps (--out)"
)
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JudgeRecipe:
    """Everything that decides the weights, besides the world, the prompts and the editor.

    Attributes:
        size: Widths and depths.
        chunks: Training pictures, in twenties; each has about five edits.
        candidates: Made-up candidates for each edit.
        outputs: Outputs of the editors for every chunk.
        steps: Optimizer steps.
        batch: Questions per step.
        seed: Decides initial weights, candidates and order.
    """

    size: JudgeSize = field(default_factory=JudgeSize)
    chunks: int = 100
    candidates: int = 4
    outputs: int = 45
    steps: int = 9_000
    batch: int = 32
    seed: int = 0


def make_judge(recipe: JudgeRecipe, work: Path, editors: tuple[Path, ...], export_every: int = 500) -> list[float]:
    """Runs every stage that is not done yet; leaves the judge in `work / "export"`.

    Args:
        recipe: What to train; one work folder belongs to one recipe (only the number of steps may change).
        work: Keeps the stages' results, checkpoints and exports.
        editors: Folders of miniature editors whose outputs are judged: the final one, then earlier states of it.
        export_every: Steps between two exports.

    Returns:
        The loss of each step made by this call.

    Raises:
        ConfigError: `work` was started with another recipe, or one of `editors` is not there.
    """
    import torch

    for folder in editors:
        require_model(folder, "--editor", EARLIER_STATE)
    with claimed_work_folder(work, recipe, "--work"):
        settings = PairSettings(JUDGE_SEEDS, recipe.candidates, recipe.outputs, editors, recipe.seed)
        pairs = load_or_draw_judge_pairs(work / "pairs", settings, recipe.chunks)
        processor = build_judge_processor(_tokenizer(work / "tokenizer", pairs, recipe))
        torch.manual_seed(recipe.seed)
        model = build_judge(recipe.size, processor.tokenizer)
        unseen = load_or_draw_judge_pairs(work / "held_out", replace(settings, seeds=HELD_OUT_SEEDS), HELD_OUT_CHUNKS)
        held_out = JudgeBatchMaker(unseen, processor, recipe.batch, recipe.seed)

        def export(step: int, found: HeldOutAgreement) -> None:
            facts = {
                "recipe": asdict(recipe),
                "editors": [folder.name for folder in editors],
                "steps_done": step,
                "held_out": found._asdict(),
            }
            write_chat_model(model, processor, work / "export", facts)
            logger.info("step %d: held-out %s, written to %s", step, found, work / "export")

        batches = JudgeBatchMaker(pairs, processor, recipe.batch, recipe.seed)
        return train_judge(model, batches, held_out, recipe.steps, work / "judge.pt", export, export_every)


def _tokenizer(folder: Path, pairs: JudgePairs, recipe: JudgeRecipe) -> Qwen2Tokenizer:
    from transformers import Qwen2Tokenizer

    if not folder.exists():
        texts = list(dict.fromkeys(text for words in pairs.words for text in words))
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
    export: Callable[[int, HeldOutAgreement], None],
    export_every: int,
) -> list[float]:
    """Trains `model` in place and leaves the averaged weights in it; resumes from `checkpoint` when it exists.

    Args:
        model: The judge.
        batches: Makes every step's batch.
        held_out: Makes batches of edits that no step sees.
        steps: Optimizer steps in all.
        checkpoint: File for weights, averages and optimizer.
        export: Called with the steps done and the held-out agreement, while `model` holds averaged weights.
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
            plan, trained, optimizer, loss_of, lambda done: export(done, held_out_agreement(model, held_out))
        )


class HeldOutAgreement(NamedTuple):
    """Quick figures of a training, about wishes of held-out pictures; `evaluate_judge` measures the replies.

    Attributes:
        spearman: Rank correlation of the oracle's scores and `expected_scores`.
        likeliest: The same of the likeliest first digit.
        wishes: How often one result scores higher for the wish that it grants better (chance: 0.5).
        results: How often the better one of two results of one wish scores higher.
    """

    spearman: float
    likeliest: float
    wishes: float
    results: float


def held_out_agreement(model: Qwen3VLForConditionalGeneration, held_out: JudgeBatchMaker) -> HeldOutAgreement:
    """Measures the judge on the first `HELD_OUT_BATCHES` batches."""
    import torch
    from scipy.stats import spearmanr

    device = next(model.parameters()).device
    values = torch.from_numpy(held_out.replies.first_digit_values()).to(device)
    symbols = torch.tensor(held_out.replies.symbols, device=device)
    truth, judged, digits, wishes, results = [], [], [], [], []
    with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16):
        for step in range(HELD_OUT_BATCHES):
            asked, _ = held_out.draw(step)
            batch = held_out.batch(step, device)
            logits = reply_logits(model, hidden_states(model, batch)[-1], batch).float()
            scores = expected_scores(logits, batch, held_out.replies).cpu().numpy()
            first = logits[:, held_out.replies.digit_position, symbols] - 1e9 * (values == 0)
            digits.append(values[first.argmax(dim=1)].cpu().numpy())
            judged.append(scores)
            truth.append(batch.scores.cpu().numpy())
            same_wish, same_result = right_order(asked, scores)
            results += same_wish
            wishes += same_result
    oracle = np.concatenate(truth)
    return HeldOutAgreement(
        spearman=round(float(spearmanr(oracle, np.concatenate(judged)).statistic), 4),
        likeliest=round(float(spearmanr(oracle, np.concatenate(digits)).statistic), 4),
        wishes=round(float(np.mean(wishes)), 4),
        results=round(float(np.mean(results)), 4),
    )


def right_order(asked: list[AskedQuestion], judged: np.ndarray) -> tuple[list[bool], list[bool]]:
    """Whether a judge orders questions of a block as the oracle does, where that sees a clear difference.

    Returns:
        For pairs of results of one wish, and for pairs of wishes about one result.
    """
    same_wish, same_result = [], []
    for start in range(0, len(asked), BLOCK):
        for one, other in itertools.combinations(range(start, min(start + BLOCK, len(asked))), 2):
            first, second = asked[one], asked[other]
            if abs(first.score - second.score) >= CLEAR_DIFFERENCE and first.matched and second.matched:
                right = bool((judged[one] > judged[other]) == (first.score > second.score))
                if first.about == second.about:
                    same_wish.append(right)
                elif first.result == second.result:
                    same_result.append(right)
    return same_wish, same_result


def main() -> None:
    """The command line."""
    standard = JudgeRecipe()
    parser = argparse.ArgumentParser(description="Train the miniature judge; goes on by itself where it stopped.")
    parser.add_argument("--work", type=Path, default=Path("runs/miniature_judge"), help="data, checkpoints, exports")
    parser.add_argument(
        "--editor",
        type=Path,
        nargs="+",
        default=[Path("assets/miniature/editor")],
        help="whose outputs are judged: the editor, and earlier states of it",
    )
    parser.add_argument("--steps", type=int, default=standard.steps, help="optimizer steps")
    parser.add_argument("--export-every", type=int, default=500, help="steps between two exports")
    chosen = parser.parse_args()
    start_command()
    make_judge(JudgeRecipe(steps=chosen.steps), chosen.work, tuple(chosen.editor), chosen.export_every)


if __name__ == "__main__":
    main()
