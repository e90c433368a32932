"""Teaches the miniature editor's own text encoder to write: `python -m src.miniature.conditioning.teach_encoder`.

The encoder learns to write the explicit wording of a wish where its pipeline lets the assistant begin. Three losses act
at once: of the tokens that are written; of the pictures that the frozen transformer paints from wish and completion, so
that what is written is what is painted; and of the prompt's hidden states, which stay those of the shipped encoder: an
empty completion still means the user's words. The output layer gets weights of its own, as the embeddings are part of
the conditioning. What is left to learn from rewards are the wishes of families that nobody taught
(`configs/training/miniature_conditioning.yaml`).
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.conditioning.batches import ThoughtBatch, ThoughtBatches
from src.miniature.editor.architecture import IMAGE_SIDE, PATCHES_PER_SIDE
from src.miniature.editor.batches import BatchMaker
from src.miniature.editor.pairs import TrainingPairs, draw_pairs, load_or_draw_pairs
from src.miniature.editor.train_editor import encode_pictures, kept_latents
from src.miniature.editor.train_transformer import painting_loss
from src.miniature.fast_cpu_training import PlainJointAttention
from src.miniature.model_folder import write_chat_model
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
from src.models.diffusion.thinking import policy_processor
from src.models.weights import resolve_revision

if TYPE_CHECKING:
    import torch
    from diffusers import QwenImageEditPipeline
    from transformers import Qwen2_5_VLForConditionalGeneration

OUTPUT = Path("assets/miniature/thinking_encoder")
HELD_OUT_PICTURES, HELD_OUT_BATCHES = 60, 4
CHECKPOINT_EVERY = 100

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncoderRecipe:
    """Everything that decides the weights, besides the world itself.

    Attributes:
        editor: Fingerprint of the editor whose text encoder is taught.
        pictures: Training pictures, each with all its changes.
        steps: Optimizer steps.
        batch: Wishes of a step.
        peak_rate: The highest learning rate.
        misled: Share of the wishes that are those of another change than the completion and the picture.
        anchor: Weight of the loss that keeps the conditioning of a prompt alone.
        painting: Weight of the loss of what is painted.
        seed: Decides order and noise.
    """

    editor: str
    pictures: int = 12_000
    steps: int = 2_000
    batch: int = 32
    peak_rate: float = 5e-4
    misled: float = 0.3
    anchor: float = 3.0
    painting: float = 3.0
    seed: int = 0


@dataclass(frozen=True)
class Losses:
    """What a batch is measured by; all are means.

    Attributes:
        writing: Cross-entropy of a token of the completions, in nats.
        anchor: Squared distance of the prompts' hidden states from the shipped encoder's, as a share of their variance.
        painting: Weighted squared error of the velocity.
    """

    writing: torch.Tensor
    anchor: torch.Tensor
    painting: torch.Tensor


class Teacher:
    """An editor whose text encoder is taught: `encoder` is trained, all else is frozen.

    Args:
        pipeline: The shipped editor.
    """

    def __init__(self, pipeline: QwenImageEditPipeline) -> None:
        device = training_device()
        self.shipped = pipeline.text_encoder.to(device).requires_grad_(False).eval()
        self.transformer = pipeline.transformer.to(device).requires_grad_(False)
        self.transformer.set_attn_processor(PlainJointAttention())
        self.encoder = writing_encoder(pipeline.text_encoder).to(device)
        self.encoder.set_attn_implementation("eager")  # on sequences this short twice as fast on a CPU

    def losses(self, batch: ThoughtBatch, prefix: int) -> Losses:
        """The losses of a batch.

        Args:
            batch: What is read, written and painted.
            prefix: Tokens of the template that are no part of the conditioning.
        """
        import torch
        from torch.nn import functional

        with torch.no_grad():
            was = hidden_states(self.shipped, batch, as_chat=False)[:, prefix:].float()
        states = hidden_states(self.encoder, batch, as_chat=False)[:, prefix:]
        in_prompt = batch.in_prompt[:, prefix:].bool()
        anchor = (states.float() - was)[in_prompt].square().mean() / was[in_prompt].var()
        written = hidden_states(self.encoder, batch, as_chat=True)[:, :-1]
        wanted = batch.labels[:, 1:]
        taught = wanted >= 0
        writing = functional.cross_entropy(self.encoder.lm_head(written[taught]).float(), wanted[taught])
        painted = painting_loss(self.transformer, states, batch.painted[:, prefix:].bool(), batch.edits)
        return Losses(writing, anchor, painted)


def hidden_states(encoder: Qwen2_5_VLForConditionalGeneration, batch: ThoughtBatch, *, as_chat: bool) -> torch.Tensor:
    """The last hidden states (batch, tokens, width), as the pipeline reads or as a chat model writes.

    Only the latter says which tokens are a picture's, from which the positions follow.
    """
    import torch

    edits = batch.edits
    grid = torch.tensor([[1, PATCHES_PER_SIDE, PATCHES_PER_SIDE]], device=edits.input_ids.device)
    kinds = (edits.input_ids == encoder.config.image_token_id).long() if as_chat else None
    found: torch.Tensor = encoder.model(
        input_ids=edits.input_ids,
        attention_mask=edits.attention_mask,
        pixel_values=edits.pixel_values,
        image_grid_thw=grid.expand(len(edits.input_ids), -1),
        mm_token_type_ids=kinds,
        use_cache=False,
    ).last_hidden_state
    return found


def writing_encoder(encoder: Qwen2_5_VLForConditionalGeneration) -> Qwen2_5_VLForConditionalGeneration:
    """A copy of a text encoder whose output layer is no longer its embeddings, but begins as these."""
    import copy

    import torch

    own = copy.deepcopy(encoder).requires_grad_(True)
    own.config.tie_word_embeddings = own.config.get_text_config().tie_word_embeddings = False
    own.lm_head.weight = torch.nn.Parameter(own.get_input_embeddings().weight.detach().clone())
    return own


def teach_encoder(recipe: EncoderRecipe, editor: Path, work: Path, out: Path, export_every: int = 500) -> list[float]:
    """Trains the text encoder of the editor in a folder and writes it to `out`; goes on where an earlier call stopped.

    Args:
        recipe: What to train; one work folder belongs to one recipe (only the number of steps may change).
        editor: Folder of the editor.
        work: Keeps pictures, latents and the checkpoint; may begin with those of the editor's own training.
        out: The encoder's folder; replaced as a whole at every export, its model card kept.
        export_every: Steps between two exports; the end is always exported.

    Returns:
        The loss of each step made by this call.

    Raises:
        ConfigError: `work` was started with another recipe.
    """
    import torch
    from diffusers import QwenImageEditPipeline

    claim_work_folder(work, recipe)
    pairs = load_or_draw_pairs(work, recipe.pictures)  # by forks, which loaded weights and their threads would block
    unseen = draw_pairs(HELD_OUT_SEEDS, min(HELD_OUT_PICTURES, recipe.pictures))
    pipeline = QwenImageEditPipeline.from_pretrained(editor)
    batches = _batches(pipeline, pairs, kept_latents(work / "latents.npy", pipeline.vae, pairs), recipe)
    held_out = _batches(pipeline, unseen, encode_pictures(pipeline.vae, unseen), recipe)
    torch.manual_seed(recipe.seed)
    teacher, device = Teacher(pipeline), training_device()

    def losses(source: ThoughtBatches, step: int) -> Losses:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            return teacher.losses(source.batch(step, device), source.prefix_length)

    def loss_of(step: int) -> torch.Tensor:
        found = losses(batches, step)
        return found.writing + recipe.anchor * found.anchor + recipe.painting * found.painting

    def export(done: int) -> None:
        with torch.no_grad():
            found = [losses(held_out, step) for step in range(HELD_OUT_BATCHES)]
        means = {name: float(np.mean([getattr(one, name).item() for one in found])) for name in Losses.__annotations__}
        logger.info("encoder: held-out losses %s", ", ".join(f"{name} {mean:.4f}" for name, mean in means.items()))
        facts = {"recipe": asdict(recipe), "steps_done": done, "held_out_losses": means}
        write_chat_model(teacher.encoder, _processor(pipeline), out, facts)

    plan = TrainingPlan(
        "encoder",
        recipe.steps,
        recipe.peak_rate,
        log_every=20,
        average_decay=0.995,
        checkpoint=work / "encoder.pt",
        checkpoint_every=CHECKPOINT_EVERY,
        export_every=export_every,
    )
    optimizer = adamw(decay_groups(teacher.encoder.parameters()), recipe.peak_rate, fused=True)
    return run_training(plan, teacher.encoder, optimizer, loss_of, export)


def _processor(pipeline: QwenImageEditPipeline) -> object:
    """The processor by which the encoder writes; pictures keep their size."""
    processor = policy_processor(pipeline)
    assert processor.image_processor.size["longest_edge"] == IMAGE_SIDE * IMAGE_SIDE
    return processor


def _batches(
    pipeline: QwenImageEditPipeline, pairs: TrainingPairs, latents: np.ndarray, recipe: EncoderRecipe
) -> ThoughtBatches:
    maker = BatchMaker(pairs, latents, pipeline.tokenizer, recipe.batch, recipe.seed)
    return ThoughtBatches(maker, pipeline.tokenizer, recipe.misled)


def main() -> None:
    """The command line."""
    standard = EncoderRecipe("")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--editor", type=Path, default=Path("assets/miniature/editor"), help="folder of the editor")
    parser.add_argument("--out", type=Path, default=OUTPUT, help="folder of the encoder")
    parser.add_argument("--work-dir", type=Path, default=Path("runs/miniature_encoder"), help="data and checkpoint")
    parser.add_argument("--steps", type=int, default=standard.steps)
    parser.add_argument("--batch", type=int, default=standard.batch, help="wishes of a step")
    parser.add_argument("--pictures", type=int, default=standard.pictures, help="training pictures")
    parser.add_argument("--peak-rate", type=float, default=standard.peak_rate, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=standard.seed)
    chosen = parser.parse_args()
    start_command()
    recipe = EncoderRecipe(
        editor=resolve_revision(str(chosen.editor)),
        pictures=chosen.pictures,
        steps=chosen.steps,
        batch=chosen.batch,
        peak_rate=chosen.peak_rate,
        seed=chosen.seed,
    )
    teach_encoder(recipe, chosen.editor, chosen.work_dir, chosen.out)


if __name__ == "__main__":
    main()
