"""What the trainer makes of the free settings in `training.grpo` once it runs, made once before anything loads.

Optimizer, schedule, data loader and generation settings are built for real, on a weight of one number.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from src.errors import ConfigError, did_you_mean
from src.training.grpo.sampling import check_sampling

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from trl import GRPOConfig

_STEPS = 100
"""Steps of the learning rate's schedule that is tried."""
_SWITCH = (True, False)
_CHECKPOINTING: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(
        ("use_reentrant", "preserve_rng_state", "debug", "early_stop", "respect_saved_tensors_hooks"), _SWITCH
    ),
    "determinism_check": ("default", "none"),
}
"""Arguments of `torch.utils.checkpoint.checkpoint` that a YAML can give, and their values."""


def check_parts(arguments: GRPOConfig) -> None:
    """Builds whatever of the trainer depends on free settings.

    Raises:
        ConfigError: a setting, by its name, that makes it fail.
    """
    optimizer = _tried("optim, optim_args, optim_target_modules", arguments, _optimizer)
    _tried("lr_scheduler_type, lr_scheduler_kwargs", arguments, lambda given: _schedule(given, optimizer))
    _tried("dataloader_*", arguments, _data_loader)
    _tried("generation_kwargs, cache_implementation", arguments, check_sampling)
    _check_names(arguments)
    _check_together(arguments)
    _check_packages(arguments)


def _tried(fields: str, arguments: GRPOConfig, build: Callable[[GRPOConfig], Any]) -> Any:
    try:
        return build(arguments)
    except ConfigError:
        raise
    except Exception as error:  # each library refuses in its own way
        names = [name for name in fields.split(", ") if getattr(arguments, name, None) is not None]
        given = ", ".join(f"{name}: {_text(getattr(arguments, name))}" for name in names)
        raise ConfigError(
            f"training.grpo.{fields}: {type(error).__name__}: {error}{f' (got {given})' if given else ''}"
        ) from error


def _text(value: Any) -> str:
    return str(getattr(value, "value", value))


def _optimizer(arguments: GRPOConfig) -> Optimizer:
    import torch
    from transformers import Trainer

    if arguments.optim_target_modules is not None:
        raise ConfigError(
            "training.grpo.optim_target_modules: only GaLore and APOLLO use it, which choose among the weights of a "
            "whole model and are not supported; leave it out, or train an adapter (policy.lora.target_modules)"
        )
    made, settings = Trainer.get_optimizer_cls_and_kwargs(arguments, torch.nn.Linear(1, 1))
    optimizer: Optimizer = made([torch.nn.Parameter(torch.zeros(1))], **settings)
    return optimizer


def _schedule(arguments: GRPOConfig, optimizer: Optimizer) -> None:
    from transformers import get_scheduler

    warmup, settings = arguments.get_warmup_steps(_STEPS), arguments.lr_scheduler_kwargs or {}
    schedule = get_scheduler(arguments.lr_scheduler_type, optimizer, min(warmup, _STEPS // 2), _STEPS, settings)
    optimizer.step()
    schedule.step()


def _data_loader(arguments: GRPOConfig) -> None:
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    DataLoader(
        TensorDataset(torch.zeros(1)),
        num_workers=arguments.dataloader_num_workers,
        prefetch_factor=arguments.dataloader_prefetch_factor,
        persistent_workers=arguments.dataloader_persistent_workers,
        multiprocessing_context=arguments.dataloader_multiprocessing_context,
    )


def _check_names(arguments: GRPOConfig) -> None:
    """Settings that are passed on by name."""
    from torch.utils.checkpoint import checkpoint

    known = [name for name in inspect.signature(checkpoint).parameters if name in _CHECKPOINTING]
    for name, value in (arguments.activation_checkpointing_kwargs or {}).items():
        where = f"training.grpo.gradient_checkpointing_kwargs.{name}"
        if name not in known:
            raise ConfigError(
                f"{where}: torch.utils.checkpoint.checkpoint has no such argument that a YAML could give."
                f"{did_you_mean(name, known)}"
            )
        if value not in _CHECKPOINTING[name] or type(value) is int:  # 1 equals True
            raise ConfigError(f"{where}: it is one of {', '.join(map(str, _CHECKPOINTING[name]))} (got {value!r})")
    try:
        re.compile(arguments.vllm_structured_outputs_regex or "")
    except re.error as error:
        raise ConfigError(f"training.grpo.vllm_structured_outputs_regex: {error}") from error
    if arguments.torch_compile:
        import torch._dynamo

        backends = torch._dynamo.list_backends(exclude_tags=())
        if arguments.torch_compile_backend not in backends:
            raise ConfigError(
                f"training.grpo.torch_compile_backend: {arguments.torch_compile_backend} is none of "
                f"{', '.join(backends)}"
            )


def _check_together(arguments: GRPOConfig) -> None:
    """Finds what TRL would find when it has the policy, or in the first step."""
    level, mode = arguments.importance_sampling_level, arguments.vllm_importance_sampling_mode
    needed = {"luspo": "sequence", "vespo": "token"}.get(arguments.loss_type, level)
    if level != needed:
        raise ConfigError(
            f"training.grpo.importance_sampling_level: loss_type {arguments.loss_type} needs {needed} (got {level})"
        )
    corrected = arguments.use_vllm and arguments.vllm_importance_sampling_correction
    if arguments.loss_type == "vespo" and corrected and not mode.startswith("token_"):
        raise ConfigError(
            "training.grpo.vllm_importance_sampling_mode: loss_type vespo needs token_truncate or token_mask "
            f"(got {mode})"
        )
    if arguments.sync_ref_model and not arguments.beta:
        raise ConfigError("training.grpo.sync_ref_model: there is no reference model without beta; set beta above 0")
    if arguments.entropy_coef_min > arguments.entropy_coef_max:
        raise ConfigError(
            f"training.grpo.entropy_coef_min ({arguments.entropy_coef_min:g}) is above entropy_coef_max "
            f"({arguments.entropy_coef_max:g})"
        )


def _check_packages(arguments: GRPOConfig) -> None:
    if arguments.use_liger_kernel and importlib.util.find_spec("liger_kernel") is None:
        raise ConfigError("training.grpo.use_liger_kernel: the package liger_kernel is missing; leave the setting out")
