"""`training.grpo`: any field of `trl.GRPOConfig`, checked by name, type and divisibility before anything loads."""

from __future__ import annotations

import dataclasses
import typing
import warnings
from typing import TYPE_CHECKING, Any

import pydantic

from src.errors import ConfigError, did_you_mean
from src.training.config import TrainingSettings
from src.training.grpo.parts import check_parts
from src.training.grpo.precision import mixed_precision
from src.training.grpo.ranges import elsewhere, field_type

if TYPE_CHECKING:
    from trl import GRPOConfig

CHECKPOINTS = "checkpoints"
"""Folder of the trainer's checkpoints within `training.output_dir`."""

_OWN_DEFAULTS: dict[str, Any] = {
    "logging_steps": 1,
    "report_to": "tensorboard",
    "disable_tqdm": True,
    "save_total_limit": 3,
    # The order of the data is laid out by the run itself: TRL's sampler begins anew when a later epoch is resumed.
    "shuffle_dataset": False,
}


_CPU_DEFAULTS: dict[str, Any] = {
    "use_cpu": True,  # without it each of several processes would take itself for the only one
    "dataloader_pin_memory": False,
}


def grpo_config(settings: TrainingSettings) -> GRPOConfig:
    """The trainer's arguments: TRL's defaults, ours where they differ, and what the YAML says.

    Raises:
        ConfigError: an unknown name, a value of the wrong type, or numbers that do not divide.
    """
    import torch
    from trl import GRPOConfig

    # TRL 1.16 uses names that transformers 5.23 is about to drop: nothing that a user could change.
    warnings.filterwarnings("ignore", r"`\w*gradient_checkpointing\w*` is deprecated", FutureWarning)
    hints = typing.get_type_hints(GRPOConfig)
    known = [field.name for field in dataclasses.fields(GRPOConfig) if field.init]
    given = {name: _checked(name, value, known, hints) for name, value in settings.grpo.items()}
    _check_vllm_is_chosen(given)
    has_accelerator = torch.cuda.is_available() or torch.backends.mps.is_available()
    own = _OWN_DEFAULTS | ({} if has_accelerator else _CPU_DEFAULTS)
    mixed = mixed_precision(given)
    fixed = {"output_dir": str(settings.output_dir / CHECKPOINTS), "seed": settings.seed}
    fixed |= {"bf16": mixed == "bf16" or bool(given.get("bf16")), "fp16": mixed == "fp16"}
    try:
        arguments = GRPOConfig(**(own | given | fixed))
    except (ValueError, TypeError, ImportError, OSError, NotImplementedError) as error:
        raise ConfigError(f"training.grpo: {error}") from error
    check_parts(arguments)
    _check_resumable(arguments)
    _check_patience(arguments, settings.patience)
    return arguments


def _checked(name: str, value: Any, known: list[str], hints: dict[str, Any]) -> Any:
    """The value in the field's type: YAML reads `1e-5` as a text."""
    if name not in known:
        raise ConfigError(f"training.grpo.{name}: GRPOConfig has no such field.{did_you_mean(name, known)}")
    if (reason := elsewhere(name)) is not None:
        raise ConfigError(f"training.grpo.{name}: {reason}")
    try:
        return pydantic.TypeAdapter(
            field_type(name, hints[name]), config=pydantic.ConfigDict(arbitrary_types_allowed=True)
        ).validate_python(value)
    except pydantic.ValidationError as error:
        reasons = "; ".join(detail["msg"] for detail in error.errors())
        raise ConfigError(f"training.grpo.{name}: {reasons} (got {value!r})") from error
    except pydantic.PydanticUserError:  # a type of transformers that pydantic cannot check; its own class does
        return value


def _check_vllm_is_chosen(given: dict[str, Any]) -> None:
    """Settings of vLLM may stay where `use_vllm: false` says that they rest."""
    unused = sorted(name for name in given if name.startswith("vllm_"))
    if unused and "use_vllm" not in given:
        raise ConfigError(
            f"training.grpo.{unused[0]}: nothing uses it without vLLM; set use_vllm: true, or leave out "
            f"{', '.join(unused)}"
        )


def _check_resumable(arguments: GRPOConfig) -> None:
    """A resumed run generates anew, so that a checkpoint between two generations would change what follows."""
    per_generation = _batches_per_generation(arguments)
    per_checkpoint = int(arguments.save_steps) * arguments.gradient_accumulation_steps
    if arguments.save_strategy == "steps" and arguments.save_steps >= 1 and per_checkpoint % per_generation:
        raise ConfigError(
            f"training.grpo: save_steps × gradient_accumulation_steps ({per_checkpoint}) must be a multiple of "
            f"steps_per_generation × num_iterations ({per_generation}), or a resumed run would not go on as it stopped"
        )


def _check_patience(arguments: GRPOConfig, patience: float) -> None:
    if arguments.world_size > 1 and patience >= arguments.ddp_timeout:
        raise ConfigError(
            f"training.patience ({patience:g} s) must be below training.grpo.ddp_timeout ({arguments.ddp_timeout} s): "
            "the other processes wait for a slow judge no longer than that"
        )


def prompts_per_generation(arguments: GRPOConfig) -> int:
    """Returns the number of different prompts in one generation, over all processes."""
    return int(arguments.generation_batch_size or 0) // int(arguments.num_generations or 1)


def _batches_per_generation(arguments: GRPOConfig) -> int:
    """Returns the number of forward and backward passes with the same completions; TRL has filled in its default."""
    return int(arguments.steps_per_generation or 1) * arguments.num_iterations


def generations(arguments: GRPOConfig, examples: int) -> int:
    """Returns the number of generations in a run: for `max_steps`, else for `num_train_epochs` over the examples."""
    per_generation = _batches_per_generation(arguments)
    if arguments.max_steps > 0:
        return -(-arguments.max_steps * arguments.gradient_accumulation_steps // per_generation)
    return int(arguments.num_train_epochs * examples) // prompts_per_generation(arguments)


def optimizer_steps(arguments: GRPOConfig, examples: int) -> int:
    """Returns the number of the optimizer's steps in a run."""
    passes = generations(arguments, examples) * _batches_per_generation(arguments)
    return passes // arguments.gradient_accumulation_steps


def prompts_drawn(arguments: GRPOConfig, examples: int) -> int:
    """Returns the number of prompts that a run answers.

    Raises:
        ConfigError: too few examples for one generation, or a warm-up that would not end.
    """
    drawn = generations(arguments, examples) * prompts_per_generation(arguments)
    if not drawn:
        raise ConfigError(
            f"{examples} examples fill no generation of {prompts_per_generation(arguments)} prompts: set "
            "training.grpo.max_steps, more num_train_epochs, or a smaller batch"
        )
    steps = optimizer_steps(arguments, examples)
    if arguments.warmup_steps > steps:
        raise ConfigError(
            f"training.grpo.warmup_steps: {arguments.warmup_steps:g} are more than the {steps} steps of the run, which "
            "would never reach its learning_rate; a value below 1 is a share of the steps"
        )
    return drawn
