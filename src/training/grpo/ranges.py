"""What a field of `trl.GRPOConfig` may be, where neither TRL (1.16) nor transformers (5.23) looks before they use it.

By their docstrings, and by the lines that use a field. Fields of what a training here never does are refused, with the
setting that does it instead: they would be taken and change nothing.
"""

from __future__ import annotations

import enum
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

_COUNT = pydantic.Field(ge=1)
_ANY_COUNT = pydantic.Field(ge=0)
_AT_LEAST_0 = pydantic.Field(ge=0, allow_inf_nan=False)
_ABOVE_0 = pydantic.Field(gt=0, allow_inf_nan=False)
_SHARE = pydantic.Field(gt=0, le=1)
_SHARE_OR_0 = pydantic.Field(ge=0, le=1)
_PORT = pydantic.Field(ge=1, le=65535)
_STEPS = Annotated[int, _COUNT]
_LOG_LEVEL = Literal["passive", "detail", "debug", "info", "warning", "error", "critical"]

_RANGES: dict[str, Any] = {
    "num_generations": pydantic.Field(ge=2),
    "num_iterations": _COUNT,
    "per_device_train_batch_size": _COUNT,
    "gradient_accumulation_steps": _COUNT,
    "steps_per_generation": _COUNT,
    "generation_batch_size": _COUNT,
    "max_completion_length": _COUNT,
    "num_train_epochs": _ABOVE_0,
    "learning_rate": _SHARE_OR_0,
    "warmup_steps": _AT_LEAST_0,
    "weight_decay": _AT_LEAST_0,
    "adam_beta1": pydantic.Field(ge=0, lt=1),
    "adam_beta2": pydantic.Field(ge=0, lt=1),
    "adam_epsilon": _ABOVE_0,
    "max_grad_norm": _AT_LEAST_0,
    "neftune_noise_alpha": _AT_LEAST_0,
    "torch_empty_cache_steps": _COUNT,
    "logging_steps": _ABOVE_0,
    "save_steps": _ABOVE_0,
    "save_total_limit": _COUNT,
    "data_seed": pydantic.Field(ge=0, lt=2**32),
    "dataloader_num_workers": _ANY_COUNT,
    "dataloader_prefetch_factor": _COUNT,
    "ddp_bucket_cap_mb": _COUNT,
    "ddp_timeout": _COUNT,
    "router_aux_loss_coef": _AT_LEAST_0,
    "temperature": pydantic.Field(ge=0.01, le=100),
    "top_p": _SHARE,
    "min_p": pydantic.Field(ge=0, lt=1),
    "top_k": pydantic.Field(ge=-1),
    "repetition_penalty": pydantic.Field(ge=0.1, le=10),
    "beta": _AT_LEAST_0,
    "epsilon": _AT_LEAST_0,
    "epsilon_high": _AT_LEAST_0,
    "delta": _ABOVE_0,
    "sapo_temperature_neg": _ABOVE_0,
    "sapo_temperature_pos": _ABOVE_0,
    "vespo_k_pos": _AT_LEAST_0,
    "vespo_lambda_pos": _AT_LEAST_0,
    "vespo_k_neg": _AT_LEAST_0,
    "vespo_lambda_neg": _AT_LEAST_0,
    "ref_model_mixup_alpha": _SHARE_OR_0,
    "ref_model_sync_steps": _COUNT,
    "top_entropy_quantile": _SHARE_OR_0,
    "entropy_coef": pydantic.Field(allow_inf_nan=False),
    "entropy_coef_min": pydantic.Field(allow_inf_nan=False),
    "entropy_coef_max": pydantic.Field(allow_inf_nan=False),
    "entropy_coef_delta": _AT_LEAST_0,
    "entropy_target": _AT_LEAST_0,
    "off_policy_mask_threshold": _ABOVE_0,
    "num_completions_to_print": _COUNT,
    "vllm_gpu_memory_utilization": _SHARE,
    "vllm_max_model_length": _COUNT,
    "vllm_tensor_parallel_size": _COUNT,
    "vllm_server_port": _PORT,
    "vllm_group_port": _PORT,
    "vllm_server_timeout": _AT_LEAST_0,
    "vllm_importance_sampling_clip_max": _ABOVE_0,
    "vllm_importance_sampling_clip_min": _AT_LEAST_0,
    "vllm_importance_sampling_cap": _ABOVE_0,
}


def _file(path: str) -> str:
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}")
    return path


_FILE_OR_MAPPING = dict[str, Any] | Annotated[str, pydantic.AfterValidator(_file)] | None
_DEBUG = Literal["underflow_overflow", "tpu_metrics_debug"]

