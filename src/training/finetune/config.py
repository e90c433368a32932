"""The YAML of `finetune`: the model, what it is taught, and the training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import pydantic

from src.benchmark_config import SelectionConfig
from src.config import LoggingConfig
from src.config_file import load
from src.section import Section
from src.training.config import POLICY, DataFile, PolicySettings, SampleFile

SECTIONS = ("token_edits", "completions")
"""The sections of which a config of `finetune` has exactly one."""


class TokenEditData(Section):
    """Edits that a token editor is taught: folders of `data tokenize`."""

    train: str | Annotated[list[DataFile], pydantic.Field(min_length=1)]
    """One folder, or several with coefficients."""
    held_out: str | None = None
    """A folder on which the loss is measured and which is never trained on."""
    instruction_first: bool = False
    """Whether the instruction precedes the source in the prompt, instead of following it."""
    thinking_tokens: int = pydantic.Field(0, ge=0)
    """The largest number of tokens of the thought, which is the edit's rationale; 0 teaches pictures alone."""
    thinking_prefill: str = " Let's think step by step. <|start thinking|>"
    """The words at the prompt's end with which a thought begins; those of EARL."""
    thinking_suffix: str = ""
    """What ends every thought, such as a closing tag."""

    @pydantic.model_validator(mode="after")
    def _thinks(self) -> Self:
        if self.thinking_suffix and not self.thinking_tokens:
            raise ValueError("thinking_suffix has no effect without thinking_tokens; set thinking_tokens, such as 512")
        return self

    @property
    def files(self) -> list[DataFile]:
        """The training folders, in order."""
        return [DataFile(path=self.train)] if isinstance(self.train, str) else self.train


class CompletionFile(SampleFile):
    """A file of training data as GRPO reads it, and the right completions to its prompts."""

    completions: str
    """JSON Lines or parquet with `id`, that of the data file's item, and `completion`; an id may come several times."""


class CompletionData(SelectionConfig):
    """Prompts of a task of GRPO, with the completions that the policy is taught. `limit` counts in each file."""

    prompts_of: Path
    """YAML of the GRPO training that follows: the prompts of its task, with the rules of its scorer, are answered."""
    train: Annotated[list[CompletionFile], pydantic.Field(min_length=1)]
    held_out: CompletionFile | None = None
    """On which the loss is measured, and which is never trained on."""


class FinetuneTraining(Section):
    """How the model is trained. Each setting is the field of `transformers.TrainingArguments` of its name, if any."""

    output_dir: Path = Path("outputs/finetune")
    seed: int = pydantic.Field(0, ge=0, lt=2**32)
    """Seed of the adapter, of fractional coefficients and of the order of the data."""
    max_steps: int | None = pydantic.Field(None, ge=1)
    """Steps of the optimizer; None trains for `num_train_epochs`."""
    num_train_epochs: float = pydantic.Field(1.0, gt=0, allow_inf_nan=False)
    per_device_train_batch_size: int = pydantic.Field(1, ge=1)
    """Number of sequences in a forward pass of each process."""
    gradient_accumulation_steps: int = pydantic.Field(1, ge=1)
    learning_rate: float = pydantic.Field(1e-5, gt=0, le=1)
    lr_scheduler_type: Literal["linear", "cosine", "cosine_with_min_lr", "constant", "constant_with_warmup"] = "cosine"
    min_learning_rate: float | None = pydantic.Field(None, ge=0)
    """Where `cosine_with_min_lr` ends."""
    warmup_steps: int = pydantic.Field(0, ge=0)
    weight_decay: float = pydantic.Field(0.0, ge=0, allow_inf_nan=False)
    adam_beta1: float = pydantic.Field(0.9, ge=0, lt=1)
    adam_beta2: float = pydantic.Field(0.999, ge=0, lt=1)
    adam_epsilon: float = pydantic.Field(1e-8, gt=0, allow_inf_nan=False)
    max_grad_norm: float = pydantic.Field(1.0, gt=0, allow_inf_nan=False)
    gradient_checkpointing: bool = False
    bf16: bool | None = None
    """Compute in bfloat16, whatever the weights have; None does so on an accelerator."""
    logging_steps: int = pydantic.Field(1, ge=1)
    save_steps: int = pydantic.Field(100, ge=1)
    """Steps between two checkpoints, and between two measurements on the held-out data."""
    save_total_limit: int = pydantic.Field(2, ge=1)
    per_device_eval_batch_size: int = pydantic.Field(1, ge=1)
    dataloader_num_workers: int = pydantic.Field(0, ge=0)
    report_to: list[Literal["tensorboard", "wandb", "trackio"]] = pydantic.Field(["tensorboard"])

    @pydantic.model_validator(mode="after")
    def _has_a_schedule(self) -> Self:
        if (self.lr_scheduler_type == "cosine_with_min_lr") != (self.min_learning_rate is not None):
            raise ValueError("min_learning_rate and lr_scheduler_type: cosine_with_min_lr need each other")
        if self.min_learning_rate is not None and self.min_learning_rate > self.learning_rate:
            raise ValueError(f"min_learning_rate {self.min_learning_rate:g} is above {self.learning_rate:g}")
        if self.max_steps is not None and self.warmup_steps >= self.max_steps:
            raise ValueError(f"warmup_steps ({self.warmup_steps}) must be below max_steps ({self.max_steps})")
        return self

    @property
    def log_file(self) -> Path:
        """The training's log."""
        return self.output_dir / "logs" / "finetune.log"

    @property
    def policy_folder(self) -> Path:
        """Folder of the trained weights in the end: a whole model, or an adapter."""
        return self.output_dir / POLICY


class FinetuneConfig(Section):
    """A whole supervised training."""

    policy: PolicySettings
    token_edits: TokenEditData | None = None
    """What a token editor is taught."""
    completions: CompletionData | None = None
    """What a vision-language policy is taught."""
    training: FinetuneTraining = pydantic.Field(default_factory=FinetuneTraining)
    logging: LoggingConfig = pydantic.Field(default_factory=LoggingConfig)

    @pydantic.model_validator(mode="after")
    def _teaches_one_thing(self) -> Self:
        if (self.token_edits is None) == (self.completions is None):
            raise ValueError("name either token_edits, for a token editor, or completions, for a policy of GRPO")
        if self.token_edits is not None:
            unused = ("trust_remote_code", "image_max_side", "freeze_vision_tower")
            if given := [name for name in unused if name in self.policy.model_fields_set]:
                raise ValueError(
                    f"policy.{given[0]} has no effect on a token editor, whose VQ-VAE stays as it is; leave it out"
                )
        return self

    @property
    def adapted(self) -> PolicySettings:
        """The policy; the adapter of a token editor leaves its VQ-VAE out."""
        return self.policy if self.token_edits is None else self.policy.of_token_editor()


def load_finetune_config(path: Path, overrides: Sequence[str] = ()) -> FinetuneConfig:
    """Loads the config of `finetune`; see `config_file.load`."""
    return load(FinetuneConfig, path, overrides)
