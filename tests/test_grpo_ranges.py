"""Values of `training.grpo` that cannot be are refused with a sentence, before anything loads: every field is tried."""

from __future__ import annotations

import dataclasses
import math
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from trl import GRPOConfig

from src.errors import ConfigError
from src.training.check import check_training
from src.training.config import TrainingSettings, load_training_config, parse_training_config
from src.training.grpo.settings import grpo_config, prompts_drawn
from src.training.train import train

MINIATURE = Path("configs/training/miniature_rewrite.yaml")
FREE_TEXTS = {
    "project", "run_name", "trackio_bucket_id", "trackio_space_id", "trackio_static_space_id", "vllm_server_host",
    "vllm_structured_outputs_regex",
    "report_to",  # which `validate` and `check` look at
}  # fmt: skip
BELOW_0 = {"entropy_coef", "entropy_coef_min"}
FIELDS = {
    field.name: str(hint)
    for field, hint in (
        (field, typing.get_type_hints(GRPOConfig)[field.name]) for field in dataclasses.fields(GRPOConfig) if field.init
    )
    if field.name not in ("output_dir", "seed")  # which `training` itself has
}


def _refused(name: str, value: object) -> str:
    with pytest.raises(ConfigError, match=r"training\.grpo") as caught:
        grpo_config(TrainingSettings(grpo={name: value}))
    return str(caught.value)


def _nonsense() -> Iterator[tuple[str, Any]]:
    for name, hint in FIELDS.items():
        if name not in FREE_TEXTS:
            yield name, "nonsense"
        if "int" in hint or "float" in hint:
            if name not in BELOW_0:
                yield name, -7
            yield name, math.nan


def _is_taken(name: str, value: object) -> bool:
    try:
        grpo_config(TrainingSettings(grpo={name: value}))
    except ConfigError:
        return False
    return True


def test_nonsense_is_refused_for_every_field_of_the_trainer() -> None:
    assert not [(name, value) for name, value in _nonsense() if _is_taken(name, value)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_generations", 0), ("num_generations", 1), ("num_iterations", 0), ("per_device_train_batch_size", -4),
        ("gradient_accumulation_steps", 0), ("steps_per_generation", 0), ("learning_rate", -1), ("temperature", 0),
        ("temperature", -1), ("top_p", 0), ("top_p", 1.1), ("beta", -0.1), ("epsilon", -0.1), ("epsilon_high", -0.1),
        ("loss_type", "nonsense"), ("importance_sampling_level", "nonsense"), ("scale_rewards", "nonsense"),
        ("vllm_mode", "nonsense"), ("vllm_gpu_memory_utilization", 1.5), ("max_completion_length", 0),
        ("max_steps", 0), ("warmup_steps", -1), ("adam_beta1", 1), ("adam_epsilon", 0), ("save_strategy", "best"),
        ("logging_steps", 0), ("save_steps", 0), ("reward_weights", [1.0, 2.0]), ("eval_strategy", "steps"),
        ("learning_rate", 1e300), ("temperature", 1e-30), ("repetition_penalty", 1e30), ("min_p", 1.0),
        ("fsdp", "full_shard"), ("fsdp_config", {"fsdp_version": 2}), ("vllm_mode", "server"),
        ("push_to_hub", True), ("remove_unused_columns", True), ("vllm_server_port", 70000),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_by_its_name(name: str, value: object) -> None:
    assert f"training.grpo.{name}: " in _refused(name, value)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("vllm_importance_sampling_mode", "token_truncate"),
        ("lr_scheduler_type", "cosine"),
        ("optim", "adamw_torch"),
        ("loss_type", "dr_grpo"),
        ("save_strategy", "epoch"),
        ("log_level", "warning"),
        ("include_num_input_tokens_seen", "non_padding"),
        ("ddp_backend", "gloo"),
        ("cache_implementation", "static"),
        ("torch_compile_backend", "inductor"),
    ],
)
def test_the_message_names_field_value_and_what_is_allowed(name: str, allowed: str) -> None:
    message = _refused(name, "nonsense")
    assert re.search(rf"training\.grpo\.[\w, ]*{name}", message)
    assert "nonsense" in message
    assert allowed in message


