"""An adapter of any type is loaded completely, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from src.errors import ModelError
from src.models.vlm.adapter import with_adapter

TARGETS = {"target_modules": ["q_proj", "v_proj"]}
KINDS: dict[str, Any] = {
    "lora": peft.LoraConfig(r=2, **TARGETS),
    "lora with biases": peft.LoraConfig(r=2, bias="all", **TARGETS),
    "lora with its own biases": peft.LoraConfig(r=2, bias="lora_only", **TARGETS),
    "dora": peft.LoraConfig(r=2, use_dora=True, **TARGETS),
    "lora with whole modules": peft.LoraConfig(r=2, modules_to_save=["o_proj"], **TARGETS),
    "adalora": peft.AdaLoraConfig(init_r=2, target_r=2, total_step=10, **TARGETS),
    "loha": peft.LoHaConfig(r=2, **TARGETS),
    "lokr": peft.LoKrConfig(r=2, **TARGETS),
    "oft": peft.OFTConfig(oft_block_size=4, **TARGETS),
    "ia3": peft.IA3Config(feedforward_modules=[], **TARGETS),
    "vera": peft.VeraConfig(r=2, target_modules=["q_proj", "o_proj"]),
}


def _base() -> PreTrainedModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    return Qwen2ForCausalLM(Qwen2Config(vocab_size=32, num_key_value_heads=2, **sizes)).eval()


@pytest.fixture(params=KINDS)
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with an adapter whose weights are all drawn by chance."""
    model = peft.get_peft_model(_base(), KINDS[request.param])
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight))
    model.save_pretrained(tmp_path)
    return tmp_path


def _left(folder: Path, kept: list[str]) -> None:
    file = folder / "adapter_model.safetensors"
    weights = load_file(file)
    save_file({name: weights[name] for name in kept}, file)


def test_a_whole_adapter_changes_the_model(stored: Path) -> None:
    tokens = torch.arange(8)[None]
    with torch.no_grad():
        changed = with_adapter(_base(), stored)(tokens).logits
        assert not torch.allclose(changed, _base()(tokens).logits, atol=1e-4)


def test_an_adapter_that_lacks_any_of_its_weights_is_refused(stored: Path) -> None:
    names = sorted(load_file(stored / "adapter_model.safetensors"))
    for index in reversed(range(len(names))):  # one missing first, at last all
        single = [name for name in names if name != names[index]]
        for kept in (single, names[:index]):
            whole = (stored / "adapter_model.safetensors").read_bytes()
            _left(stored, kept)
            with pytest.raises(ModelError, match="does not fit the base model"):
                with_adapter(_base(), stored)
            (stored / "adapter_model.safetensors").write_bytes(whole)
