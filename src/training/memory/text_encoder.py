"""What it changes in the memory of a training that its policy is the text encoder of the model that paints."""

from __future__ import annotations

from typing import Any

from src.config import ModelConfig
from src.models.diffusion.qwen_pipeline import QwenPipelineModel
from src.models.diffusion.thinking import needs_own_encoder
from src.registry import load_class
from src.training.config import TrainingConfig
from src.training.memory.architectures import pipeline_class
from src.training.memory.editor_memory import guidance_of
from src.training.tasks.conditioning import ConditioningTask
from src.training.validate import build_task

PLUS, PLUS_SIDE = "QwenImageEditPlusPipeline", 384
"""The pipeline that shows its text encoder pictures of a size of their own (diffusers: CONDITION_IMAGE_SIZE)."""


def text_encoder_task(config: TrainingConfig) -> ConditioningTask | None:
    """The task, where the policy is the text encoder of the model that paints."""
    task = build_task(config)
    return task if isinstance(task, ConditioningTask) else None


def keeps_own_encoder(config: TrainingConfig, editor: ModelConfig) -> bool:
    """Whether a model in the process keeps the text encoder that it came with, beside the policy."""
    task = text_encoder_task(config)
    if task is None:
        return True
    params = load_class(editor.class_path, QwenPipelineModel).Params(**editor.params)  # type: ignore[type-abstract,misc]
    return needs_own_encoder(task.params.negative_prompt_from, guidance_of(params))


def shown_pictures(config: TrainingConfig) -> tuple[int, int | None] | None:
    """How many pictures the text encoder of the model that paints is shown, and the side of the square of their area.

    None where the policy is not that encoder.
    """
    if text_encoder_task(config) is None or config.diffusion_model is None:
        return None
    editor = load_class(config.diffusion_model.class_path, QwenPipelineModel)  # type: ignore[type-abstract]
    params: Any = editor.Params(**config.diffusion_model.params)  # type: ignore[misc]
    if not editor.takes_source(config.diffusion_model.params):
        return 0, None
    own = PLUS_SIDE if pipeline_class(params.model_name) == PLUS else params.condition_resolution
    return 1, params.vl_resolution or own