_CHOICES: dict[str, Any] = {
    "max_steps": Literal[-1] | _STEPS,
    "loss_type": Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"],
    "importance_sampling_level": Literal["token", "sequence"],
    "scale_rewards": Literal["group", "batch", "none"] | bool,
    "multi_objective_aggregation": Literal["sum_then_normalize", "normalize_then_sum"],
    "reward_weights": Annotated[list[pydantic.FiniteFloat], pydantic.Field(min_length=1, max_length=1)] | None,
    "pad_to_multiple_of": Literal["auto"] | _STEPS | None,
    "accelerator_config": _FILE_OR_MAPPING,
    "deepspeed": _FILE_OR_MAPPING,
    "debug": Literal[""] | _DEBUG | list[_DEBUG],
    "save_strategy": Literal["no", "steps", "epoch"],
    "remove_unused_columns": Literal[False],
    "include_num_input_tokens_seen": Literal["all", "non_padding", "no"] | bool,
    "log_level": _LOG_LEVEL,
    "log_level_replica": _LOG_LEVEL,
    "ddp_backend": Literal["nccl", "gloo", "mpi", "ccl", "hccl", "cncl", "mccl", "xccl"] | None,
    "dataloader_multiprocessing_context": Literal["fork", "spawn", "forkserver"] | None,
    "torch_compile_mode": Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"] | None,
    "vllm_mode": Literal["colocate", "server"],
    "vllm_model_impl": Literal["vllm", "transformers"],
    "vllm_server_base_url": Annotated[str, pydantic.Field(pattern=r"^https?://[^\s/]+")] | None,
    "vllm_importance_sampling_mode": Literal["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"],
}

_MAPPINGS = frozenset(
    {
        "activation_checkpointing_kwargs", "chat_template_kwargs", "generation_kwargs", "gradient_checkpointing_kwargs",
        "lr_scheduler_kwargs",
    }
)  # fmt: skip
"""TRL takes them as JSON too, or as a text of any kind; in a YAML they are mappings."""

_EVALUATION = "the trainer has no data to evaluate on; section evaluation compares before with after"
_UPLOAD = "nothing is uploaded; do so with the trained policy: hf upload NAME OUTPUT_DIR/policy"
_ORDER = "the order of the data is the run's own (training.seed)"
_ELSEWHERE: dict[str, str] = {
    **dict.fromkeys(
        (
            "batch_eval_metrics", "bf16_full_eval", "do_eval", "do_predict", "do_train", "eval_accumulation_steps",
            "eval_delay", "eval_do_concat_batches", "eval_on_start", "eval_steps", "eval_strategy",
            "eval_use_gather_object", "fp16_full_eval", "greater_is_better", "include_for_metrics", "label_names",
            "label_smoothing_factor", "load_best_model_at_end", "metric_for_best_model", "num_generations_eval",
            "per_device_eval_batch_size", "prediction_loss_only",
        ),
        _EVALUATION,
    ),
    **dict.fromkeys(
        (
            "hub_always_push", "hub_model_id", "hub_private_repo", "hub_revision", "hub_strategy", "push_to_hub",
            "log_completions_hub_repo",
        ),
        _UPLOAD,
    ),
    **dict.fromkeys(("length_column_name", "train_sampling_strategy"), _ORDER),
    "hub_token": "it would be stored with every checkpoint; set HF_TOKEN instead",
    "local_rank": "the launcher numbers the processes",
    "max_tool_calling_iterations": "a policy here calls no tools",
    "model_init_kwargs": "section policy says how the policy is loaded, and its reference model like it",
    **dict.fromkeys(
        ("fsdp", "fsdp_config"), "the launcher says how a policy is sharded: see configs/accelerate/fsdp.yaml"
    ),
    "parallelism_config": "give the launcher such settings (hardware.accelerate)",
    "resume_from_checkpoint": "python main.py train --resume goes on from the newest checkpoint",
    "transformers_continuous_batching_config": "TRL batches no pictures so; use use_vllm",
    "use_transformers_continuous_batching": "TRL batches no pictures so; use use_vllm",
    "use_transformers_paged": "TRL batches no pictures so; use use_vllm",
}  # fmt: skip


def elsewhere(name: str) -> str | None:
    """Returns why a field has no place in `training.grpo`, and what to set instead; None where it has one."""
    return _ELSEWHERE.get(name)


def field_type(name: str, hint: Any) -> Any:
    """The type by which pydantic checks a field.

    Args:
        name: Of the field.
        hint: Its annotation in `GRPOConfig`. Of an enumeration or a text it leaves the enumeration.
    """
    if name in _CHOICES:
        return _CHOICES[name]
    if name in _MAPPINGS:
        return dict[str, Any] | None
    enums = [one for one in typing.get_args(hint) if isinstance(one, type) and issubclass(one, enum.Enum)]
    if enums:
        return enums[0]
    return Annotated[hint, _RANGES[name]] if name in _RANGES else hint
