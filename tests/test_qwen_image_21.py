"""Qwen-Image-2.1 in the Qwen editor, on a tiny random checkpoint with the real architecture."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from tests.test_qwen_image_edit import INSTRUCTIONS, difference, pixels
from tests.tiny_parts import gradient
from tests.tiny_pipelines import seen_by
from tests.tiny_qwen21 import distilled_folder, qwen21_folder  # noqa: F401 (fixtures)

SMALL = {"num_inference_steps": 2, "output_resolution": 64, "condition_resolution": 64, "batch_size": 4}


def editor(folder: Path, **changes: Any) -> QwenImageEditModel:
    return QwenImageEditModel({"model_name": str(folder), **SMALL, **changes})


def test_its_own_pipeline_runs_as_its_index_says_and_one_picture_shares_a_call(qwen21_folder: Path) -> None:
    model = editor(qwen21_folder)
    assert (type(model.pipe).__name__, model.batch_size) == ("QwenImage21Pipeline", 1)


def test_several_sources_make_one_edit_in_their_order(qwen21_folder: Path) -> None:
    model = editor(qwen21_folder)
    first, second, third = gradient((64, 48)), gradient((48, 64), turn=2), gradient((64, 64), turn=4)
    one, other = (
        model.edit_image(first, "x", seed=3, further_images=list(pair)) for pair in ((second, third), (third, second))
    )
    assert one.size == model.edit_image(first, "x", seed=3).size
    assert difference(one, other) > 1


def test_no_sample_is_mixed_with_another(qwen21_folder: Path) -> None:
    model = editor(qwen21_folder)
    sources = [gradient(turn=turn) for turn in range(3)]
    together = model.batch_edit(sources, INSTRUCTIONS, seeds=[5, 6, 7])
    alone = [model.edit_image(sources[index], INSTRUCTIONS[index], seed=5 + index) for index in range(3)]
    others = model.batch_edit([sources[0], gradient(turn=5), gradient(turn=6)], INSTRUCTIONS, seeds=[5, 6, 7])
    assert [difference(*pair) for pair in zip(together, alone, strict=True)] == [0, 0, 0]
    assert difference(others[0], together[0]) == 0
    assert difference(others[1], together[1]) > 0


def test_seed_instruction_and_source_all_change_the_edit(qwen21_folder: Path) -> None:
    model = editor(qwen21_folder)
    edit = model.edit_image(gradient(), "make the sky red", seed=3)
    assert difference(edit, model.edit_image(gradient(), "make the sky red", seed=3)) == 0
    assert difference(edit, model.edit_image(gradient(), "make the sky red", seed=4)) > 8
    assert difference(edit, model.edit_image(gradient(), "remove the tree", seed=3)) > 0
    assert difference(edit, model.edit_image(gradient(turn=3), "make the sky red", seed=3)) > 0


@pytest.mark.parametrize(
    ("resolution", "source", "size"),
    [
        ("source", (100, 50), (96, 64)),
        ("source", (64, 160), (64, 160)),
        (64, (70, 50), (64, 64)),
        (128, (200, 100), (192, 96)),
        (128, (100, 200), (96, 192)),
    ],
)
def test_the_result_keeps_the_aspect_ratio_in_multiples_of_32(
    qwen21_folder: Path, resolution: Any, source: tuple[int, int], size: tuple[int, int]
) -> None:
    model = editor(qwen21_folder, output_resolution=resolution, num_inference_steps=1)
    assert model.edit_image(gradient(source), "x").size == size


@pytest.mark.parametrize(("condition", "tokens"), [(32, 4), (64, 16), (128, 64), (288, 324)])
def test_the_condition_has_its_own_size_and_the_result_keeps_its_own(
    qwen21_folder: Path, condition: int, tokens: int
) -> None:
    model = editor(qwen21_folder, condition_resolution=condition, num_inference_steps=1)
    transformer, encoder = seen_by(model.pipe, "transformer"), seen_by(model.pipe, "text_encoder")
    assert model.edit_image(gradient(), "x").size == (64, 64)
    assert transformer[0]["hidden_states"].shape[1] == (64 // 16) ** 2 + tokens
    assert len(encoder[0]["pixel_values"]) == tokens  # patches of 16×16 pixels, as the latents


def test_the_fixed_start_of_the_prompt_is_dropped_exactly(qwen21_folder: Path) -> None:
    model = editor(qwen21_folder, num_inference_steps=1)
    encoder, transformer = seen_by(model.pipe, "text_encoder"), seen_by(model.pipe, "transformer")
    model.edit_image(gradient(), "make the sky red")
    tokenizer = model.pipe.processor.tokenizer
    prompt = encoder[0]["input_ids"][0].tolist()
    kept = transformer[0]["encoder_hidden_states"].shape[1]
    assert tokenizer.decode(prompt[:-kept]) == (
        "<|im_start|>system\nComprehend and analyze the provided prompt.<|im_end|>\n"
    )
    assert tokenizer.decode(prompt[-kept:]).startswith("<|im_start|>user\n")


def test_guidance_is_off_until_it_is_asked_for(qwen21_folder: Path) -> None:
    for guidance, calls in ((None, 2), (1.0, 2), (4.0, 4)):
        model = editor(qwen21_folder, true_cfg_scale=guidance)
        seen = seen_by(model.pipe, "transformer")
        model.edit_image(gradient(), "x")
        assert len(seen) == calls


def test_at_equal_sizes_the_pixels_are_those_of_the_stock_pipeline(qwen21_folder: Path) -> None:
    import torch
    from diffusers import QwenImage21Pipeline

    stock = QwenImage21Pipeline.from_pretrained(qwen21_folder)
    stock.set_progress_bar_config(disable=True)
    expected = stock(
        "make the sky red",
        gradient((256, 256)),
        num_inference_steps=2,
        output_resolution=256,
        generator=torch.Generator("cpu").manual_seed(3),
    ).images[0]
    model = editor(qwen21_folder, output_resolution=256, condition_resolution=256)
    edit = model.edit_image(gradient((256, 256)), "make the sky red", seed=3)
    assert difference(edit, expected.convert("RGB")) == 0


def test_the_cache_is_a_setting_and_part_of_the_identity(qwen21_folder: Path) -> None:
    identities = []
    for cached in (True, False):
        model = editor(qwen21_folder, use_kv_cache=cached)
        seen = seen_by(model.pipe, "transformer")
        model.edit_image(gradient(), "x")
        assert [call["kv_cache"] is not None for call in seen] == [cached, cached]
        identities.append(QwenImageEditModel.identity({"model_name": str(qwen21_folder), "use_kv_cache": cached}))
    assert identities[0] != identities[1]


def test_transparent_parts_of_an_edit_are_laid_over_white(qwen21_folder: Path) -> None:
    import torch

    model = editor(qwen21_folder, num_inference_steps=1)
    opaque = model.edit_image(gradient(), "x")
    with torch.no_grad():
        model.pipe.vae.decoder.conv_out.bias[3] = -9.0
    assert difference(opaque, Image.new("RGB", (64, 64), "white")) > 8
    assert pixels(model.edit_image(gradient(), "x")).min() == 255


def test_the_sigmas_of_a_distilled_checkpoint_make_its_steps(distilled_folder: Path) -> None:
    model = editor(distilled_folder, num_inference_steps=5)
    seen = seen_by(model.pipe, "transformer")
    model.edit_image(gradient(), "x")
    assert len(seen) == 2


def test_a_lora_acts_on_it(qwen21_folder: Path, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    pipe = editor(qwen21_folder).pipe
    pipe.transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_k", "to_v"], init_lora_weights=False))
    torch.manual_seed(0)
    weights = {name: torch.randn_like(value) for name, value in get_peft_model_state_dict(pipe.transformer).items()}
    pipe.save_lora_weights(tmp_path, transformer_lora_layers=weights, weight_name="fast.safetensors")
    lora = {"lora": str(tmp_path), "lora_weight_name": "fast.safetensors"}
    edits = [editor(qwen21_folder, **lora, lora_scale=scale).edit_image(gradient(), "x", seed=1) for scale in (0, 1)]
    plain = editor(qwen21_folder).edit_image(gradient(), "x", seed=1)
    assert difference(plain, edits[0]) <= 1
    assert difference(plain, edits[1]) > 1
