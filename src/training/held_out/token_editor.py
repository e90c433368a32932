"""The benchmark's entry for a trained token editor: `TokenEditModel`, before and after training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from src.config import ModelConfig
from src.training.config import TrainingConfig
from src.training.grpo.precision import policy_precision

TOKEN_EDITOR = "src.models.diffusion.implementations.token_edit.TokenEditModel"


@dataclass(frozen=True)
class TokenEditorPolicy:
    """In which form a token editor edits, in training and after it."""

    form: dict[str, Any]
    """The params of `TokenEditModel` that the task shares with it."""
    instructions: str = ""
    """There is no system message."""

    def editors(self, config: TrainingConfig, max_new_tokens: int) -> dict[str, ModelConfig]:
        """Returns the sections of the editor with the policy before and after training.

        `evaluation.diffusion_params` says how its tokens are drawn; without it, as by `TokenEditModel` otherwise.
        """
        before: dict[str, Any] = {
            **self.form,
            "model_name": config.policy.model,
            "revision": config.policy.revision,
            "dtype": policy_precision(config).weights,
            "batch_size": config.evaluation.batch_size,
            **config.evaluation.diffusion_params,
        }
        trained = str(config.training.policy_folder)
        changed = {"adapter": trained} if config.policy.lora is not None else {"model_name": trained, "revision": None}
        return {"before": _section(before), "after": _section(before | changed)}


def _section(params: dict[str, Any]) -> ModelConfig:
    given = {name: value for name, value in params.items() if value is not None}
    return ModelConfig(class_path=TOKEN_EDITOR, params=given)
