"""What it changes in the memory of a training that its policy is a token editor, which is the editor as well."""

from __future__ import annotations

import math
from dataclasses import replace

from src.training.config import TrainingConfig
from src.training.memory.policy_memory import SequenceLengths
from src.training.tasks.token_edit import TokenEditTask
from src.training.validate import build_task


def token_editor_task(config: TrainingConfig) -> TokenEditTask | None:
    """The task, where the policy is a token editor."""
    task = build_task(config)
    return task if isinstance(task, TokenEditTask) else None


def tokenised_pictures(config: TrainingConfig, side: int | None) -> tuple[int, int | None] | None:
    """How many pictures are in a prompt of a token editor, and the side of the square of their area in pixels.

    Args:
        config: Of the training.
        side: Of the largest picture of the data, where it is known.

    Returns:
        None where the policy is no token editor.
    """
    task = token_editor_task(config)
    if task is None:
        return None
    area = task.params.image_area
    return 1, side if area is None else round(math.sqrt(area))


def drawn_at_once(config: TrainingConfig, sizes: SequenceLengths) -> SequenceLengths:
    """The sizes of a training whose completions may be drawn in smaller batches."""
    task = token_editor_task(config)
    most = None if task is None else task.params.batch_size
    return sizes if most is None else replace(sizes, rollouts=min(most, sizes.rollouts))
