"""`finetune`: the story of a supervised training — check config, model and data, train, save."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.models.vlm.attention import require_attention
from src.pipeline.output import exclusive
from src.run_log import check_log
from src.training.config import POLICY
from src.training.dataset import NAMED
from src.training.finetune.completions import CompletionLesson
from src.training.finetune.config import SECTIONS, FinetuneConfig
from src.training.finetune.lesson import Lesson, TaughtData
from src.training.finetune.token_edits import TokenEditLesson
from src.training.finetune.trainer import build_trainer, steps_of, trainer_arguments
from src.training.grpo.checkpoints import latest_checkpoint, unfounded_warnings_hidden
from src.training.grpo.policy import lora_config
from src.training.grpo.processes import Processes, require_one_gpu, without_zero3_sharding
from src.training.grpo.settings import CHECKPOINTS
from src.training.out_of_memory import out_of_memory_named
from src.training.storage.kept_run import keep_run
from src.training.storage.output_directory import (
    ANOTHER_DIRECTORY,
    HISTORY,
    require_writable,
    write_history,
    write_json,
)
from src.training.tracking.curve import draw_curve
from src.training.tracking.trackers import check_trackers

if TYPE_CHECKING:
    from transformers import TrainerCallback, TrainingArguments

logger = logging.getLogger(__name__)

_MAY_CHANGE = frozenset(
    {
        "output_dir", "logging_steps", "save_steps", "save_total_limit", "per_device_eval_batch_size",
        "dataloader_num_workers", "report_to",
    }
)  # fmt: skip
_LEFT_OUT = "left_out.json"
"""JSON object: why items are left out, by their ids."""
_MEMORY_SETTINGS = (
    "training.per_device_train_batch_size (smaller, with more gradient_accumulation_steps), "
    "training.gradient_checkpointing, policy.lora, or shorter sequences (data tokenize --image-area)"
)


@dataclass(frozen=True)
class FinetuneOutcome:
    """A finished training."""

    policy: Path
    """Folder of the trained weights: a whole model with its processor, or an adapter."""
    history: Path
    """JSON list of the metrics of each logged step."""


def finetune(
    config: FinetuneConfig, *, resume: bool = False, callbacks: Sequence[TrainerCallback] = ()
) -> FinetuneOutcome | None:
    """Teaches a model to write given answers.

    Args:
        config: The config of the training.
        resume: Go on from the newest checkpoint of `training.output_dir`.
        callbacks: Further callbacks of the trainer, such as a display.

    Returns:
        What came of it; None in all processes of a distributed run but the first.

    Raises:
        EditLoopError: for everything that makes the training impossible, or makes it stop; in the latter case the
            checkpoints of earlier steps are there.
    """
    check_settings(config)
    lesson = lesson_of(config)
    arguments = trainer_arguments(config, is_measured=is_measured(config))
    require_one_gpu(arguments)
    processes = Processes.of(arguments)
    output_dir = config.training.output_dir
    with exclusive(output_dir, ANOTHER_DIRECTORY) if processes.is_first else nullcontext():
        if processes.is_first:
            _prepare(config, resume=resume)
        processes.wait()
        with processes.first_here_first(), without_zero3_sharding(arguments):
            lesson.check_model()
            data = lesson.read(output_dir / "images")
        steps_of(arguments, len(data[0].rows))
        if processes.is_first:
            _tell_left_out(output_dir, data)
        _train(config, arguments, lesson, data, callbacks, resume=resume)
        if not processes.end_and_is_first():
            return None
        return FinetuneOutcome(config.training.policy_folder, output_dir / HISTORY)


def check_settings(config: FinetuneConfig) -> None:
    """Checks what needs neither model nor data.

    Raises:
        EditLoopError: what is wrong, where, and what to do.
    """
    check_log(config.logging)
    require_writable(config.training.output_dir)
    check_trackers(config.training.report_to, "training.report_to")
    if config.adapted.lora is not None:
        lora_config(config.adapted.lora)
    if config.policy.attn_implementation is not None:
        require_attention(config.policy.attn_implementation, "policy.attn_implementation")


def lesson_of(config: FinetuneConfig) -> Lesson:
    """What a config teaches; nothing is loaded."""
    if config.token_edits is not None:
        return TokenEditLesson(config, config.token_edits)
    assert config.completions is not None
    return CompletionLesson(config, config.completions)


def is_measured(config: FinetuneConfig) -> bool:
    """Whether there are held-out data."""
    taught = config.token_edits or config.completions
    return taught is not None and taught.held_out is not None


def _prepare(config: FinetuneConfig, *, resume: bool) -> None:
    keep_run(
        config.training.output_dir,
        config.redacted(),
        resume=resume,
        fixed=("policy", *SECTIONS),
        may_change=_MAY_CHANGE,
        names=(CHECKPOINTS, POLICY, "images", HISTORY, _LEFT_OUT),
    )


def _tell_left_out(output_dir: Path, data: tuple[TaughtData, TaughtData | None]) -> None:
    left_out = {name: reason for part in data if part is not None for name, reason in part.left_out.items()}
    write_json(output_dir / _LEFT_OUT, left_out)
    if left_out:
        first = "; ".join(f"{name}: {reason}" for name, reason in [*left_out.items()][:NAMED])
        logger.warning("%d items are left out (all in %s): %s", len(left_out), output_dir / _LEFT_OUT, first)


def _train(
    config: FinetuneConfig,
    arguments: TrainingArguments,
    lesson: Lesson,
    data: tuple[TaughtData, TaughtData | None],
    callbacks: Sequence[TrainerCallback],
    *,
    resume: bool,
) -> None:
    output_dir = config.training.output_dir
    checkpoint = latest_checkpoint(Path(arguments.output_dir)) if resume else None
    trainer = build_trainer(config, arguments, lesson, data, callbacks, checkpoint)
    try:
        with unfounded_warnings_hidden(), out_of_memory_named(_MEMORY_SETTINGS):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        if trainer.is_world_process_zero():
            history = trainer.state.log_history
            write_history(output_dir, history)
            draw_curve(history, output_dir / "loss_curve.png", "loss", "loss (nats a token)", "Loss of the answers")
    trainer.save_model(str(config.training.policy_folder))
    if trainer.is_world_process_zero():
        lesson.finish(config.training.policy_folder)
