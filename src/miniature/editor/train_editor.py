"""Makes the miniature editor from nothing: `python -m src.miniature.editor.train_editor`.

The stages are training pairs, tokenizer, autoencoder, latents, then transformer and text encoder. They leave their
results in the work folder and are skipped when these exist, so the same command goes on after a kill, on CPU and GPU.
"""

from __future__ import annotations

import argparse
import copy
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from src.miniature.editor.architecture import (
    EditorSize,
    build_pipeline,
    build_text_encoder,
    build_tokenizer,
    build_transformer,
    build_vae,
    prompt_template,
)
from src.miniature.editor.batches import BatchMaker
from src.miniature.editor.first_words import draw_first_words
from src.miniature.editor.lessons import Lessons
from src.miniature.editor.pairs import TrainingPairs, draw_pairs, load_or_draw_pairs
from src.miniature.editor.train_transformer import train_transformer
from src.miniature.editor.train_vae import encoded, reconstruction_psnr, train_vae
from src.miniature.fast_cpu_training import use_single_frame_convolutions
from src.miniature.model_folder import load_as_single, replaced_folder, save_half, written_whole
from src.miniature.trainer import claimed_work_folder, start_command, training_device
from src.miniature.world.benchmark import HELD_OUT_SEEDS

if TYPE_CHECKING:
    from diffusers import AutoencoderKLQwenImage, DiffusionPipeline
    from transformers import Qwen2Tokenizer

