"""Makes the miniature generator from the miniature editor: `python -m src.miniature.generator.train_generator`.

All weights begin as the editor's. Transformer and text encoder learn to paint the contents of `miniature/prompts`, from
a prompt alone and from a prompt with a completion, and the text encoder to write that completion: the content in
explicit words. The stages are skipped when their results are there, so the same command goes on after a kill.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.train_editor import write_pipeline
from src.miniature.editor.train_transformer import TOKENS_PER_SIDE
from src.miniature.editor.train_vae import encoded, reconstruction_psnr, train_vae
from src.miniature.fast_cpu_training import PlainJointAttention, use_single_frame_convolutions
from src.miniature.generator.batches import GeneratorBatch, GeneratorBatches
from src.miniature.model_folder import require_model, written_whole
from src.miniature.prompts.pictures import Content, scene_of
from src.miniature.prompts.wording import contents
from src.miniature.trainer import (
    TrainingPlan,
    adamw,
    claimed_work_folder,
    decay_groups,
    run_training,
    start_command,
    training_device,
)
from src.miniature.world.render import render
from src.models.diffusion.conditioning import pipeline_template, system_text
from src.models.diffusion.thinking import policy_processor
from src.models.weights import resolve_revision

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKLQwenImage, QwenImagePipeline, QwenImageTransformer2DModel
    from transformers import Qwen2_5_VLForConditionalGeneration

OUTPUT = Path("assets/miniature/generator")
EDITOR = Path("assets/miniature/editor")
HELD_OUT_BATCHES = 4
CHECKPOINT_EVERY = 250

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GeneratorRecipe:
    """Everything that decides the weights, besides the world itself.

    Attributes:
        editor: Fingerprint of the editor whose weights begin.
        vae_steps: Optimizer steps by which the autoencoder learns these pictures.
        steps: Optimizer steps of transformer and text encoder.
        batch: Prompts of a step.
        peak_rate: Their highest learning rate.
        writing: Weight of the loss of what is written, beside that of what is painted.
        seed: Decides order and noise.
    """

    editor: str
    vae_steps: int = 300
    steps: int = 5_500
    batch: int = 16
    peak_rate: float = 1e-3
    writing: float = 0.3
    seed: int = 0


@dataclass(frozen=True)
class Losses:
    """What a batch is measured by; both are means.

    Attributes:
        painting: Squared error of the velocity.
        writing: Cross-entropy of a token of the completions that are taught, in nats.
    """

    painting: torch.Tensor
    writing: torch.Tensor


def losses_of(
    transformer: QwenImageTransformer2DModel,
    text_encoder: Qwen2_5_VLForConditionalGeneration,
    batch: GeneratorBatch,
    prefix_length: int,
) -> Losses:
    """Flow matching after Lipman et al. 2023, as in `editor.train_transformer`, and next-token prediction."""
    from torch.nn import functional

    hidden = text_encoder.model(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False
    ).last_hidden_state
    level = batch.noise_level[:, None, None]
    shape = (1, TOKENS_PER_SIDE, TOKENS_PER_SIDE)
    velocity = transformer(
        hidden_states=(1.0 - level) * batch.target + level * batch.noise,
        encoder_hidden_states=hidden[:, prefix_length:],
        encoder_hidden_states_mask=batch.painted[:, prefix_length:].bool(),
        timestep=batch.noise_level,
        img_shapes=[[shape]] * len(batch.target),
        return_dict=False,
    )[0].float()
    painting = (velocity - (batch.noise - batch.target)).square().mean()
    wanted = batch.labels[:, 1:]
    taught = wanted >= 0
    logits = text_encoder.lm_head(hidden[:, :-1][taught]).float()
    written = functional.cross_entropy(logits, wanted[taught], reduction="sum")
    return Losses(painting, written / taught.sum().clamp(min=1))


def initial_pipeline(editor: Path) -> QwenImagePipeline:
    """The parts of an editor as a text-to-image pipeline, whose system text is one token of its tokenizer."""
    import torch
    from diffusers import QwenImageEditPipeline, QwenImagePipeline
    from tokenizers import AddedToken

    parts = QwenImageEditPipeline.from_pretrained(editor)
    told = system_text(pipeline_template("QwenImagePipeline"))
    parts.tokenizer.add_tokens([AddedToken(told, special=False, normalized=False)])
    torch.manual_seed(0)
    parts.text_encoder.resize_token_embeddings(len(parts.tokenizer), mean_resizing=False)
    return QwenImagePipeline(
        scheduler=parts.scheduler,
        vae=parts.vae,
        text_encoder=parts.text_encoder,
        tokenizer=parts.tokenizer,
        transformer=parts.transformer,
    )


def write_generator(pipeline: QwenImagePipeline, out: Path, facts: dict[str, object]) -> None:
    """Replaces the folder `out` by the pipeline in half precision.

    The folder of the text encoder is a chat model besides, which a training can name as its policy.
    """
    write_pipeline(pipeline, out, facts, beside={"text_encoder": policy_processor(pipeline)})


def make_generator(recipe: GeneratorRecipe, editor: Path, work: Path, out: Path, export_every: int = 1_000) -> None:
    """Runs every stage that is not done yet and writes the pipeline to `out`.

    Args:
        recipe: What to train; one work folder belongs to one recipe (only the numbers of steps may change).
        editor: Folder of the editor.
        work: Keeps the stages' results and checkpoints.
        out: The pipeline's folder; replaced as a whole at every export, its model card kept.
        export_every: Steps between two exports.

    Raises:
        ConfigError: `work` was started with another recipe.
    """
    with claimed_work_folder(work, recipe):
        pipeline = initial_pipeline(editor)
        pictures = _pictures(work / "pictures.npy")
        pipeline.vae = _vae(work / "vae", pipeline.vae, pictures, recipe)
        latents = _latents(work / "latents.npy", pipeline.vae, pictures)
        template = pipeline.prompt_template_encode
        batches = GeneratorBatches(contents(False), latents, pipeline.tokenizer, template, recipe.batch, recipe.seed)
        unseen = contents(True)[:: max(1, len(contents(True)) // 256)]
        seen = np.concatenate(
            list(encoded(_for_encoding(pipeline.vae), np.stack([render(scene_of(one)) for one in unseen])))
        )
        held_out = GeneratorBatches(unseen, seen, pipeline.tokenizer, template, recipe.batch, recipe.seed)
        train_generator(pipeline, batches, held_out, recipe, work / "generator.pt", out, export_every)


def train_generator(
    pipeline: QwenImagePipeline,
    batches: GeneratorBatches,
    held_out: GeneratorBatches,
    recipe: GeneratorRecipe,
    checkpoint: Path,
    out: Path,
    export_every: int,
) -> list[float]:
    """Trains transformer and text encoder in place; returns the loss of every step made by this call."""
    import torch

    device = training_device()
    transformer, text_encoder = pipeline.transformer, pipeline.text_encoder
    models = torch.nn.ModuleDict({"transformer": transformer, "text_encoder": text_encoder}).to(device)
    text_encoder.model.visual.requires_grad_(False)  # it has nothing to see here
    text_encoder.set_attn_implementation("eager")  # on sequences this short twice as fast on a CPU
    stock_attention = transformer.attn_processors
    transformer.set_attn_processor(PlainJointAttention())

    def losses(source: GeneratorBatches, step: int) -> Losses:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            return losses_of(transformer, text_encoder, source.batch(step, device), source.prefix_length)

    def loss_of(step: int) -> torch.Tensor:
        found = losses(batches, step)
        return found.painting + recipe.writing * found.writing

    def export(done: int) -> None:
        with torch.no_grad():
            found = [losses(held_out, step) for step in range(HELD_OUT_BATCHES)]
        means = {name: float(np.mean([getattr(one, name).item() for one in found])) for name in Losses.__annotations__}
        logger.info("generator: held-out losses %s", ", ".join(f"{name} {mean:.4f}" for name, mean in means.items()))
        write_generator(pipeline, out, {"recipe": asdict(recipe), "steps_done": done, "held_out_losses": means})

    plan = TrainingPlan(
        "generator",
        recipe.steps,
        recipe.peak_rate,
        log_every=50,
        average_decay=0.999,
        checkpoint=checkpoint,
        checkpoint_every=CHECKPOINT_EVERY,
        export_every=export_every,
    )
    trained = [parameter for parameter in models.parameters() if parameter.requires_grad]
    made = run_training(plan, models, adamw(decay_groups(trained), recipe.peak_rate, fused=True), loss_of, export)
    transformer.set_attn_processor(stock_attention)
    return made


def _pictures(path: Path) -> np.ndarray:
    """The pictures of all contents that are trained on: uint8 (contents, 64, 64, 3)."""
    if not path.exists():
        with written_whole(path) as partial:
            np.save(partial, _drawn(contents(False)))
        logger.info("drew %d pictures", len(contents(False)))
    return np.load(path)


def _drawn(wanted: Sequence[Content]) -> np.ndarray:
    return np.stack([render(scene_of(one)) for one in wanted])


def _vae(
    folder: Path, editors: AutoencoderKLQwenImage, pictures: np.ndarray, recipe: GeneratorRecipe
) -> AutoencoderKLQwenImage:
    from diffusers import AutoencoderKLQwenImage

    if not folder.exists():
        train_vae(editors, pictures, recipe.vae_steps, recipe.seed, folder.with_suffix(".pt"))
        some = pictures[:: max(1, len(pictures) // 64)]
        logger.info("autoencoder: %.2f dB on training pictures", reconstruction_psnr(editors, some))
        with written_whole(folder) as partial:
            editors.save_pretrained(partial)
    return AutoencoderKLQwenImage.from_pretrained(folder)


def _latents(path: Path, vae: AutoencoderKLQwenImage, pictures: np.ndarray) -> np.ndarray:
    """Normalised latents, float16 (contents, channels, 16, 16)."""
    if not path.exists():
        with written_whole(path) as partial:
            np.save(
                partial, np.concatenate([part.astype(np.float16) for part in encoded(_for_encoding(vae), pictures)])
            )
        logger.info("encoded %d pictures", len(pictures))
    return np.load(path)


def _for_encoding(vae: AutoencoderKLQwenImage) -> AutoencoderKLQwenImage:
    import copy

    encoder = copy.deepcopy(vae).to(training_device())
    use_single_frame_convolutions(encoder)
    return encoder


def main() -> None:
    """The command line."""
    standard = GeneratorRecipe("")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--editor", type=Path, default=EDITOR, help="folder of the editor that it begins as")
    parser.add_argument("--out", type=Path, default=OUTPUT, help="folder of the pipeline")
    parser.add_argument("--work-dir", type=Path, default=Path("runs/miniature_generator"), help="checkpoints and data")
    for name, told in (
        ("steps", "steps of transformer and text encoder"),
        ("vae-steps", "steps of the autoencoder"),
    ):
        parser.add_argument(f"--{name}", type=int, default=getattr(standard, name.replace("-", "_")), help=told)
    parser.add_argument("--batch", type=int, default=standard.batch, help="prompts of a step")
    parser.add_argument("--peak-rate", type=float, default=standard.peak_rate, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=standard.seed)
    chosen = parser.parse_args()
    start_command()
    require_model(chosen.editor, "--editor")
    recipe = GeneratorRecipe(
        editor=resolve_revision(str(chosen.editor)),
        vae_steps=chosen.vae_steps,
        steps=chosen.steps,
        batch=chosen.batch,
        peak_rate=chosen.peak_rate,
        seed=chosen.seed,
    )
    make_generator(recipe, chosen.editor, chosen.work_dir, chosen.out)


if __name__ == "__main__":
    main()
