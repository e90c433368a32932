"""Makes the miniature token editor from nothing: `python -m src.miniature.tokens.train_editor`.

The stages are training pairs, codebook, codes of all pictures, tokenizer of texts, language model, decoder. They leave
their results in the work folder and are skipped when these exist, so the same command goes on after a kill. The
codes of a picture do not depend on the decoder: once `codes.npy` is there, `train_tokenizer` may train it in the same
folder at the same time.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from src.miniature.editor.first_words import draw_first_words
from src.miniature.editor.pairs import TrainingPairs, draw_pairs
from src.miniature.model_folder import load_as_single, replaced_folder, save_half, written_whole
from src.miniature.muon import MuonWithAdamW
from src.miniature.tokens.architecture import LanguageModelSize, build_processor, build_token_editor, build_tokenizer
from src.miniature.tokens.batches import TokenBatch, TokenBatchMaker, TokenLessons
from src.miniature.tokens.fast_language_model import hidden_states
from src.miniature.tokens.fast_vqvae import codes_of
from src.miniature.tokens.initial_weights import align_queries, write_words
from src.miniature.tokens.train_tokenizer import TokenizerRecipe, load_vqvae, make_codes, make_tokenizer
from src.miniature.trainer import (
    TrainingPlan,
    claimed_work_folder,
    run_training,
    start_command,
    training_device,
)
from src.miniature.world.benchmark import HELD_OUT_SEEDS
from src.models.tokens.vocabulary import picture_vocabulary

if TYPE_CHECKING:
    import torch
    from transformers import Emu3ForConditionalGeneration, PreTrainedTokenizerFast

CHECKPOINT_EVERY = 250
HELD_OUT_PICTURES = 60
HELD_OUT_BATCHES = 8
"""Pictures and batches whose loss is logged during training."""

SOURCE_WEIGHT = 1.0
"""How much the loss at the source's codes counts beside that of the answer."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TokenEditorRecipe:
    """Everything that decides the weights, besides the world itself.

    Attributes:
        size: Widths and depths of the language model.
        first_words: Pictures of the first lesson (`first_words.py`).
        first_lesson: Optimizer steps on these alone.
        steps: Optimizer steps of the language model in all.
        batch: Edits of each.
        peak_rate: The highest learning rate of the matrices in the layers, which Muon steps.
        adamw_share: The learning rate of all else, as a share of it.
        seed: Decides initial weights and order.
    """

    size: LanguageModelSize = field(default_factory=LanguageModelSize)
    first_words: int = 3_000
    first_lesson: int = 2_000
    steps: int = 10_400
    batch: int = 16
    peak_rate: float = 4e-3
    adamw_share: float = 0.375
    seed: int = 0


def make_token_editor(
    tokens: TokenizerRecipe, recipe: TokenEditorRecipe, work: Path, out: Path, export_every: int = 1_000
) -> list[float]:
    """Runs every stage that is not done yet and writes the checkpoint to `out`.

    Args:
        tokens: How pictures become tokens.
        recipe: What to train; one work folder belongs to one recipe (only the numbers of steps may change).
        work: Keeps the stages' results and checkpoints; shared with `train_tokenizer`.
        out: The checkpoint's folder; replaced as a whole at every export, its model card kept.
        export_every: Steps of the language model between two exports.

    Returns:
        The loss of each step of the language model made by this call.

    Raises:
        ConfigError: `work` was started with another recipe.
    """
    import torch

    pairs, vqvae, codes = make_codes(tokens, work)
    with claimed_work_folder(work / "editor", recipe):
        tokenizer = _tokenizer(work / "text", pairs, recipe.size.pieces, tokens.size.codes)
        torch.manual_seed(recipe.seed)
        model = build_token_editor(recipe.size, vqvae, tokenizer)
        words = tokenizer.get_vocab()
        vocabulary = picture_vocabulary(words, tokens.size.codes, len(words))

        def maker(some: TrainingPairs, codes: np.ndarray) -> TokenBatchMaker:
            return TokenBatchMaker(some, codes, tokenizer, vocabulary, recipe.batch, recipe.seed)

        first = draw_first_words(recipe.first_words, recipe.seed)
        first_codes = codes_of(vqvae, first.images())
        write_words(model, tokenizer, first, first_codes)
        align_queries(model.model.text_model)
        batches = TokenLessons(
            maker(first, first_codes),
            maker(pairs, codes),
            recipe.first_lesson,
        )
        unseen = draw_pairs(HELD_OUT_SEEDS, HELD_OUT_PICTURES)
        held_out = maker(unseen, codes_of(vqvae, unseen.images()))

        def export(step: int) -> None:
            _take_decoder(model, work)
            write_token_editor(
                model, tokenizer, out, {"tokenizer": asdict(tokens), "recipe": asdict(recipe), "steps_done": step}
            )
            logger.info("wrote the editor after step %d to %s", step, out)

        losses = train_language_model(
            model, batches, held_out, recipe, work / "editor" / "model.pt", export, export_every
        )
        make_tokenizer(tokens, work, pairs)
        export(recipe.steps)
        return losses


