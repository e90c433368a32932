"""The YAML of `train-judge`: the model, the preference pairs, and the training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import pydantic

from src.config import DEFAULT_SCORER, ClassConfig, LoggingConfig, ModelConfig, PromptConfig
from src.config_file import load
from src.section import Section
from src.training.config import PolicySettings

JUDGE = "judge"
"""Folder of the trained judge within `training.output_dir`."""


class PreferenceData(Section):
    """The pairs. All of one source picture are either trained on or held out."""

    train: str | list[str]
    """One file of pairs, or several (docs/train_judge.md)."""
    held_out: str | float = 0.1
    """A file of its own, or the share (0–1) of the source pictures that is kept out of training."""
    language: Literal["en", "zh"] = "en"
    rationale: bool = True
    """Whether the judge is told a pair's rationale, where it has one."""
    least_margin: float = pydantic.Field(0.0, ge=0)
    """Pairs whose stated margin is lower are left out of training, and not of the held-out pairs."""
    follow_links: bool = False

    @pydantic.field_validator("held_out")
    @classmethod
    def _is_a_share(cls, value: str | float) -> str | float:
        if isinstance(value, float | int) and not 0 < value < 1:
            raise ValueError("a share lies between 0 and 1; a file is given by its path")
        return value

    @property
    def files(self) -> list[str]:
        """The training files, in order."""
        return [self.train] if isinstance(self.train, str) else self.train


class PreferenceTraining(Section):
    """How the judge is trained. Each setting is the field of `trl.RewardConfig` of its name, where there is one."""

    output_dir: Path = Path("outputs/train_judge")
    seed: int = pydantic.Field(0, ge=0, lt=2**32)
    """Seed of the head, the adapter, the split and the order of the pairs."""
    max_steps: int = pydantic.Field(1000, ge=1)
    batch_size: int = pydantic.Field(8, ge=1)
    """Number of pairs in a forward pass, of two questions each."""
    gradient_accumulation_steps: int = pydantic.Field(1, ge=1)
    learning_rate: float = pydantic.Field(1e-4, gt=0, le=1)
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
    warmup_steps: int = pydantic.Field(0, ge=0)
    weight_decay: float = pydantic.Field(0.0, ge=0)
    max_grad_norm: float = pydantic.Field(1.0, gt=0)
    gradient_checkpointing: bool = False
    bf16: bool | None = None
    """Compute in bfloat16, whatever the weights have; None does so on an accelerator."""
    margin_scale: float = pydantic.Field(0.0, ge=0)
    """What a pair's margin is multiplied by before the loss wants the rewards to differ by it; 0 leaves margins out."""
    label_smoothing: float = pydantic.Field(0.0, ge=0, lt=0.5)
    """The share of pairs whose winner is taken to be stated wrongly."""
    center_rewards_coefficient: float | None = pydantic.Field(0.01, ge=0)
    """Weight of a loss that holds the rewards near zero; None leaves it out."""
    evaluate_every: int = pydantic.Field(50, ge=1)
    """Steps between two measurements on the held-out pairs, each with a checkpoint."""
    patience: int | None = pydantic.Field(None, ge=1)
    """Training ends after so many measurements without a better held-out accuracy; None trains to `max_steps`."""
    evaluation_batch_size: int = pydantic.Field(8, ge=1)
    """Number of questions in a forward pass on held-out pairs."""

    @pydantic.model_validator(mode="after")
    def _is_measured(self) -> Self:
        if self.evaluate_every > self.max_steps:
            raise ValueError(
                f"evaluate_every ({self.evaluate_every}) is above max_steps ({self.max_steps}): nothing would be "
                "measured, and no best checkpoint be known"
            )
        if self.warmup_steps >= self.max_steps:
            raise ValueError(f"warmup_steps ({self.warmup_steps}) must be below max_steps ({self.max_steps})")
        return self

    @property
    def log_file(self) -> Path:
        """The training's log."""
        return self.output_dir / "logs" / "train_judge.log"

    @property
    def judge_folder(self) -> Path:
        """Folder of the trained judge."""
        return self.output_dir / JUDGE


class OtherJudge(Section):
    """A second judge, whose agreement with the held-out pairs and whose cost stand beside the trained one's."""

    reward_model: ModelConfig | None = None
    scorer: ClassConfig = ClassConfig(class_path=DEFAULT_SCORER)
    prompts: dict[str, PromptConfig] = pydantic.Field(default_factory=dict)


class PreferenceConfig(Section):
    """A whole training of a preference judge."""

    judge: PolicySettings
    """The vision-language model below the scalar head; the same settings as a policy's."""
    preferences: PreferenceData
    training: PreferenceTraining = pydantic.Field(default_factory=PreferenceTraining)
    compare_with: OtherJudge | None = None
    logging: LoggingConfig = pydantic.Field(default_factory=LoggingConfig)


def load_preference_config(path: Path, overrides: Sequence[str] = ()) -> PreferenceConfig:
    """Loads the config of `train-judge`; see `config_file.load`."""
    return load(PreferenceConfig, path, overrides)
