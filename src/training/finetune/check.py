"""`python main.py check` of a `finetune` config, and its `--dry-run`: nothing is loaded, trained or kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from src.errors import ModelError
from src.models.weights import is_local
from src.training.dataset import NAMED
from src.training.finetune.config import FinetuneConfig
from src.training.finetune.train import check_settings, is_measured, lesson_of
from src.training.finetune.trainer import steps_of, trainer_arguments


def check_finetune(config: FinetuneConfig) -> Iterator[str]:
    """Lines that say what would be trained on what, and what is still to get.

    Raises:
        EditLoopError: for whatever is wrong. A model of the hub that is not there yet is a line instead.
    """
    check_settings(config)
    lesson = lesson_of(config)
    what = f"LoRA of rank {config.policy.lora.r}" if config.policy.lora else "all weights of its language model"
    yield f"policy: {config.policy.model}, {what}"
    try:
        lesson.check_model()
    except ModelError as error:
        if is_local(config.policy.model):
            raise
        yield f"to get: {error}; the data are compared with it when it is there"
        return
    with tempfile.TemporaryDirectory(prefix="editloop-check") as folder:
        train, held_out = lesson.read(Path(folder))
    yield from lesson.lines(train, held_out)
    left_out = {name: reason for part in (train, held_out) if part for name, reason in part.left_out.items()}
    if left_out:
        first = "; ".join(f"{name}: {reason}" for name, reason in [*left_out.items()][:NAMED])
        yield f"left out: {len(left_out)}: {first}"
    settings, arguments = config.training, trainer_arguments(config, is_measured=is_measured(config))
    batch = settings.per_device_train_batch_size * settings.gradient_accumulation_steps * arguments.world_size
    yield f"training: {steps_of(arguments, len(train.rows))} steps of {batch} sequences; {settings.output_dir}"
