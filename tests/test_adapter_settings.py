"""Of every field of `peft.LoraConfig` it is proven that the adapter comes back as it was, or it is refused."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import AutoModelForImageTextToText, PreTrainedModel

from src.errors import ConfigError
from src.models.vlm.adapter import with_adapter
from src.training.config import LoraSettings, PolicySettings
from src.training.grpo.policy import lora_config
from src.training.lora.adapter_weights import merge
from src.training.policy_check import check_policy
from tests.tiny_policies import policy_folder

__all__ = ["policy_folder"]

TARGETS = {"r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"]}
PROVEN: list[dict[str, Any]] = [
    {"lora_dropout": 0.1},
    {"bias": "all"},
    {"bias": "lora_only"},
    {"use_rslora": True},
    {"use_dora": True},
    {"lora_bias": True},
    {"modules_to_save": ["o_proj"]},
    {"exclude_modules": ["q_proj"]},
    {"exclude_modules": r".*\.q_proj"},
    *({"init_lora_weights": value} for value in (True, False, "gaussian", "orthogonal")),
    {"layers_to_transform": [0], "layers_pattern": "layers"},
    {"layers_to_transform": 0},
    {"rank_pattern": {"q_proj": 4}, "alpha_pattern": {"v_proj": 16}},
]
OWN = {"r", "lora_alpha", "target_modules"}
OTHERS: dict[str, Any] = {
    "layer_replication": [[0, 1]], "qalora_group_size": 4, "alora_invocation_tokens": [1], "revision": "main",
    "loftq_config": {"loftq_bits": 4}, "target_parameters": ["q_proj.weight"], "trainable_token_indices": [1],
    "megatron_config": {"a": 1}, "base_model_name_or_path": "somebody/model",
}  # fmt: skip
"""Values that peft takes; of a switch it is true."""


def _base(folder: Path) -> PreTrainedModel:
    model: PreTrainedModel = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    return model


def _logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=torch.arange(5)[None]).logits
    return logits


@pytest.mark.parametrize("extra", PROVEN, ids=str)
def test_an_adapter_of_each_supported_setting_is_loaded_and_merged_as_it_was_trained(
    extra: dict[str, Any], policy_folder: Path, tmp_path: Path
) -> None:
    settings = LoraSettings(**(TARGETS | extra))
    check_policy(PolicySettings(model=str(policy_folder), lora=settings))
    torch.manual_seed(1)
    trained = peft.get_peft_model(_base(policy_folder), lora_config(settings)).eval()
    with torch.no_grad():
        for weight in trained.parameters():
            if weight.requires_grad:
                weight.add_(0.1 * torch.randn_like(weight))
    trained.save_pretrained(tmp_path)
    wanted = _logits(trained)
    torch.manual_seed(2)
    loaded = with_adapter(_base(policy_folder), tmp_path)
    assert torch.equal(_logits(loaded), wanted)
    assert (_logits(_base(policy_folder)) - wanted).abs().max() > 1e-3
    merged, _ = merge(loaded, torch.float32)
    torch.testing.assert_close(_logits(merged.eval()), wanted, atol=1e-4, rtol=1e-4)


def test_every_field_of_peft_is_proven_or_refused() -> None:
    proven = {name for extra in PROVEN for name in extra} | OWN
    for field in dataclasses.fields(peft.LoraConfig):
        if field.name not in proven:
            value = OTHERS.get(field.name, True)
            with pytest.raises(ConfigError, match=rf"policy\.lora\.{field.name}: .*\(got {re.escape(repr(value))}\)"):
                lora_config(LoraSettings(**{field.name: value}))


@pytest.mark.parametrize(
    "name", ["pissa", "pissa_niter_4", "olora", "loftq", "eva", "corda", "lora_ga", "mica", "nonsense"]
)
def test_a_start_that_moves_the_base_model_or_needs_data_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"init_lora_weights: true, false, gaussian and .*\(got '{name}'\)"):
        lora_config(LoraSettings(init_lora_weights=name))


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"inference_mode": True}, r"inference_mode: nothing of the adapter would be trained"),
        ({"trainable_token_indices": [999999]}, r"trainable_token_indices: TRL computes"),
        ({"target_parameters": ["nope.weight"]}, r"target_parameters: it is not proven"),
        ({"use_dora": "maybe"}, r"use_dora: .*boolean.*'maybe'"),
        ({"use_drao": True}, r"use_drao: .*Did you mean 'use_dora'"),
        ({"rank_pattern": {"x": -3}}, r"rank_pattern: .*greater than or equal to 1"),
        ({"rank_pattern": {"nope": 3}}, r"rank_pattern: the adapter has no layer nope"),
        ({"alpha_pattern": {"o_proj": 3}}, r"alpha_pattern: the adapter has no layer o_proj"),
        ({"modules_to_save": ["nope"]}, r"modules_to_save: the policy has no module nope"),
        ({"modules_to_save": ["o_proj", "nope"]}, r"modules_to_save: the policy has no module nope"),
        ({"modules_to_save": ["lm_head"]}, r"lm_head would never be trained"),
        ({"exclude_modules": ["nope"]}, r"exclude_modules: the policy has no module nope"),
        ({"layers_to_transform": [0, 99]}, r"layers_to_transform: the adapter has no layer 99"),
        ({"bias": "some"}, r"policy\.lora\.bias: .*'lora_only'.*'some'"),
    ],
)
def test_a_setting_that_would_fail_or_change_nothing_is_refused_without_loading_weights(
    extra: dict[str, Any], reason: str, policy_folder: Path
) -> None:
    with pytest.raises(ConfigError, match=reason):
        check_policy(PolicySettings(model=str(policy_folder), lora=LoraSettings(**(TARGETS | extra))))
