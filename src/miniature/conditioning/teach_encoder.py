"""Teaches the miniature editor's own text encoder to write: `python -m src.miniature.conditioning.teach_encoder`.

The encoder learns to write the explicit wording of a wish where its pipeline lets the assistant begin. Three losses act
at once: of the tokens that are written; of the pictures that the frozen transformer paints from wish and completion, so
that what is written is what is painted; and, in the first half of the training, of the hidden states, of which it says
where to find them: a completion is to be read as the shipped encoder reads the same words as an instruction, and the
wish before it is to be passed over. The output layer gets weights of its own, as the embeddings are part of the
conditioning. What is left to learn from rewards are the wishes of families that nobody taught
(`configs/training/miniature_conditioning.yaml`).
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.conditioning.batches import Reading, ThoughtBatch, ThoughtBatches
from src.miniature.editor.architecture import IMAGE_SIDE, PATCHES_PER_SIDE
from src.miniature.editor.batches import Batch, BatchMaker
from src.miniature.editor.pairs import TrainingPairs, draw_pairs, load_or_draw_pairs
from src.miniature.editor.train_editor import encode_pictures, kept_latents
from src.miniature.editor.train_transformer import painting_loss
from src.miniature.fast_cpu_training import PlainJointAttention
from src.miniature.model_folder import require_model, write_chat_model
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
from src.models.diffusion.thinking import policy_processor
from src.models.weights import resolve_revision

if TYPE_CHECKING:
    import torch
    from diffusers import QwenImageEditPipeline
    from transformers import Qwen2_5_VLForConditionalGeneration

OUTPUT = Path("assets/miniature/thinking_encoder")
HELD_OUT_PICTURES, HELD_OUT_BATCHES = 60, 4
CHECKPOINT_EVERY = 100
PAINT_EVERY = 3
"""Steps from one that paints to the next; the others write alone, which takes longer to learn."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncoderRecipe:
    """Everything that decides the weights, besides the world itself.

    Attributes:
        editor: Fingerprint of the editor whose text encoder is taught.
        pictures: Training pictures, each with all its changes.
        steps: Optimizer steps.
        batch: Wishes of a step that are written for.
        painted: Wishes of a step that are painted from.
        peak_rate: The highest learning rate.
        misled: Share of the wishes painted from that are those of another change than the completion and the picture.
        guide: Weight of the loss of hidden states at the first step; it falls to zero until the middle of the training.
        painting: Weight of the loss of what is painted.
        seed: Decides order and noise.
    """

    editor: str
    pictures: int = 12_000
    steps: int = 3_000
    batch: int = 16
    painted: int = 8
    peak_rate: float = 1e-3
    misled: float = 0.5
    guide: float = 30.0
    painting: float = 6.0
    seed: int = 0


@dataclass(frozen=True)
class Losses:
    """What a batch is measured by; all are means.

    Attributes:
        writing: Cross-entropy of a token of the completions, in nats.
        guide: Squared distance of hidden states from those of `ThoughtBatch.guides`, as the transformer sees them, as a
            share of their variance.
        painting: Weighted squared error of the velocity.
    """

    writing: torch.Tensor
    guide: torch.Tensor
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

    def writing(self, batch: ThoughtBatch) -> torch.Tensor:
        """The cross-entropy of a token of the completions, in nats."""
        from torch.nn import functional

        written = hidden_states(self.encoder, batch.writing, as_chat=True)[:, :-1]
        wanted = batch.labels[:, 1:]
        taught = wanted >= 0
        return functional.cross_entropy(self.encoder.lm_head(written[taught]).float(), wanted[taught])

    def losses(self, batch: ThoughtBatch, prefix: int) -> Losses:
        """All losses of a batch.

        Args:
            batch: What is read, written and painted.
            prefix: Tokens of the template that are no part of the conditioning.
        """
        states = hidden_states(self.encoder, batch.edits, as_chat=False)
        guide = self._distance(states, batch, prefix)
        painted = painting_loss(self.transformer, states[:, prefix:], batch.painted[:, prefix:], batch.edits)
        return Losses(self.writing(batch), guide, painted)

    def _distance(self, states: torch.Tensor, batch: ThoughtBatch, prefix: int) -> torch.Tensor:
        """How far hidden states are from their guides, as the transformer sees them: what it does not use of them is
        left to writing. What is not to matter is guided to the mean of what does.
        """
        import torch

        with torch.no_grad():
            told = self._seen(hidden_states(self.shipped, batch.instructions, as_chat=False))
        counted = batch.painted.clone()
        counted[:, :prefix] = False
        silent, here = batch.guides < 0, torch.arange(batch.guides.shape[1], device=told.device)
        places = batch.guides.clamp(0, told.shape[1] - 1)
        wanted = told.gather(1, places[..., None].expand(-1, -1, told.shape[2]))
        words = wanted[counted & ~silent & (batch.guides != here)]
        wanted = torch.where(silent[..., None], words.mean(0), wanted)[counted]
        return (self._seen(states)[counted] - wanted).square().mean() / words.var(0).mean()

    def _seen(self, states: torch.Tensor) -> torch.Tensor:
        """What enters the transformer's first block of hidden states (…, width)."""
        seen: torch.Tensor = self.transformer.txt_in(self.transformer.txt_norm(states)).float()
        return seen


