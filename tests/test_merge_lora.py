"""Merging real adapters into a tiny real Qwen2.5-VL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from main import app
from src.errors import ModelError, OutputError
from src.training.lora.greedy_answers import AnswerAgreement, GreedyAnswer, answer_agreement, greedy_answers
from src.training.lora.merge import merge_lora
from tests.tiny_judges import save_judge

TARGETS = ["q_proj", "v_proj", "down_proj"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_judge(tmp_path_factory.mktemp("base"), "qwen2.5")


def load(folder: Path) -> Any:
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(folder, dtype="float32").eval()


def write_adapter(base: Path, folder: Path, spread: float, **settings: Any) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model

    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = get_peft_model(load(base), LoraConfig(**({"r": 4, "target_modules": TARGETS} | settings)))
        for name, parameter in model.named_parameters():
            if "lora_B" in name or ("modules_to_save" in name and parameter.dim() > 1):
                parameter.data += spread * torch.randn_like(parameter)
        model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(base, tmp_path_factory.mktemp("adapter"), 0.3)


def answers(folder: Path) -> list[GreedyAnswer]:
    from transformers import AutoProcessor

    return greedy_answers(load(folder), AutoProcessor.from_pretrained(folder))


def test_the_merged_model_answers_as_base_and_adapter_together(base: Path, adapter: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoProcessor

    proof = merge_lora(str(base), adapter, tmp_path / "merged")
    unmerged = PeftModel.from_pretrained(load(base), str(adapter)).eval()
    wanted = greedy_answers(unmerged.get_base_model(), AutoProcessor.from_pretrained(base))
    found = answer_agreement(wanted, answers(tmp_path / "merged"))
    assert found.same_tokens == found.tokens > 20
    assert found.largest_logit_difference < 1e-3
    assert proof.answers.same_tokens == proof.answers.tokens
    assert answer_agreement(wanted, answers(base)).same_tokens < found.tokens


def test_the_proof_counts_the_weights_that_changed(base: Path, adapter: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    proof = merge_lora(str(base), adapter, tmp_path / "merged")
    old, new = (load_file(folder / "model.safetensors") for folder in (base, tmp_path / "merged"))
    changes = {name: float((new[name] - old[name]).abs().max()) for name in old}
    changed = {name: change for name, change in changes.items() if change}
    assert all(any(target in name for target in TARGETS) for name in changed)
    assert proof.weights.changed == proof.weights.tensors == len(changed)
    assert proof.weights.largest == pytest.approx(max(changed.values()))
    assert f"{len(changed)} of {len(changed)} adapted tensors changed" in proof.lines()[0]


def test_a_module_that_was_trained_whole_is_part_of_the_proof(base: Path, tmp_path: Path) -> None:
    whole = write_adapter(base, tmp_path / "adapter", 0.3, target_modules=["q_proj"], modules_to_save=["merger"])
    proof = merge_lora(str(base), whole, tmp_path / "merged")
    assert proof.weights.tensors > proof.weights.changed >= 2 + 2
    assert proof.answers.same_tokens == proof.answers.tokens


def test_an_adapter_that_changes_nothing_is_refused(base: Path, tmp_path: Path) -> None:
    untrained = write_adapter(base, tmp_path / "adapter", 0.0)
    with pytest.raises(ModelError, match="changes none of 8 weights"):
        merge_lora(str(base), untrained, tmp_path / "merged")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter"]


def test_an_adapter_whose_change_drowns_in_rounding_is_refused(base: Path, tmp_path: Path) -> None:
    faint = write_adapter(base, tmp_path / "adapter", 1e-10)
    with pytest.raises(ModelError, match="smaller than the rounding"):
        merge_lora(str(base), faint, tmp_path / "merged", dtype="float16")


def test_half_precision_is_compared_as_it_is_stored(
    base: Path, adapter: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from safetensors.torch import load_file

    exact = merge_lora(str(base), adapter, tmp_path / "exact")
    rough = merge_lora(str(base), adapter, tmp_path / "rough", dtype="float16")
    assert rough.dtype == "float16"
    assert {str(tensor.dtype) for tensor in load_file(tmp_path / "rough" / "model.safetensors").values()} == {
        "torch.float16"
    }
    assert rough.answers.largest_logit_difference > exact.answers.largest_logit_difference
    assert 0 < rough.weights.rounding < 0.1


def test_a_merged_model_that_answers_otherwise_is_not_written(
    base: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from src.training.lora import merge as module

    merge = module.merge

    def damaging(model: Any, stored_as: torch.dtype) -> Any:
        merged, changes = merge(model, stored_as)
        merged.lm_head.weight.data = -merged.lm_head.weight.data
        return merged, changes

    monkeypatch.setattr(module, "merge", damaging)
    with pytest.raises(ModelError, match="answers otherwise than base \\+ adapter"):
        merge_lora(str(base), adapter, tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []


def test_an_adapter_of_another_model_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    renamed = tmp_path / "adapter"
    renamed.mkdir()
    (renamed / "adapter_config.json").write_bytes((adapter / "adapter_config.json").read_bytes())
    weights = load_file(adapter / "adapter_model.safetensors")
    moved = {name.replace("layers.1", "blocks.1"): tensor for name, tensor in weights.items()}
    save_file(moved, renamed / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="does not fit the base model"):
        merge_lora(str(base), renamed, tmp_path / "merged")


def test_an_incomplete_adapter_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    partial = tmp_path / "adapter"
    partial.mkdir()
    (partial / "adapter_config.json").write_bytes((adapter / "adapter_config.json").read_bytes())
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file({name: weights[name] for name in list(weights)[2:]}, partial / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="weights have no counterpart"):
        merge_lora(str(base), partial, tmp_path / "merged")


def test_the_stored_generation_settings_are_kept_and_decide_no_answer(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    merge_lora(str(base), adapter, tmp_path / "merged")
    model = load(tmp_path / "merged")
    assert model.generation_config.repetition_penalty == 1.5
    before = answers(tmp_path / "merged")
    assert all(row.logits.argmax(-1).tolist() == row.tokens for row in before)


def test_nothing_is_loaded_when_a_path_is_wrong(base: Path, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="exists already"):
        merge_lora(str(base), adapter, tmp_path)
    with pytest.raises(ModelError, match="is no adapter"):
        merge_lora(str(base), tmp_path, tmp_path / "merged")
    with pytest.raises(ModelError, match="there are no weights"):
        merge_lora("./nowhere", adapter, tmp_path / "merged")


def test_the_command_prints_the_proof(base: Path, adapter: Path, tmp_path: Path) -> None:
    arguments = ["--base", str(base), "--adapter", str(adapter), "--output", str(tmp_path / "merged")]
    result = CliRunner().invoke(app, ["merge-lora", *arguments])
    assert result.exit_code == 0, result.output
    assert "adapted tensors changed" in result.output
    assert (tmp_path / "merged" / "model.safetensors").is_file()


def answer(tokens: list[int], rows: list[list[float]]) -> GreedyAnswer:
    import torch

    return GreedyAnswer(tokens, torch.tensor(rows))


def test_answers_are_compared_up_to_the_first_different_token() -> None:
    first = [answer([0, 1, 1], [[5.0, 1.0], [2.0, 3.0], [0.0, 9.0]])]
    second = [answer([0, 0, 1], [[5.5, 1.0], [3.0, 2.5], [7.0, 0.0]])]
    assert answer_agreement(first, second) == AnswerAgreement(
        tokens=3, same_tokens=1, largest_logit_difference=1.0, closest_call=1.0
    )
