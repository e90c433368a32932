"""The arithmetic of `check`, against published figures, closed formulas, and what real tensors take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText

from src.config import ModelConfig
from src.training.architectures import UnknownShape
from src.training.config import LoraSettings, PolicySettings
from src.training.editor_memory import DECODING, editor_memory, model_size, pipeline_components
from src.training.live_bytes import LiveBytes
from src.training.memory import GIB, Part, Sharding, peak, read_sharding
from src.training.policy import vision_towers
from src.training.policy_memory import Lengths, _rehearsed, activations, count, kv_cache, policy_memory

SEVEN = "Qwen/Qwen2.5-VL-7B-Instruct"
ATTENTION = r"^(?!.*(visual|vision)).*\.(q|k|v|o)_proj$"
MINIATURE = PolicySettings(model="assets/miniature/policy", dtype="float32")
QWEN_EDITOR = "src.models.diffusion.implementations.qwen_image_edit.QwenImageEditModel"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # The sums over the index files of the published weights.
        (SEVEN, 8_292_166_656),
        ("Qwen/Qwen2.5-VL-3B-Instruct", 3_754_622_976),
        ("Qwen/Qwen3-VL-8B-Instruct", 8_767_123_696),
    ],
)
def test_the_table_has_as_many_parameters_as_are_published(name: str, parameters: int) -> None:
    assert count(PolicySettings(model=name)).total == parameters
    assert model_size(name, 2) == 2 * parameters


def test_the_editor_of_the_table_is_that_of_the_full_size_benchmark() -> None:
    from benchmarks.qwen_full_size import SIZES, random_pipeline

    with torch.device("meta"):
        pipeline = random_pipeline(SIZES["full"])
    for name, component in pipeline_components("Qwen/Qwen-Image-Edit").items():
        weights = list(getattr(pipeline, name).parameters())
        assert component.linear + component.other == sum(weight.numel() for weight in weights), name


def test_trained_parameters_are_those_of_a_formula() -> None:
    hidden, inner, layers, vocabulary, narrow = 3584, 18944, 28, 152064, 4 * 128
    attention = 2 * hidden * hidden + hidden + 2 * (hidden * narrow + narrow)
    layer = attention + 3 * hidden * inner + 2 * hidden
    language_model = layers * layer + 2 * vocabulary * hidden + hidden
    assert count(PolicySettings(model=SEVEN)).trained == language_model

    lora = LoraSettings(r=128, target_modules=ATTENTION)
    adapter = layers * 128 * (4 * hidden + 2 * (hidden + narrow))
    assert count(PolicySettings(model=SEVEN, lora=lora)).trained == adapter


def _miniature() -> Any:
    model = AutoModelForImageTextToText.from_pretrained(MINIATURE.model, dtype=torch.float32)
    for tower in vision_towers(model, MINIATURE.model):
        tower.requires_grad_(False)
    return model


def _measured(sizes: Lengths, checkpointing: bool) -> int:
    """What the real miniature policy allocates in a forward and a backward pass."""
    model = _miniature()
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train()
    decoder = model.get_decoder()
    for weight in decoder.parameters():
        weight.grad = torch.zeros_like(weight)
    embedded = torch.randn(sizes.batch, sizes.tokens, 192, requires_grad=True)
    with LiveBytes() as live:
        with torch.autocast("cpu", torch.bfloat16):
            hidden = decoder(inputs_embeds=embedded, use_cache=False).last_hidden_state
        hidden.sum().backward()
    return live.peak


@pytest.mark.parametrize("checkpointing", [False, True])
def test_computed_activations_are_those_of_real_tensors(checkpointing: bool) -> None:
    sizes = Lengths(batch=4, rollouts=4, prompt=100, completion=28)
    computed = activations(MINIATURE, sizes, Sharding(), checkpointing)
    assert computed == pytest.approx(_measured(sizes, checkpointing), rel=0.02)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_activations_of_many_layers_follow_from_those_of_few(checkpointing: bool) -> None:
    lora = LoraSettings(r=16, target_modules=ATTENTION)
    settings = PolicySettings(model="Qwen/Qwen2.5-VL-3B-Instruct", lora=lora)
    sizes = Lengths(batch=2, rollouts=2, prompt=200, completion=56)
    whole = _rehearsed(settings, sizes, Sharding(), checkpointing, 36)
    assert activations(settings, sizes, Sharding(), checkpointing) == pytest.approx(whole, rel=0.01)


def _sizes(parts: Any) -> dict[str, float]:
    return {part.name: part.size for part in parts}


def test_weights_gradients_and_optimizer_are_those_of_adamw(tmp_path: Path) -> None:
    from trl import GRPOConfig

    arguments = GRPOConfig(output_dir=str(tmp_path), per_device_train_batch_size=8, use_cpu=True, bf16=False)
    parts = _sizes(policy_memory(MINIATURE, arguments, Sharding(), Lengths(8, 8, 64, 16)))

    model = _miniature()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in trained:
        weight.grad = torch.zeros_like(weight)
    optimizer = torch.optim.AdamW(trained)
    optimizer.step()
    states = [value for state in optimizer.state.values() for value in state.values() if value.numel() > 1]
    assert parts["optimizer"] == sum(value.nbytes for value in states)
    assert parts["gradients"] == parts["weights, trained"] == sum(weight.nbytes for weight in trained)
    frozen = [weight for weight in model.parameters() if not weight.requires_grad]
    assert parts["weights, frozen"] == sum(weight.nbytes for weight in frozen)


@pytest.mark.parametrize(
    ("sharding", "whole", "spread"),
    [
        (Sharding(4, "whole"), 16, 0),
        (Sharding(4, "zero2"), 2, 14),
        (Sharding(4, "zero3"), 0, 16),
        (Sharding(4, "fsdp"), 0, 16),
        (Sharding(4, "zero3", optimizer_offload=True, weights_offload=True), 0, 2),
    ],
)
def test_sharding_divides_what_it_says(sharding: Sharding, whole: int, spread: int, tmp_path: Path) -> None:
    """Sixteen bytes a trained parameter; the ZeRO paper (arXiv 1910.02054), figure 1, for stages 2 and 3."""
    from trl import GRPOConfig

    arguments = GRPOConfig(output_dir=str(tmp_path), per_device_train_batch_size=8, use_cpu=True, bf16=False)
    parts = _sizes(policy_memory(MINIATURE, arguments, sharding, Lengths(8, 8, 64, 16)))
    held = parts["weights, trained"] + parts["gradients"] + parts.get("optimizer", 0)
    assert held == pytest.approx(count(MINIATURE).trained * (whole + spread / 4))


def test_a_kl_term_keeps_a_second_model_unless_an_adapter_can_be_switched_off(tmp_path: Path) -> None:
    from trl import GRPOConfig

    arguments = GRPOConfig(output_dir=str(tmp_path), per_device_train_batch_size=8, use_cpu=True, bf16=False, beta=0.1)
    sizes = Lengths(8, 8, 64, 16)
    full = _sizes(policy_memory(MINIATURE, arguments, Sharding(), sizes))
    assert full["reference model"] == 4 * count(MINIATURE).total
    adapted = MINIATURE.model_copy(update={"lora": LoraSettings(r=4, target_modules=ATTENTION)})
    assert "reference model" not in _sizes(policy_memory(adapted, arguments, Sharding(), sizes))


def test_the_fullest_moment_is_that_of_one_phase_and_not_the_sum_of_all() -> None:
    parts = [Part("a", 10 * GIB), Part("b", 4 * GIB, "rollout"), Part("c", 6 * GIB, "update")]
    parts.append(Part("d", 20 * GIB, reserved=True))
    assert peak(parts) / GIB == pytest.approx((10 + 6) * 1.05 + 20 + 1)


@pytest.mark.parametrize("phase", ["rollout", "edit", "update"])
def test_each_phase_may_be_the_fullest_moment(phase: Any) -> None:
    others = [Part(name, GIB, name) for name in ("rollout", "edit", "update") if name != phase]  # type: ignore[arg-type]
    assert peak([*others, Part("most", 4 * GIB, phase)]) / GIB == pytest.approx(4 * 1.05 + 1)


def test_keys_and_values_take_what_a_real_cache_takes() -> None:
    from transformers import DynamicCache

    model = _miniature()
    cache = DynamicCache(config=model.config.get_text_config())
    with torch.no_grad():
        model.get_decoder()(inputs_embeds=torch.randn(3, 7, 192), past_key_values=cache, use_cache=True)
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert kv_cache(MINIATURE.model, 3 * 7, 4) == held


@pytest.mark.parametrize("offload", [True, False])
def test_fsdp_keeps_weights_and_optimizer_in_main_memory_where_its_file_says_so(offload: bool, tmp_path: Path) -> None:
    path = tmp_path / "fsdp.yaml"
    path.write_text(f"distributed_type: FSDP\nfsdp_config: {{fsdp_offload_params: {str(offload).lower()}}}\n")
    assert read_sharding(str(path), 2) == Sharding(2, "fsdp", offload, offload)


@pytest.mark.parametrize(
    ("side", "batch", "measured"), [(1024, 1, 57.97), (1024, 4, 70.41), (512, 1, 54.87), (512, 4, 58.01)]
)
def test_the_editor_takes_what_was_measured_on_an_h100(side: int, batch: int, measured: float) -> None:
    assert 53.82 + DECODING * side**2 * batch / GIB == pytest.approx(measured, rel=0.005)


def test_decoding_takes_at_least_what_the_autoencoder_allocates() -> None:
    from diffusers import AutoencoderKLQwenImage
    from torch._subclasses.fake_tensor import FakeTensorMode

    torch.set_default_dtype(torch.bfloat16)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            autoencoder = AutoencoderKLQwenImage().eval()
            with LiveBytes() as live:
                autoencoder.decode(torch.randn(2, 16, 1, 64, 64), return_dict=False)
    finally:
        torch.set_default_dtype(torch.float32)
    assert 0.75 * DECODING < live.peak / (2 * 512**2) < DECODING


def _editor(**params: Any) -> dict[str, float]:
    return _sizes(editor_memory(ModelConfig(class_path=QWEN_EDITOR, params=params)))


def test_an_editors_weights_are_those_of_the_loaded_pipeline() -> None:
    from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel

    params = {"model_name": "assets/miniature/editor", "dtype": "float32"}
    pipeline = QwenImageEditModel({**params, "device": "cpu"}).pipe
    models = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    assert _editor(**params)["editor's weights"] == sum(w.nbytes for model in models for w in model.parameters())


def test_offload_and_quantisation_shrink_what_they_say() -> None:
    parts = pipeline_components("Qwen/Qwen-Image-Edit")
    transformer, encoder = parts["transformer"], parts["text_encoder"]
    whole = {name: 2 * (part.linear + part.other) for name, part in parts.items()}
    assert _editor()["editor's weights"] == sum(whole.values())
    assert _editor(offload="model")["editor's largest model (offload)"] == whole["transformer"]
    small = _editor(quantization={"weights": "int8"})["editor's weights"]
    assert small == sum(whole.values()) - transformer.linear - encoder.linear
    only = _editor(quantization={"weights": "nf4", "components": ["transformer"]})["editor's weights"]
    assert only == sum(whole.values()) - transformer.linear * (2 - 0.5625)


@pytest.mark.parametrize("path", sorted(Path("configs/accelerate").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_sharding_of_an_accelerate_file_is_the_one_of_its_name(path: Path) -> None:
    sharding = read_sharding(str(path), 4)
    kind = {"ddp": "whole", "cpu_zero2": "zero2", "zero3_offload": "zero3"}.get(path.stem, path.stem)
    assert sharding.kind == kind
    assert sharding.optimizer_offload is sharding.weights_offload is (path.stem == "zero3_offload")


def test_what_is_not_known_is_said_and_not_invented() -> None:
    with pytest.raises(UnknownShape, match=r"unknown.*hf download somebody/model"):
        count(PolicySettings(model="somebody/model"))
    with pytest.raises(UnknownShape, match=r"unknown.*hf download somebody/editor"):
        _editor(model_name="somebody/editor")