HELD_OUT_PICTURES = 60
"""Pictures whose loss is logged during training."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EditorRecipe:
    """Everything that decides the weights, besides the world itself.

    Attributes:
        size: Widths and depths.
        pictures: Training pictures, each with all its changes.
        first_words: Pictures of the first lesson (`first_words.py`), likewise.
        first_lesson: Optimizer steps of transformer and text encoder on these alone.
        vae_steps: Optimizer steps of the autoencoder.
        steps: Optimizer steps of transformer and text encoder in all.
        batch: Edits per step of the latter.
        peak_rate: Their highest learning rate.
        seed: Decides initial weights, order and noise.
    """

    size: EditorSize = field(default_factory=EditorSize)
    pictures: int = 12_000
    first_words: int = 3_000
    first_lesson: int = 2_500
    vae_steps: int = 3_000
    steps: int = 18_000
    batch: int = 32
    peak_rate: float = 1e-3
    seed: int = 0


def make_editor(recipe: EditorRecipe, work: Path, out: Path, export_every: int = 1_000) -> list[float]:
    """Runs every stage that is not done yet and writes the pipeline to `out`.

    Args:
        recipe: What to train; one work folder belongs to one recipe (only the numbers of steps may change).
        work: Keeps the stages' results and checkpoints.
        out: The pipeline's folder; replaced as a whole at every export, its model card kept.
        export_every: Transformer steps between two exports.

    Returns:
        The loss of each transformer step made by this call.

    Raises:
        ConfigError: `work` was started with another recipe.
    """
    import torch

    with claimed_work_folder(work, recipe):
        pairs = load_or_draw_pairs(work, recipe.pictures)
        tokenizer = _tokenizer(work / "tokenizer", pairs, recipe)
        vae = _vae(work / "vae", pairs, recipe)
        latents = kept_latents(work / "latents.npy", vae, pairs)
        torch.manual_seed(recipe.seed)
        text_encoder = build_text_encoder(recipe.size, tokenizer)
        transformer = build_transformer(recipe.size)
        pipeline = build_pipeline(tokenizer, vae, text_encoder, transformer)

        def export(step: int) -> None:
            write_pipeline(pipeline, out, {"recipe": asdict(recipe), "transformer_steps_done": step})
            logger.info("wrote the pipeline after step %d to %s", step, out)

        first = draw_first_words(recipe.first_words, recipe.seed)
        first_latents = kept_latents(work / "first_words.npy", vae, first)
        batches = Lessons(
            BatchMaker(first, first_latents, tokenizer, recipe.batch, recipe.seed),
            BatchMaker(pairs, latents, tokenizer, recipe.batch, recipe.seed),
            recipe.first_lesson,
        )
        unseen = draw_pairs(HELD_OUT_SEEDS, HELD_OUT_PICTURES)
        held_out = BatchMaker(unseen, encode_pictures(vae, unseen), tokenizer, recipe.batch, recipe.seed)
        return train_transformer(
            transformer,
            text_encoder,
            batches,
            held_out,
            recipe.steps,
            recipe.peak_rate,
            work / "transformer.pt",
            export,
            export_every,
        )


def _tokenizer(folder: Path, pairs: TrainingPairs, recipe: EditorRecipe) -> Qwen2Tokenizer:
    from transformers import Qwen2Tokenizer

    if not folder.exists():
        texts = [text for texts in pairs.texts for text in texts]
        roles = prompt_template().replace("{}", " ")
        tokenizer = build_tokenizer([*texts, *[roles] * (len(texts) // 4)], recipe.size.vocabulary)
        with written_whole(folder) as partial:
            tokenizer.save_pretrained(partial)
    return Qwen2Tokenizer.from_pretrained(folder)


def _vae(folder: Path, pairs: TrainingPairs, recipe: EditorRecipe) -> AutoencoderKLQwenImage:
    import torch
    from diffusers import AutoencoderKLQwenImage

    if not folder.exists():
        torch.manual_seed(recipe.seed)
        vae = build_vae(recipe.size)
        images = pairs.images()
        train_vae(vae, images, recipe.vae_steps, recipe.seed, folder.with_suffix(".pt"))
        logger.info(
            "autoencoder: %.2f dB on training pictures", reconstruction_psnr(vae, images[:: max(1, len(images) // 64)])
        )
        with written_whole(folder) as partial:
            vae.save_pretrained(partial)
    return AutoencoderKLQwenImage.from_pretrained(folder)


def kept_latents(path: Path, vae: AutoencoderKLQwenImage, pairs: TrainingPairs) -> np.ndarray:
    """What `encode_pictures` returns, from a file that is written when absent."""
    if not path.exists():
        with written_whole(path) as partial:
            np.save(partial, encode_pictures(vae, pairs))
        logger.info("encoded the pictures of %d edits", len(pairs))
    return np.load(path)


def encode_pictures(vae: AutoencoderKLQwenImage, pairs: TrainingPairs) -> np.ndarray:
    """Normalised latents of all sources, then all targets: float16 (pictures + edits, channels, 16, 16)."""
    encoder = copy.deepcopy(vae).to(training_device())
    use_single_frame_convolutions(encoder)
    return np.concatenate([part.astype(np.float16) for part in encoded(encoder, pairs.images())])


def write_pipeline(
    pipeline: DiffusionPipeline, out: Path, facts: dict[str, object], beside: Mapping[str, Any] | None = None
) -> None:
    """Replaces the folder `out` by the pipeline in half precision, loaded as single precision.

    Args:
        pipeline: What to write.
        out: The folder; its README.md is kept.
        facts: How the weights came about, written to `training.json` for the model card.
        beside: What is saved besides in the folders of parts, by their names.
    """
    with replaced_folder(out, facts) as folder:
        pipeline.save_pretrained(folder)
        for part in ("vae", "text_encoder", "transformer"):
            save_half(getattr(pipeline, part), folder / part)
        load_as_single(folder / "text_encoder")
        for part, more in (beside or {}).items():
            more.save_pretrained(folder / part)


def main() -> None:
    """The command line."""
    standard = EditorRecipe()
    parser = argparse.ArgumentParser(description="Train the miniature editor; goes on by itself where it stopped.")
    parser.add_argument("--out", type=Path, default=Path("assets/miniature/editor"), help="folder of the pipeline")
    parser.add_argument("--work-dir", type=Path, default=Path("runs/miniature_editor"), help="checkpoints and data")
    parser.add_argument("--steps", type=int, default=standard.steps, help="steps of transformer and text encoder")
    parser.add_argument("--vae-steps", type=int, default=standard.vae_steps, help="steps of the autoencoder")
    parser.add_argument("--batch", type=int, default=standard.batch, help="edits per step of these")
    parser.add_argument("--peak-rate", type=float, default=standard.peak_rate, help="their highest learning rate")
    parser.add_argument("--pictures", type=int, default=standard.pictures, help="training pictures")
    parser.add_argument("--seed", type=int, default=standard.seed)
    chosen = parser.parse_args()
    start_command()
    recipe = EditorRecipe(
        pictures=chosen.pictures,
        vae_steps=chosen.vae_steps,
        steps=chosen.steps,
        batch=chosen.batch,
        peak_rate=chosen.peak_rate,
        seed=chosen.seed,
    )
    make_editor(recipe, chosen.work_dir, chosen.out)


if __name__ == "__main__":
    main()
