"""The Qwen editor on tiny random checkpoints with the real architecture."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from src.errors import ConfigError, ModelError
from src.models.diffusion.condition_size import STOCK_AREA, condition_sizes, fit_area
from src.models.diffusion.implementations.multi_gpu_qwen_edit import MultiGPUQwenImageEditModel
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from src.registry import check_params
from tests.tiny_parts import gradient
from tests.tiny_pipelines import pix2pix_folder, plus_folder, qwen_folder, seen_by  # noqa: F401 (fixtures)

SMALL = {"num_inference_steps": 2, "output_resolution": 64, "condition_resolution": 64, "batch_size": 4}
INSTRUCTIONS = ["make the sky red", "remove the tree, then paint the house behind it blue", "x"]


def editor(folder: Path, **changes: Any) -> QwenImageEditModel:
    return QwenImageEditModel({"model_name": str(folder), **SMALL, **changes})


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def difference(first: Image.Image, second: Image.Image) -> int:
    return int(abs(pixels(first) - pixels(second)).max())


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_a_batch_gives_the_pixels_of_single_calls_whatever_the_lengths_of_the_prompts(
    qwen_folder: Path, guidance: float
) -> None:
    model = editor(qwen_folder, true_cfg_scale=guidance)
    sources = [gradient(turn=turn) for turn in range(3)]
    together = model.batch_edit(sources, INSTRUCTIONS, seeds=[5, 6, 7])
    alone = [model.edit_image(sources[index], INSTRUCTIONS[index], seed=5 + index) for index in range(3)]
    assert max(difference(*pair) for pair in zip(together, alone, strict=True)) <= 1
    assert difference(alone[0], alone[1]) > 8


def test_seed_instruction_and_source_all_change_the_edit(qwen_folder: Path) -> None:
    model = editor(qwen_folder)
    edit = model.edit_image(gradient(), "make the sky red", seed=3)
    assert difference(edit, model.edit_image(gradient(), "make the sky red", seed=3)) == 0
    assert difference(edit, model.edit_image(gradient(), "make the sky red", seed=4)) > 8
    assert difference(edit, model.edit_image(gradient(), "remove the tree", seed=3)) > 1
    assert difference(edit, model.edit_image(gradient(turn=3), "make the sky red", seed=3)) > 1


def test_the_seed_of_the_params_is_added_to_the_seed_of_the_call(qwen_folder: Path) -> None:
    shifted, plain = editor(qwen_folder, seed=10), editor(qwen_folder)
    assert difference(shifted.edit_image(gradient(), "x", seed=5), plain.edit_image(gradient(), "x", seed=15)) == 0
    assert difference(shifted.edit_image(gradient(), "x"), plain.edit_image(gradient(), "x", seed=10)) == 0


def test_pictures_of_different_sizes_keep_their_order_and_share_batches_by_size(qwen_folder: Path) -> None:
    model = editor(qwen_folder, output_resolution="source", batch_size=2, num_inference_steps=1, true_cfg_scale=1)
    calls = seen_by(model.pipe, "transformer")
    sizes = [(64, 64), (48, 80), (64, 64), (64, 64), (48, 80)]
    edits = model.batch_edit([gradient(size) for size in sizes], ["x"] * 5, seeds=[0] * 5)
    assert [edit.size for edit in edits] == sizes
    assert sorted(len(call["hidden_states"]) for call in calls) == [1, 2, 2]


@pytest.mark.parametrize(("resolution", "size"), [("source", (72, 48)), (64, (80, 48)), (128, (144, 112))])
def test_the_output_has_the_size_that_was_asked_for(qwen_folder: Path, resolution: Any, size: tuple[int, int]) -> None:
    model = editor(qwen_folder, output_resolution=resolution, num_inference_steps=1)
    assert model.edit_image(gradient((70, 50)), "x").size == size


@pytest.mark.parametrize(("condition", "tokens"), [(64, 64), (128, 256), (32, 16)])
@pytest.mark.parametrize("kind", ["qwen_folder", "plus_folder"])
def test_the_transformer_sees_as_many_condition_tokens_as_the_setting_says(
    kind: str,
    condition: int,
    tokens: int,
    request: pytest.FixtureRequest,
) -> None:
    model = editor(request.getfixturevalue(kind), condition_resolution=condition, vl_resolution=64)
    calls = seen_by(model.pipe, "transformer")
    model.edit_image(gradient(), "x")
    output_tokens = (64 // 8) ** 2
    assert {call["hidden_states"].shape[1] for call in calls} == {output_tokens + tokens}
    assert calls[0]["img_shapes"][0][1] == (1, condition // 8, condition // 8)


def test_the_vision_language_encoder_of_the_older_pipeline_sees_vl_resolution(qwen_folder: Path) -> None:
    model = editor(qwen_folder, vl_resolution=128)
    calls = seen_by(model.pipe, "text_encoder")
    model.edit_image(gradient(), "x")
    assert {len(call["pixel_values"]) for call in calls} == {(128 // 8) ** 2}


def test_the_vision_language_encoder_of_the_plus_pipeline_sees_vl_resolution(plus_folder: Path) -> None:
    model = editor(plus_folder, vl_resolution=32)
    model.pipe.processor.image_processor.size = {"shortest_edge": 16 * 16, "longest_edge": 128 * 128}  # as in real ones
    calls = seen_by(model.pipe, "text_encoder")
    model.edit_image(gradient(), "x")
    assert {len(call["pixel_values"]) for call in calls} == {(32 // 8) ** 2}


def test_at_equal_sizes_the_pixels_are_those_of_the_stock_pipeline(qwen_folder: Path) -> None:
    import torch
    from diffusers import QwenImageEditPipeline
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit as module

    model = editor(qwen_folder)
    stock = QwenImageEditPipeline.from_pretrained(qwen_folder)
    stock.set_progress_bar_config(disable=True)
    stock.prompt_template_encode_start_idx = model.pipe.prompt_template_encode_start_idx
    with mock.patch.object(module, "calculate_dimensions", return_value=(64, 64, None)):
        expected = stock(
            gradient(),
            "make the sky red",
            negative_prompt=" ",
            width=64,
            height=64,
            num_inference_steps=2,
            generator=torch.Generator("cpu").manual_seed(3),
        ).images[0]
    assert difference(model.edit_image(gradient(), "make the sky red", seed=3), expected) == 0


@pytest.mark.parametrize("ratio", [1.0, 1.5, 16 / 9, 0.3])
def test_other_users_of_the_stock_pipelines_get_stock_sizes(qwen_folder: Path, ratio: float) -> None:
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit as module

    def stock() -> tuple[int, int, None]:
        width = math.sqrt(STOCK_AREA * ratio)
        return round(width / 32) * 32, round(width / ratio / 32) * 32, None

    with condition_sizes(editor(qwen_folder).pipe, 64, None), ThreadPoolExecutor(1) as other_thread:
        inside = module.calculate_dimensions(STOCK_AREA, ratio)
        elsewhere = other_thread.submit(module.calculate_dimensions, STOCK_AREA, ratio).result()
    assert inside == (*fit_area(64 * 64, ratio, 16), None)
    assert elsewhere == module.calculate_dimensions(STOCK_AREA, ratio) == stock()
    assert fit_area(STOCK_AREA, ratio, 32) == stock()[:2]


def test_a_very_long_strip_still_has_a_height() -> None:
    assert fit_area(64 * 64, 1000.0, 16) == (2016, 16)


def test_replicas_with_different_settings_do_not_disturb_each_other(qwen_folder: Path) -> None:
    replicas = [editor(qwen_folder, condition_resolution=side) for side in (64, 128)]

    def edits(model: QwenImageEditModel) -> list[Image.Image]:
        return [model.edit_image(gradient(), "make the sky red", seed=seed) for seed in range(4)]

    alone = [edits(model) for model in replicas]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(edits, replicas))
    for before, after in zip(alone, together, strict=True):
        assert [difference(*pair) for pair in zip(before, after, strict=True)] == [0] * 4


def test_the_fixed_start_of_the_prompt_is_dropped_exactly(qwen_folder: Path) -> None:
    model = editor(qwen_folder, true_cfg_scale=1)
    encoder, transformer = seen_by(model.pipe, "text_encoder"), seen_by(model.pipe, "transformer")
    model.edit_image(gradient(), "make the sky red")
    prompt = encoder[0]["input_ids"][0].tolist()
    kept = transformer[0]["encoder_hidden_states"].shape[1]
    assert model.pipe.tokenizer.decode(prompt[-kept:]).startswith("<|vision_start|>")
    assert model.pipe.tokenizer.decode(prompt[:-kept]).endswith("<|im_start|>user\n")


def test_a_plus_checkpoint_is_known_by_its_index_and_edits_one_by_one(plus_folder: Path) -> None:
    model = editor(plus_folder)
    edits = model.batch_edit([gradient(), gradient(turn=2)], ["make the sky red", "x"], seeds=[1, 2])
    assert (type(model.pipe).__name__, model.batch_size) == ("QwenImageEditPlusPipeline", 1)
    assert difference(edits[1], model.edit_image(gradient(turn=2), "x", seed=2)) == 0


def test_a_plus_checkpoint_edits_several_sources_in_their_order_in_the_size_of_the_first(
    plus_folder: Path, qwen_folder: Path
) -> None:
    taken = {
        folder: QwenImageEditModel.takes_further_images({"model_name": str(folder)})
        for folder in (plus_folder, qwen_folder)
    }
    assert taken == {plus_folder: True, qwen_folder: False}
    model = editor(plus_folder)
    first, second, third = gradient((64, 48)), gradient((48, 64), turn=2), gradient((64, 64), turn=4)

    def edit(*further: Image.Image) -> Image.Image:
        return model.edit_image(first, "x", seed=3, further_images=list(further))

    assert edit().size == edit(second, third).size
    assert difference(edit(), model.edit_image(first, "x", seed=3)) == 0
    assert difference(edit(second), edit()) > 1
    assert difference(edit(second, third), edit(third, second)) > 1


def test_another_pipeline_is_refused_with_the_class_that_runs_it(pix2pix_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"StableDiffusionInstructPix2PixPipeline.*DiffusersEditModel"):
        editor(pix2pix_folder)


@pytest.mark.parametrize("part", ["vae", "transformer"])
def test_nan_weights_make_an_error_and_no_black_picture(qwen_folder: Path, part: str) -> None:
    import torch

    model = editor(qwen_folder)
    torch.nn.init.constant_(next(getattr(model.pipe, part).parameters()), float("nan"))
    with pytest.raises(ModelError, match="NaN"):
        model.edit_image(gradient(), "x")


def test_running_out_of_memory_names_the_settings_to_change(qwen_folder: Path) -> None:
    import torch

    model = editor(qwen_folder)
    exhausted = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
    with (
        mock.patch.object(model.pipe.transformer, "forward", side_effect=exhausted),
        pytest.raises(
            ModelError, match=r"output_resolution.*condition_resolution.*batch_size.*offload.*dtype.*20.00 GiB"
        ),
    ):
        model.edit_image(gradient(), "x")


def test_a_missing_folder_names_the_recipe_that_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"python -m src\.miniature\.editor\.train_editor"):
        QwenImageEditModel({"model_name": "assets/miniature/editor"})


def test_a_damaged_folder_is_an_error_that_names_it(qwen_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_bytes((qwen_folder / "model_index.json").read_bytes())
    with pytest.raises(ModelError, match=str(tmp_path)):
        editor(tmp_path)


def test_the_params_of_older_configs_are_accepted_and_a_missing_gpu_is_explained(qwen_folder: Path) -> None:
    old = {
        "model_name": str(qwen_folder),
        "device": "cuda",
        "device_ids": [0, 1],
        "dtype": "bfloat16",
        "num_inference_steps": 15,
        "true_cfg_scale": 4.0,
        "negative_prompt": " ",
        "seed": 0,
        "disable_progress_bar": True,
        "enable_batch_sync": True,
    }
    check_params(MultiGPUQwenImageEditModel, old, "diffusion_model.params")
    with (
        mock.patch("torch.cuda.is_available", return_value=False),
        pytest.raises(ModelError, match="sees no GPU; set device: auto"),
    ):
        MultiGPUQwenImageEditModel(old)


def test_scheduler_settings_are_overridden_and_unknown_ones_refused(qwen_folder: Path) -> None:
    model = editor(qwen_folder, scheduler_config={"shift": 1.5, "shift_terminal": None})
    assert model.pipe.scheduler.config.shift == 1.5
    with (
        mock.patch("diffusers.QwenImageEditPipeline.from_pretrained", side_effect=AssertionError("loaded")),
        pytest.raises(ConfigError, match=r"scheduler_config\.base_shft.*Did you mean 'base_shift'"),
    ):
        editor(qwen_folder, scheduler_config={"base_shft": 1})


@pytest.fixture(scope="module")
def lora_folder(qwen_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    folder = tmp_path_factory.mktemp("lora")
    pipe = editor(qwen_folder).pipe
    pipe.transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_k", "to_v"], init_lora_weights=False))
    torch.manual_seed(0)
    weights = {name: torch.randn_like(value) for name, value in get_peft_model_state_dict(pipe.transformer).items()}
    pipe.save_lora_weights(folder, transformer_lora_layers=weights, weight_name="fast.safetensors")
    return folder


def test_a_lora_acts_in_proportion_to_its_scale(qwen_folder: Path, lora_folder: Path) -> None:
    lora = {"lora": str(lora_folder), "lora_weight_name": "fast.safetensors"}
    plain, off, on = editor(qwen_folder), editor(qwen_folder, **lora, lora_scale=0.0), editor(qwen_folder, **lora)
    edit = plain.edit_image(gradient(), "x", seed=1)
    assert difference(edit, off.edit_image(gradient(), "x", seed=1)) <= 1
    assert difference(edit, on.edit_image(gradient(), "x", seed=1)) > 1


def test_a_missing_lora_file_is_named(qwen_folder: Path, lora_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"slow\.safetensors"):
        editor(qwen_folder, lora=str(lora_folder), lora_weight_name="slow.safetensors")


@pytest.mark.parametrize(
    "layer", ["unet.down", "transformer.nothing.to_q", "transformer.transformer_blocks.0.attn.to_q"]
)
def test_a_lora_for_another_model_is_an_error_and_never_ignored(qwen_folder: Path, tmp_path: Path, layer: str) -> None:
    import torch
    from safetensors.torch import save_file

    file = tmp_path / "foreign.safetensors"
    save_file({f"{layer}.lora_A.weight": torch.ones(2, 8), f"{layer}.lora_B.weight": torch.ones(8, 2)}, file)
    with pytest.raises(ModelError, match="LoRA"):
        editor(qwen_folder, lora=str(file))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("transformer.transformer_blocks.0", "transformer.blocks.0"),
        ("transformer.transformer_blocks.0", "text_encoder.layers.0"),
    ],
)
def test_a_lora_of_which_some_weights_fit_nowhere_is_an_error(
    qwen_folder: Path, lora_folder: Path, tmp_path: Path, old: str, new: str
) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(lora_folder / "fast.safetensors")
    moved = {name.replace(old, new) if "to_q" in name else name: tensor for name, tensor in weights.items()}
    assert set(moved) != set(weights)
    save_file(moved, tmp_path / "moved.safetensors")
    with pytest.raises(ModelError, match="have no counterpart"):
        editor(qwen_folder, lora=str(tmp_path / "moved.safetensors"))


@pytest.mark.parametrize("by_name", [False, True])
def test_a_dora_is_refused_and_never_loaded_by_half(
    qwen_folder: Path, lora_folder: Path, tmp_path: Path, by_name: bool
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(lora_folder / "fast.safetensors")
    scales = {name.replace("lora_A.weight", "dora_scale"): torch.ones(8) for name in weights if "lora_A" in name}
    save_file(weights | scales, tmp_path / "dora.safetensors")
    lora = {"lora": str(tmp_path), "lora_weight_name": "dora.safetensors"}
    with pytest.raises(ModelError, match="is a DoRA: diffusers would leave out"):
        editor(qwen_folder, **(lora if by_name else {"lora": str(tmp_path / "dora.safetensors")}))


def test_the_identity_follows_weights_lora_and_pixels_but_not_placement(
    qwen_folder: Path, plus_folder: Path, lora_folder: Path
) -> None:
    def identity(folder: Path = qwen_folder, **changes: Any) -> dict[str, Any]:
        return QwenImageEditModel.identity({"model_name": str(folder), **SMALL, **changes})

    same = [
        identity(device="cpu"),
        identity(offload="model"),
        identity(batch_size=2),
        identity(enable_batch_sync=False),
    ]
    assert all(one == identity() for one in same)
    others = [identity(plus_folder)["weights"], identity(lora=str(lora_folder))["weights"], identity()["weights"]]
    assert len(set(others)) == 3
    assert identity(true_cfg_scale=2.0) != identity()


def test_importing_the_editors_needs_no_torch() -> None:
    modules = ("multi_gpu_qwen_edit", "diffusers_edit", "openai_image_edit", "precomputed", "identity", "example_model")
    imports = ", ".join(f"src.models.diffusion.implementations.{name}" for name in modules)
    code = f"import sys, {imports}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
