"""Makes the tokenizer of miniature pictures from nothing: `python -m src.miniature.tokens.train_tokenizer`.

First the encoder and the codebook, in about a minute: from then on the codes of a picture are fixed. They are kept for
the language model, which can be trained once they are there. Then the decoder, which paints what it sees in a cell's
code and in those around it.
"""

from __future__ import annotations

import argparse
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.batches import loss_weights
from src.miniature.editor.pairs import TrainingPairs, draw_pairs, load_or_draw_pairs
from src.miniature.model_folder import save_half, written_whole
from src.miniature.tokens.codebook import draw_cells, k_means, linear_maps, values_of
from src.miniature.tokens.fast_vqvae import as_images, as_pixels, codes_of, decoded
from src.miniature.tokens.picture_tokens import TokenizerSize, build_vqvae, prepare_decoder, set_linear_encoder
from src.miniature.trainer import TrainingPlan, adamw, claimed_work_folder, run_training, start_command, training_device
from src.miniature.world.benchmark import HELD_OUT_SEEDS
from src.models.reward.reference_formula import compare_with_reference
from src.pipeline.output import exclusive

if TYPE_CHECKING:
    import torch
    from transformers import Emu3VQVAE

CHECKPOINT_EVERY = 200
HELD_OUT_PICTURES = 40
"""Pictures with all their changes by which the decoder is measured on the way."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TokenizerRecipe:
    """Everything that decides the tokenizer, besides the world itself.

    Attributes:
        size: Of codebook and decoder.
        pictures: Training pictures, each with all its changes.
        cells: Cells by which the encoder and the codebook are found.
        rounds: Of k-means.
        decoder_steps: Optimizer steps of the decoder.
        batch: Pictures of each.
        peak_rate: The highest learning rate.
        seed: Decides initial weights and order.
    """

    size: TokenizerSize = field(default_factory=TokenizerSize)
    pictures: int = 12_000
    cells: int = 150_000
    rounds: int = 8
    decoder_steps: int = 2_000
    batch: int = 16
    peak_rate: float = 2e-3
    seed: int = 0


def make_codes(recipe: TokenizerRecipe, work: Path) -> tuple[TrainingPairs, Emu3VQVAE, np.ndarray]:
    """Training pairs, codebook and codes, by which decoder and language model can be trained at the same time.

    Raises:
        ConfigError: `work` was started with another recipe.
        OutputError: another process makes these in `work` just now.
    """
    with claimed_work_folder(work, recipe):
        pairs = load_or_draw_pairs(work, recipe.pictures)
        vqvae = make_codebook(recipe, work, pairs)
        return pairs, vqvae, kept_codes(work, vqvae, pairs)


def make_tokenizer(recipe: TokenizerRecipe, work: Path, pairs: TrainingPairs) -> Emu3VQVAE:
    """The finished VQ-VAE: what `work` does not hold yet is made, what it holds is loaded.

    Raises:
        OutputError: another process trains the decoder in `work`.
    """
    folder = work / "vqvae"
    with exclusive(work / "decoder", "--work-dir"):
        if not (work / "decoder.done").exists():
            vqvae = make_codebook(recipe, work, pairs)
            codes = kept_codes(work, vqvae, pairs)[len(pairs.sources) :]
            train_decoder(vqvae, recipe, pairs, codes, work / "decoder.pt", lambda done: _write(vqvae, folder))
            (work / "decoder.done").touch()
    return load_vqvae(folder)


def make_codebook(recipe: TokenizerRecipe, work: Path, pairs: TrainingPairs) -> Emu3VQVAE:
    """The VQ-VAE whose encoder and codebook are final, and whose decoder is not trained; kept in `work`."""
    import torch

    folder = work / "codebook"
    if not folder.exists():
        torch.manual_seed(recipe.seed)
        vqvae = build_vqvae(recipe.size)
        cells = draw_cells(pairs, recipe.cells, recipe.seed)
        quarters, wholes = linear_maps(cells)
        set_linear_encoder(vqvae, quarters, wholes)
        centres = k_means(values_of(cells, quarters, wholes), recipe.size.codes, recipe.rounds, recipe.seed)
        with torch.no_grad():
            vqvae.quantize.embedding.weight.copy_(centres)
        prepare_decoder(vqvae)
        _write(vqvae, folder)
    return load_vqvae(folder)


def load_vqvae(folder: Path) -> Emu3VQVAE:
    """A VQ-VAE that is stored in half precision, in single precision and evaluation mode."""
    import torch
    from transformers import Emu3VQVAE

    return Emu3VQVAE.from_pretrained(folder, dtype=torch.float32).eval()


def _write(vqvae: Emu3VQVAE, folder: Path) -> None:
    """Replaces `folder` as a whole. Halves are stored, and codes are those of the stored encoder and codebook."""
    with written_whole(folder) as partial:
        save_half(vqvae, partial)
        shutil.rmtree(folder, ignore_errors=True)


def kept_codes(work: Path, vqvae: Emu3VQVAE, pairs: TrainingPairs) -> np.ndarray:
    """The codes of all sources, then all targets: uint16 (pictures + edits, 8, 8); kept in `work`."""
    path = work / "codes.npy"
    if not path.exists():
        with written_whole(path) as partial:
            np.save(partial, codes_of(vqvae, pairs.images()).astype(np.uint16))
        logger.info("encoded the pictures of %d edits", len(pairs))
    found: np.ndarray = np.load(path)
    return found


def train_decoder(
    vqvae: Emu3VQVAE,
    recipe: TokenizerRecipe,
    pairs: TrainingPairs,
    codes: np.ndarray,
    checkpoint: Path,
    export: Callable[[int], None],
) -> list[float]:
    """Trains the decoder of `vqvae` in place; resumes from `checkpoint` when it exists.

    The error of a pixel counts more where an edit changes the picture: the reference score looks at nothing else, and
    a picture is mostly sky.

    Returns:
        The loss of every step made by this call.
    """
    import torch

    device = training_device()
    trained = torch.nn.ModuleDict(
        {name: part for name, part in vqvae.decoder.named_children() if name not in ("time_res_stack", "time_conv")}
    ).to(device)
    for part in trained.modules():
        if isinstance(part, torch.nn.Conv2d):
            part.to(memory_format=torch.channels_last)
    unseen = draw_pairs(HELD_OUT_SEEDS, HELD_OUT_PICTURES)
    plan = TrainingPlan(
        "decoder",
        recipe.decoder_steps,
        recipe.peak_rate,
        log_every=50,
        average_decay=0.998,
        checkpoint=checkpoint,
        checkpoint_every=CHECKPOINT_EVERY,
        export_every=2 * CHECKPOINT_EVERY,
    )

    def loss_of(step: int) -> torch.Tensor:
        edits = np.random.default_rng([recipe.seed, step]).integers(len(pairs), size=recipe.batch)
        return decoder_loss(vqvae, pairs, codes, edits)

    def export_measured(done: int) -> None:
        decibels, score = reconstruction(vqvae, unseen)
        logger.info("decoder: %.2f dB, ceiling %.2f on held-out targets after step %d", decibels, score, done)
        export(done)

    return run_training(
        plan, trained, adamw(trained.parameters(), recipe.peak_rate, weight_decay=0.01), loss_of, export_measured
    )


def decoder_loss(vqvae: Emu3VQVAE, pairs: TrainingPairs, codes: np.ndarray, edits: np.ndarray) -> torch.Tensor:
    """The weighted mean absolute error of the decoded targets of `edits`; `codes` are those of all targets."""
    import torch

    targets, sources = pairs.targets[edits], pairs.sources[pairs.picture[edits]]
    changed = np.abs(targets.astype(np.int16) - sources).max(axis=3) > 8
    device = vqvae.device
    weight = torch.from_numpy(loss_weights(changed)).unsqueeze(1).to(device)
    painted = decoded(vqvae, torch.from_numpy(codes[edits].astype(np.int64)).to(device))
    error = painted.float() - as_pixels(targets).to(device)
    return (error.abs() * weight).mean()


def reconstruction(vqvae: Emu3VQVAE, pairs: TrainingPairs) -> tuple[float, float]:
    """Peak signal-to-noise ratio in dB, and the mean reference score, of the targets' round trip by codes."""
    passed = round_trips(vqvae, pairs.targets)
    error = np.square(passed.astype(np.float64) - pairs.targets).mean()
    sources = pairs.sources[pairs.picture]
    scores = [compare_with_reference(*images).score for images in zip(sources, passed, pairs.targets, strict=True)]
    return float(10.0 * np.log10(255.0**2 / error)), float(np.mean(scores))


