"""The benchmark's entry for a trained text encoder: an editor with `think`, before and after training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from src.config import ModelConfig
from src.training.config import TrainingConfig


@dataclass(frozen=True)
class ThinkingPolicy:
    """How a text encoder thinks, in training and after it."""

    instructions: str
    """The system message under which it writes, with the scorer's rules of form."""
    shared: dict[str, Any]
    """Further settings of `think` that the training had."""

    def editors(self, config: TrainingConfig, max_new_tokens: int) -> dict[str, ModelConfig]:
        """Returns the sections of the training's editor, as the evaluation has it, with both text encoders."""
        before: dict[str, Any] = {
            **self.shared,
            "policy": config.policy.model,
            "revision": config.policy.revision,
            "system": self.instructions,
            "max_new_tokens": max_new_tokens,
            "batch_size": config.evaluation.batch_size,
        }
        trained = str(config.training.policy_folder)
        changed = {"adapter": trained} if config.policy.lora is not None else {"policy": trained, "revision": None}
        return {"before": _editor(config, before), "after": _editor(config, before | changed)}


def _editor(config: TrainingConfig, think: dict[str, Any]) -> ModelConfig:
    assert config.diffusion_model is not None, "only tasks with edits are evaluated by the benchmark"
    params = config.diffusion_model.params | config.evaluation.diffusion_params
    given = {name: value for name, value in think.items() if value is not None}
    return ModelConfig(class_path=config.diffusion_model.class_path, params=params | {"think": given})
