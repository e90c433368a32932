"""The memory of a training through the conditioning, against what a real one of tiny size holds."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText

from src.config import ModelConfig
from src.training.config import LoraSettings, PolicySettings, load_training_config
from src.training.memory.editor_memory import DECODING, editor_memory, pipeline_components
from src.training.memory.live_bytes import LiveBytes
from src.training.memory.parts import Sharding
from src.training.memory.policy_memory import (
    ParameterCounts,
    SequenceLengths,
    conditioning_memory,
    hidden_states,
    lengths,
    policy_memory,
    whole_for,
)
from src.training.memory.text_encoder import keeps_own_encoder, shown_pictures
from tests.test_conditioning_generation import make_bench, make_config  # noqa: F401 (fixtures)
from tests.test_conditioning_rewards import Bench
from tests.test_thinking_generation import painter, thinker
from tests.tiny_pipelines import qwen_image_folder  # noqa: F401 (fixture)

PAINTER = "src.models.diffusion.implementations.qwen_image.QwenImageModel"
EDITOR = "src.models.diffusion.implementations.qwen_image_edit.QwenImageEditModel"
MINIATURE = PolicySettings(model="assets/miniature/policy", dtype="float32")
EDIT_PRESET = Path("configs/training/qwen2_5_vl_7b_conditioning_edit_lora.yaml")
IMAGE_PRESET = Path("configs/training/qwen2_5_vl_7b_conditioning_image_full.yaml")


@pytest.fixture(autouse=True)
def _without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("OPENAI_API_KEY", "x")


def parts_of(class_path: str, *, own_encoder: bool = True, **params: Any) -> dict[str, float]:
    model = ModelConfig(class_path=class_path, params=params)
    return {part.name: part.size for part in editor_memory(model, own_encoder=own_encoder)}


def held_by(*modules: Any) -> int:
    """Bytes of all weights of these modules, of which some may be the same one."""
    weights = {id(weight): weight for module in modules if module is not None for weight in module.parameters()}
    return sum(weight.nbytes for weight in weights.values())


def of_pipeline(pipe: Any) -> list[Any]:
    return [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]


@pytest.mark.parametrize(
    ("guidance", "source", "kept"), [(1.0, "initial", False), (4.0, "present", False), (4.0, "initial", True)]
)
def test_a_training_keeps_the_models_weights_that_are_counted(
    make_bench: Callable[..., Bench],
    make_config: Callable[..., Any],
    guidance: float,
    source: str,
    kept: bool,
) -> None:
    model = make_config()["diffusion_model"]
    model = {**model, "params": {**model["params"], "true_cfg_scale": guidance, "dtype": "float32"}}
    task = {"class_path": make_config()["task"]["class_path"], "params": {"negative_prompt_from": source}}
    bench = make_bench(diffusion_model=model, task=task)
    found = held_by(*of_pipeline(bench.rewards._editor.pipe))
    config = bench.rewards.setting.config
    assert keeps_own_encoder(config, config.diffusion_model) is kept
    assert parts_of(PAINTER, own_encoder=kept, **model["params"])["editor's weights"] == found


@pytest.mark.parametrize(("guidance", "source"), [(1.0, "initial"), (4.0, "present"), (4.0, "initial")])
def test_a_model_that_thinks_holds_the_encoders_that_are_counted(
    qwen_image_folder: Path, guidance: float, source: str
) -> None:
    think = {"policy": str(qwen_image_folder / "text_encoder"), "negative_prompt_from": source}
    model = thinker(qwen_image_folder, think, true_cfg_scale=guidance)
    found = held_by(*of_pipeline(model.pipe), model._thinker.model)  # type: ignore[union-attr]
    params = {"model_name": str(qwen_image_folder), "think": think, "true_cfg_scale": guidance, "dtype": "float32"}
    counted = parts_of(PAINTER, **params)
    assert counted["encoder that thinks"] + counted["editor's weights"] == found


def test_a_model_that_thinks_by_its_own_encoder_holds_it_once(qwen_image_folder: Path) -> None:
    params = {"model_name": str(qwen_image_folder), "think": True, "dtype": "float32"}
    assert parts_of(PAINTER, **params)["editor's weights"] == held_by(*of_pipeline(painter(qwen_image_folder).pipe))


def test_qwen_image_has_the_parts_of_qwen_image_edit_and_pictures_of_its_own_size() -> None:
    assert pipeline_components("Qwen/Qwen-Image") == pipeline_components("Qwen/Qwen-Image-Edit")
    assert parts_of(PAINTER, width=512, height=256, batch_size=3)["editor's activations"] == DECODING * 512 * 256 * 3
    encoder = pipeline_components("Qwen/Qwen-Image")["text_encoder"]
    whole, spared = (parts_of(PAINTER, own_encoder=own)["editor's weights"] for own in (True, False))
    assert whole - spared == 2 * (encoder.linear + encoder.other) == 2 * 8_292_166_656


def test_the_pass_takes_what_real_tensors_take() -> None:
    model = AutoModelForImageTextToText.from_pretrained(MINIATURE.model, dtype=torch.float32)
    embedded = torch.randn(1, 128, 192)
    with torch.no_grad(), LiveBytes() as live, torch.autocast("cpu", torch.bfloat16):
        model.get_decoder()(inputs_embeds=embedded, use_cache=False, output_hidden_states=True)
    assert hidden_states(MINIATURE, 128, Sharding()) == pytest.approx(live.peak, rel=0.02)


def test_the_states_of_all_layers_are_in_it() -> None:
    lora = PolicySettings(model="Qwen/Qwen2.5-VL-7B-Instruct", lora=LoraSettings(r=8))
    assert hidden_states(lora, 1000, Sharding()) > 29 * 1000 * 3584 * 2


@pytest.mark.parametrize(("gathers", "weights"), [(True, 8e9), (False, 1e9)])
def test_zero_3_gathers_the_whole_policy_for_writing_and_for_the_pass(
    tmp_path: Path, gathers: bool, weights: float
) -> None:
    from trl import GRPOConfig

    arguments = GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, ds3_gather_for_generation=gathers)
    counts = ParameterCounts(8_000_000_000, 7_000_000_000)
    [found] = whole_for("condition", counts, arguments, Sharding(8, "zero3"))
    assert (found.phase, found.size) == ("condition", 2 * weights)
    assert not [*whole_for("condition", counts, arguments, Sharding(8, "zero2"))]
    assert not [*whole_for("condition", counts, arguments, Sharding(8, "fsdp"))]
    sizes, named = SequenceLengths(1, 1, 8, 8), []
    for parts in (policy_memory, conditioning_memory):
        found_parts = parts(MINIATURE, arguments, Sharding(8, "zero3"), sizes)
        named += [one.phase for one in found_parts if one.name == "gathered weights"]
    assert sorted(named) == ["condition", "rollout", "update"]


def sides(path: Path, *overrides: str) -> Any:
    return shown_pictures(load_training_config(path, overrides))


def test_prompts_have_the_pictures_that_the_pipeline_shows_its_encoder() -> None:
    assert sides(EDIT_PRESET) == (1, 512)
    assert sides(EDIT_PRESET, "diffusion_model.params.vl_resolution=700") == (1, 700)
    assert sides(EDIT_PRESET, "diffusion_model.params.model_name=Qwen/Qwen-Image-Edit-2509") == (1, 384)
    assert sides(IMAGE_PRESET) == (0, None)
    assert sides(Path("configs/training/qwen2_5_vl_7b_rewrite_lora.yaml")) is None


def test_a_prompt_has_as_many_tokens_as_its_picture_is_large_unless_the_policy_sees_less(tmp_path: Path) -> None:
    from trl import GRPOConfig

    arguments = GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False)
    policy = PolicySettings(model="Qwen/Qwen2.5-VL-7B-Instruct")

    def tokens(side: int | None, most: int | None) -> int:
        sized = policy.model_copy(update={"image_max_side": most})
        return lengths(sized, arguments, 1, side, 1).prompt - lengths(sized, arguments, 0, side, 1).prompt

    assert tokens(2800, None) == 100**2
    assert tokens(2800, 280) == tokens(280, None) == 10**2
    assert tokens(None, 1400) == 50**2