def round_trips(vqvae: Emu3VQVAE, images: np.ndarray) -> np.ndarray:
    """What the tokenizer leaves of pictures: uint8 (n, 64, 64, 3) in and out."""
    import torch

    codes = torch.from_numpy(codes_of(vqvae, images))
    with torch.inference_mode():
        parts = [as_images(decoded(vqvae, part.to(vqvae.device)).cpu()) for part in codes.split(64)]
    return np.concatenate(parts)


def main() -> None:
    """The command line."""
    standard = TokenizerRecipe()
    parser = argparse.ArgumentParser(description="Train the miniature tokenizer; goes on by itself where it stopped.")
    parser.add_argument("--work-dir", type=Path, default=Path("runs/miniature_tokens"), help="results and checkpoints")
    parser.add_argument("--decoder-steps", type=int, default=standard.decoder_steps, help="steps of the decoder")
    parser.add_argument("--pictures", type=int, default=standard.pictures, help="training pictures")
    parser.add_argument("--seed", type=int, default=standard.seed)
    chosen = parser.parse_args()
    start_command()
    recipe = TokenizerRecipe(pictures=chosen.pictures, decoder_steps=chosen.decoder_steps, seed=chosen.seed)
    pairs, _, _ = make_codes(recipe, chosen.work_dir)
    make_tokenizer(recipe, chosen.work_dir, pairs)


if __name__ == "__main__":
    main()