@pytest.mark.parametrize(
    ("grpo", "reason"),
    [
        ({"optim_args": "nonsense"}, "optim_args"),
        ({"optim": "galore_adamw"}, "galore"),
        ({"lr_scheduler_type": "cosine_with_min_lr"}, "min_lr"),
        ({"lr_scheduler_type": "cosine", "lr_scheduler_kwargs": {"nonsense": 1}}, "nonsense"),
        ({"lr_scheduler_type": "reduce_lr_on_plateau"}, "requires an eval strategy"),
        ({"lr_scheduler_type": "greedy"}, "requires an eval strategy"),
        ({"dataloader_multiprocessing_context": "spawn"}, "num_workers"),
        ({"generation_kwargs": {"temprature": 1}}, "Did you mean 'temperature'"),
        ({"generation_kwargs": {"early_stopping": "nonsense"}}, "early_stopping"),
        ({"generation_kwargs": {"stop_strings": ["x"]}}, r"generation_kwargs\.stop_strings: TRL samples"),
        ({"generation_kwargs": {"num_return_sequences": 4}}, r"set training\.grpo\.num_generations instead"),
        ({"generation_kwargs": {"bad_words_ids": "x"}}, r"generation_kwargs\.bad_words_ids: .*list.*got 'x'"),
        ({"generation_kwargs": {"max_length": 5}}, r"set training\.grpo\.max_completion_length instead"),
        ({"generation_kwargs": {"do_sample": False}}, r"generation_kwargs\.do_sample: "),
        ({"generation_kwargs": {"num_beams": 2}}, r"generation_kwargs\.num_beams: "),
        ({"generation_kwargs": {"eos_token_id": 999999}}, r"generation_kwargs\.eos_token_id: "),
        ({"generation_kwargs": {"temperature": 0.5}}, r"set training\.grpo\.temperature instead"),
        ({"generation_kwargs": {"typical_p": -1.0}}, r"generation_kwargs, .*typical_p"),
        ({"max_completion_length": 99, "generation_kwargs": {"min_new_tokens": 300}}, r"300 are more than .* \(99\)"),
        ({"top_k": 1}, "all completions of a prompt are equal"),
        ({"top_p": 1e-9}, "all completions of a prompt are equal"),
        ({"vllm_mode": "server"}, r"vllm_mode: nothing uses it without vLLM; set use_vllm: true"),
        ({"gradient_checkpointing_kwargs": {"use_reentrant": "x"}}, r"use_reentrant: it is one of True, False"),
        ({"gradient_checkpointing_kwargs": {"use_reentrant": 1}}, r"use_reentrant: it is one of True, False"),
        ({"gradient_checkpointing_kwargs": {"function": "x"}}, r"no such argument that a YAML could give"),
        ({"gradient_checkpointing_kwargs": {"use_rentrant": False}}, "Did you mean 'use_reentrant'"),
        ({"accelerator_config": {"nonsense": 1}}, "nonsense"),
        ({"deepspeed": "no/such.json"}, r"deepspeed: .*there is no file no/such\.json"),
        ({"vllm_structured_outputs_regex": "("}, "vllm_structured_outputs_regex"),
        ({"loss_type": "luspo"}, "needs sequence"),
        ({"loss_type": "vespo", "importance_sampling_level": "sequence"}, "needs token"),
        ({"loss_type": "vespo", "use_vllm": True}, "token_truncate or token_mask"),
        ({"sync_ref_model": True}, "set beta above 0"),
        ({"entropy_coef_min": 2}, "above entropy_coef_max"),
        ({"max_steps": 5, "warmup_steps": 6, "save_strategy": "no"}, "6 are more than the 5 steps"),
        ({"use_liger_kernel": True}, "liger_kernel is missing"),
    ],
)
def test_settings_that_fail_only_when_the_trainer_is_made_are_refused(grpo: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        prompts_drawn(grpo_config(TrainingSettings(grpo=grpo)), 100)


@pytest.mark.parametrize(
    "grpo",
    [
        {"optim": "adamw_torch", "optim_args": None, "weight_decay": 0.1},
        {"optim": "adafactor"},
        {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.1}, "warmup_steps": 0.1},
        {"lr_scheduler_type": "constant_with_warmup", "warmup_steps": 300},
        {"generation_kwargs": {"no_repeat_ngram_size": 4, "num_beams": 1}, "temperature": 0.7, "top_k": 20},
        {"generation_kwargs": {"suppress_tokens": [151655], "bad_words_ids": [[7, 8]], "min_new_tokens": 200}},
        {"generation_kwargs": {"typical_p": 0.9, "exponential_decay_length_penalty": [10, 1.1], "use_cache": True}},
        {"temperature": 0.01, "repetition_penalty": 1.2, "min_p": 0.1, "top_p": 0.8},
        {"use_vllm": False, "vllm_mode": "server"},
        {"gradient_checkpointing_kwargs": {"use_reentrant": False, "determinism_check": "none"}},
        {"gradient_checkpointing_kwargs": {"use_reentrant": False}},
        {"dataloader_num_workers": 2, "dataloader_prefetch_factor": 4, "dataloader_persistent_workers": True},
        {"loss_type": "luspo", "importance_sampling_level": "sequence"},
        {"beta": 0.04, "sync_ref_model": True},
        {"max_steps": -1, "pad_to_multiple_of": 8, "save_strategy": "epoch"},
    ],
)
def test_settings_that_work_are_taken(grpo: dict[str, Any]) -> None:
    grpo_config(TrainingSettings(grpo=grpo))


def test_check_and_train_refuse_before_anything_loads(tmp_path: Path) -> None:
    sets = ["training.grpo.vllm_importance_sampling_mode=nonsense", f"training.output_dir={tmp_path / 'out'}"]
    config = load_training_config(MINIATURE, sets)
    for run in (lambda: list(check_training(config, MINIATURE)), lambda: train(config)):
        with pytest.raises(ConfigError, match=r"vllm_importance_sampling_mode: .*'sequence_mask' \(got 'nonsense'\)"):
            run()
    assert not (tmp_path / "out").exists()


def test_values_that_can_be_are_taken() -> None:
    given = {"loss_type": "dr_grpo", "scale_rewards": False, "beta": 0.0, "top_p": 1.0, "max_completion_length": None}
    arguments = grpo_config(TrainingSettings(grpo=given))
    assert (arguments.loss_type, arguments.scale_rewards, arguments.beta) == ("dr_grpo", "none", 0.0)
    assert arguments.max_completion_length is None


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_numpy_cannot_take_is_refused(seed: int) -> None:
    with pytest.raises(ConfigError, match=r"training\.seed"):
        parse_training_config({"policy": {"model": "m"}, "data": {"train": "t"}, "training": {"seed": seed}}, "test")