def _tokenizer(folder: Path, pairs: TrainingPairs, pieces: int, codes: int) -> PreTrainedTokenizerFast:
    from transformers import PreTrainedTokenizerFast

    if not folder.exists():
        texts = (text for texts in pairs.texts for text in texts)
        tokenizer = build_tokenizer(texts, pieces, codes)
        with written_whole(folder) as partial:
            tokenizer.save_pretrained(partial)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def _take_decoder(model: Emu3ForConditionalGeneration, work: Path) -> None:
    """Gives the model the newest decoder that `train_tokenizer` has left, if it has left one."""
    if (work / "vqvae").exists():
        model.model.vqmodel.load_state_dict(load_vqvae(work / "vqvae").state_dict())


def train_language_model(
    model: Emu3ForConditionalGeneration,
    batches: TokenLessons,
    held_out: TokenBatchMaker,
    recipe: TokenEditorRecipe,
    checkpoint: Path,
    export: Callable[[int], None],
    export_every: int,
) -> list[float]:
    """Trains the language model in place and leaves the averaged weights in it; resumes from `checkpoint`.

    Args:
        model: Its VQ-VAE stays as it is.
        batches: Makes every step's batch.
        held_out: Makes batches of edits that no step sees; their loss is logged at every export.
        recipe: Steps, rate and seed.
        checkpoint: File for weights, averages and optimizer.
        export: Called with the number of steps done, while the model holds the averaged weights.
        export_every: Steps between two exports; the end is always exported.

    Returns:
        The loss of every step made by this call.
    """
    import torch

    device = training_device()
    text = model.model.text_model.to(device)

    def loss_of(step: int) -> torch.Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            return training_loss(text, batches.batch(step, device))

    def export_measured(done: int) -> None:
        with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16):
            found = [answer_loss(text, held_out.batch(step, device)).item() for step in range(HELD_OUT_BATCHES)]
        logger.info("editor: held-out loss %.4f", np.mean(found))
        export(done)

    plan = TrainingPlan(
        "editor",
        recipe.steps,
        recipe.peak_rate,
        log_every=50,
        average_decay=0.998,
        checkpoint=checkpoint,
        checkpoint_every=CHECKPOINT_EVERY,
        export_every=export_every,
    )
    optimizer = MuonWithAdamW(text.layers, [text.embed_tokens, text.norm], recipe.peak_rate, recipe.adamw_share)
    return run_training(plan, text, optimizer, loss_of, export_measured)


def answer_loss(text: Any, batch: TokenBatch) -> torch.Tensor:
    """The weighted mean cross-entropy of the answers' codes, among all tokens of the vocabulary.

    Args:
        text: An `Emu3TextModel`, whose embeddings are those of the output as well.
        batch: What it reads and what it should write.
    """
    losses = _losses_at(text, hidden_states(text, batch.input_ids), batch.places, batch.labels)
    return (losses * batch.weight).mean()


def training_loss(text: Any, batch: TokenBatch) -> torch.Tensor:
    """The loss of the answers, and, less, of what each code of the source should become, said at the code itself.

    Nobody reads what a model writes at its prompt. But there a code and the words meet without a detour, and what has
    been understood there the answer only has to fetch.
    """
    hidden = hidden_states(text, batch.input_ids)
    answer = _losses_at(text, hidden, batch.places, batch.labels) * batch.weight
    return answer.mean() + SOURCE_WEIGHT * _losses_at(text, hidden, batch.source_places, batch.source_labels).mean()


def _losses_at(text: Any, hidden: torch.Tensor, places: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of each of `labels` at its place: (batch, places)."""
    from torch.nn import functional

    asked = hidden.gather(1, places[:, :, None].expand(-1, -1, hidden.shape[-1]))
    logits = functional.linear(asked, text.embed_tokens.weight).flatten(0, 1).float()
    return functional.cross_entropy(logits, labels.flatten(), reduction="none").view_as(labels)


def write_token_editor(
    model: Emu3ForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, out: Path, facts: dict[str, object]
) -> None:
    """Replaces the folder `out` by the checkpoint in half precision, loaded as single precision.

    Args:
        model: Language model and VQ-VAE.
        tokenizer: Of texts.
        out: The folder; its README.md is kept.
        facts: How the weights came about, written to `training.json` for the model card.
    """
    with replaced_folder(out, facts) as folder:
        save_half(model, folder)
        load_as_single(folder)
        build_processor(tokenizer).save_pretrained(folder)


def main() -> None:
    """The command line."""
    standard, decoder = TokenEditorRecipe(), TokenizerRecipe()
    parser = argparse.ArgumentParser(description="Train the miniature token editor; goes on where it stopped.")
    parser.add_argument("--out", type=Path, default=Path("assets/miniature/token_editor"), help="folder of the editor")
    parser.add_argument("--work-dir", type=Path, default=Path("runs/miniature_tokens"), help="results and checkpoints")
    parser.add_argument("--steps", type=int, default=standard.steps, help="steps of the language model")
    parser.add_argument("--decoder-steps", type=int, default=decoder.decoder_steps, help="of the decoder")
    parser.add_argument("--pictures", type=int, default=decoder.pictures, help="training pictures")
    parser.add_argument("--seed", type=int, default=standard.seed)
    chosen = parser.parse_args()
    start_command()
    tokens = TokenizerRecipe(pictures=chosen.pictures, decoder_steps=chosen.decoder_steps, seed=chosen.seed)
    recipe = TokenEditorRecipe(steps=chosen.steps, seed=chosen.seed)
    make_token_editor(tokens, recipe, chosen.work_dir, chosen.out)


if __name__ == "__main__":
    main()