def hidden_states(encoder: Qwen2_5_VLForConditionalGeneration, read: Reading | Batch, *, as_chat: bool) -> torch.Tensor:
    """The last hidden states (batch, tokens, width), as the pipeline reads or as a chat model writes.

    Only the latter says which tokens are a picture's, from which the positions follow.
    """
    import torch

    grid = torch.tensor([[1, PATCHES_PER_SIDE, PATCHES_PER_SIDE]], device=read.input_ids.device)
    kinds = (read.input_ids == encoder.config.image_token_id).long() if as_chat else None
    found: torch.Tensor = encoder.model(
        input_ids=read.input_ids,
        attention_mask=read.attention_mask,
        pixel_values=read.pixel_values,
        image_grid_thw=grid.expand(len(read.input_ids), -1),
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

    with claimed_work_folder(work, recipe):
        pairs = load_or_draw_pairs(
            work, recipe.pictures
        )  # by forks, which loaded weights and their threads would block
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
            if step % PAINT_EVERY:
                with torch.autocast(device.type, dtype=torch.bfloat16):
                    return teacher.writing(batches.batch(step, device))
            found = losses(batches, step)
            guide = recipe.guide * max(0.0, 1.0 - 2.0 * step / recipe.steps)
            return found.writing + guide * found.guide + recipe.painting * found.painting

        def export(done: int) -> None:
            with torch.no_grad():
                found = [losses(held_out, step) for step in range(HELD_OUT_BATCHES)]
            means = {
                name: float(np.mean([getattr(one, name).item() for one in found])) for name in Losses.__annotations__
            }
            logger.info("encoder: held-out losses %s", ", ".join(f"{name} {mean:.4f}" for name, mean in means.items()))
            facts = {"recipe": asdict(recipe), "steps_done": done, "held_out_losses": means}
            write_chat_model(teacher.encoder, _processor(pipeline), out, facts)

        plan = TrainingPlan(
            "encoder",
            recipe.steps,
            recipe.peak_rate,
            log_every=30,
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
    maker = BatchMaker(pairs, latents, pipeline.tokenizer, recipe.painted, recipe.seed)
    return ThoughtBatches(maker, pipeline.tokenizer, recipe.batch, recipe.misled)


def main() -> None:
    """The command line."""
    standard = EncoderRecipe("")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--editor", type=Path, default=Path("assets/miniature/editor"), help="folder of the editor")
    parser.add_argument("--out", type=Path, default=OUTPUT, help="folder of the encoder")
    parser.add_argument("--work-dir", type=Path, default=Path("runs/miniature_encoder"), help="data and checkpoint")
    parser.add_argument("--steps", type=int, default=standard.steps)
    parser.add_argument("--batch", type=int, default=standard.batch, help="wishes of a step that are written for")
    parser.add_argument("--pictures", type=int, default=standard.pictures, help="training pictures")
    parser.add_argument("--peak-rate", type=float, default=standard.peak_rate, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=standard.seed)
    chosen = parser.parse_args()
    start_command()
    require_model(chosen.editor, "--editor")
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
