"""transformers' `Trainer` for a lesson: its arguments, and what it would do otherwise.

Its loss is the sum of the cross-entropies of the answers' tokens of a whole step, of all processes and accumulated
batches, divided by their number: how sequences fall into batches changes nothing, and padding has no part in it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import ConfigError
from src.models.vlm.adapter import load_adapter_weights
from src.training.finetune.config import FinetuneConfig
from src.training.finetune.lesson import Lesson, TaughtData
from src.training.grpo.checkpoints import whole_model
from src.training.grpo.divergence import finite_loss_trainer, finite_weights
from src.training.grpo.policy import keep_trained_in_float32, lora_config
from src.training.grpo.precision import mixed_precision, trained_precision
from src.training.grpo.processes import without_zero3_sharding
from src.training.grpo.settings import CHECKPOINTS

if TYPE_CHECKING:
    from transformers import Trainer, TrainerCallback, TrainingArguments

_ADVICE = "training.learning_rate (or max_grad_norm), look at the data of the last steps"
_SAME = {
    "seed", "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate",
    "lr_scheduler_type", "warmup_steps", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon",
    "max_grad_norm",
    "gradient_checkpointing", "logging_steps", "save_steps", "save_total_limit", "per_device_eval_batch_size",
    "dataloader_num_workers", "report_to",
}  # fmt: skip


def trainer_arguments(config: FinetuneConfig, *, is_measured: bool) -> TrainingArguments:
    """The trainer's arguments for a config, which set up the process group.

    Raises:
        ConfigError: the trainer refuses them.
    """
    import torch
    from transformers import TrainingArguments

    warnings.filterwarnings("ignore", r"`\w*gradient_checkpointing\w*` is deprecated", FutureWarning)
    settings = config.training
    mixed = mixed_precision({"bf16": settings.bf16})
    has_accelerator = torch.cuda.is_available() or torch.backends.mps.is_available()
    end = {} if settings.min_learning_rate is None else {"lr_scheduler_kwargs": {"min_lr": settings.min_learning_rate}}
    try:
        return TrainingArguments(
            **settings.model_dump(include=_SAME),
            **end,
            output_dir=str(settings.output_dir / CHECKPOINTS),
            max_steps=settings.max_steps or -1,
            bf16=mixed == "bf16",
            fp16=mixed == "fp16",
            use_cpu=not has_accelerator,
            dataloader_pin_memory=has_accelerator,
            eval_strategy="steps" if is_measured else "no",
            eval_steps=settings.save_steps if is_measured else None,
            save_strategy="steps",
            remove_unused_columns=False,
            label_names=["labels"],
            prediction_loss_only=True,
            restore_callback_states_from_checkpoint=True,
            disable_tqdm=True,
        )
    except (ValueError, TypeError, ImportError, OSError, NotImplementedError) as error:
        raise ConfigError(f"training: {error}") from error


def build_trainer(
    config: FinetuneConfig,
    arguments: TrainingArguments,
    lesson: Lesson,
    data: tuple[TaughtData, TaughtData | None],
    callbacks: Sequence[TrainerCallback],
    checkpoint: Path | None,
) -> Trainer:
    """Loads the model and joins it with the data.

    Args:
        config: The config of the training.
        arguments: The trainer's.
        lesson: What is taught.
        data: What is trained on, and what is held out.
        callbacks: Further callbacks.
        checkpoint: From which the training goes on; None for a new one.

    Raises:
        ModelError: the model cannot be loaded.
    """
    from transformers import PrinterCallback
    from transformers import Trainer as Base

    policy = config.adapted
    number_type = trained_precision(policy, {"bf16": config.training.bf16}).weights
    with without_zero3_sharding(arguments) if lesson.LOADS_WHOLE else nullcontext():
        model, processor = lesson.load(number_type, whole_model(checkpoint))
    if policy.lora is not None:
        model = _with_adapter(config, model)
    train, held_out = data
    trainer: Trainer = finite_loss_trainer(Base, _ADVICE)(
        model=model,
        args=arguments,
        data_collator=lesson.collate,
        train_dataset=train.rows,
        eval_dataset=None if held_out is None else held_out.rows,
        processing_class=processor,
        callbacks=[finite_weights(_ADVICE), *callbacks],
    )
    trainer.remove_callback(PrinterCallback)
    if policy.lora is not None:
        if not trainer.is_deepspeed_enabled:  # whose optimizer keeps such copies
            keep_trained_in_float32(trainer.model)
        if checkpoint is not None:
            load_adapter_weights(trainer.model, checkpoint)
    return trainer


def _with_adapter(config: FinetuneConfig, model: Any) -> Any:
    """The model with a fresh adapter, drawn from `training.seed`."""
    import torch
    from peft import get_peft_model

    settings = config.adapted.lora
    assert settings is not None
    torch.manual_seed(config.training.seed)
    adapted = get_peft_model(model, lora_config(settings))
    if config.training.gradient_checkpointing:
        adapted.enable_input_require_grads()
    return adapted


def steps_of(arguments: TrainingArguments, rows: int) -> int:
    """The optimizer's steps of a training on so many rows an epoch.

    Raises:
        ConfigError: a warm-up that would not end.
    """
    if arguments.max_steps > 0:
        return arguments.max_steps
    batches = -(-rows // (arguments.per_device_train_batch_size * arguments.world_size))
    steps = int(-(-arguments.num_train_epochs * max(1, -(-batches // arguments.gradient_accumulation_steps)) // 1))
    if arguments.warmup_steps >= steps:
        raise ConfigError(
            f"training.warmup_steps: {arguments.warmup_steps:g} must be below the {steps} steps of "
            f"{arguments.num_train_epochs:g} epochs of {rows} items"
        )
    return steps
