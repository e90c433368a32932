"""`QwenImageModel` on the stock pipeline of diffusers, with random weights of a few hundred kilobytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from src.errors import ConfigError, ModelError
from src.models.diffusion.implementations.qwen_image import QwenImageModel
from src.models.diffusion.prompt_template import template_prefix_length
from tests.tiny_pipelines import qwen_folder
from tests.tiny_pipelines import qwen_image_folder as folder

__all__ = ["folder", "qwen_folder"]

PROMPTS = ["paint the red circle blue", "cat", "make the sky dark and put a red square under the tree"]


def model(folder: Path, **params: Any) -> QwenImageModel:
    settings = {"num_inference_steps": 2, "width": 64, "height": 32, "device": "cpu"}
    return QwenImageModel({"model_name": str(folder), **settings, **params})


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def test_a_picture_is_that_of_the_stock_pipeline(folder: Path) -> None:
    from diffusers import QwenImagePipeline

    ours = model(folder).generate_image(PROMPTS[0], seed=3)
    stock = QwenImagePipeline.from_pretrained(folder)
    stock.prompt_template_encode_start_idx = template_prefix_length(stock.tokenizer, stock.prompt_template_encode)
    theirs = stock(
        prompt=PROMPTS[0],
        negative_prompt=" ",
        true_cfg_scale=4.0,
        width=64,
        height=32,
        num_inference_steps=2,
        generator=torch.Generator("cpu").manual_seed(3),
    ).images[0]
    assert ours.size == (64, 32)
    assert np.array_equal(pixels(ours), pixels(theirs))


def test_prompts_of_a_batch_come_out_as_alone_with_their_own_seeds(folder: Path) -> None:
    together = model(folder, batch_size=3).batch_generate(PROMPTS, seeds=[1, 2, 3])
    alone = model(folder)
    for picture, prompt, seed in zip(together, PROMPTS, (1, 2, 3), strict=True):
        assert np.abs(pixels(picture) - pixels(alone.generate_image(prompt, seed=seed))).max() <= 1
    assert not np.array_equal(pixels(together[0]), pixels(alone.generate_image(PROMPTS[0], seed=9)))


def test_without_guidance_there_is_no_negative_prompt(folder: Path) -> None:
    plain = model(folder, true_cfg_scale=1.0)
    plain.pipe.text_encoder.register_forward_hook(lambda *_: calls.append(1))
    calls: list[int] = []
    plain.generate_image("cat", seed=0)
    assert len(calls) == 1


def test_sizes_are_rounded_to_what_the_autoencoder_can_make(folder: Path) -> None:
    assert model(folder, width=70, height=21).generate_image("cat", seed=0).size == (72, 24)


def test_settings_that_change_pixels_are_in_the_identity_and_no_others(folder: Path) -> None:
    def identity(**params: Any) -> dict[str, Any]:
        return QwenImageModel.identity({"model_name": str(folder), "device": "cpu", **params})

    base = identity()
    assert base["params"]["num_inference_steps"] == 50
    assert identity(num_inference_steps=50) == identity(batch_size=4) == base
    for changed in ({"width": 64}, {"true_cfg_scale": 1.0}, {"negative_prompt": "blur"}, {"num_inference_steps": 8}):
        assert identity(**changed) != base


def test_a_checkpoint_of_an_editor_is_refused_before_it_loads(qwen_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"is a QwenImageEditPipeline, not a QwenImagePipeline"):
        QwenImageModel.check_weights({"model_name": str(qwen_folder)})


def test_it_takes_text_alone_and_edits_nothing(folder: Path) -> None:
    assert QwenImageModel.takes_text_alone({})
    assert not QwenImageModel.takes_source({})
    with pytest.raises(TypeError, match="edits none"):
        model(folder).edit_image(Image.new("RGB", (8, 8)), "cat")


@pytest.fixture(scope="module")
def lora(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA for the transformer of `folder`, with weights that change the picture."""
    from diffusers import QwenImagePipeline
    from peft import LoraConfig, get_peft_model_state_dict

    pipe = QwenImagePipeline.from_pretrained(folder)
    pipe.transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_k", "to_v"], init_lora_weights=False))
    weights = get_peft_model_state_dict(pipe.transformer)
    path = tmp_path_factory.mktemp("lora")
    pipe.save_lora_weights(path, transformer_lora_layers=weights, weight_name="fast.safetensors")
    return path


def test_a_lora_acts_in_proportion_to_its_scale_and_is_in_the_identity(folder: Path, lora: Path) -> None:
    named = {"lora": str(lora), "lora_weight_name": "fast.safetensors"}
    plain, off, on = model(folder), model(folder, **named, lora_scale=0.0), model(folder, **named)
    first, second, third = (pixels(one.generate_image("cat", seed=0)) for one in (plain, off, on))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)
    weights = QwenImageModel.identity({"model_name": str(folder), **named})["weights"]
    assert weights.startswith(QwenImageModel.identity({"model_name": str(folder)})["weights"] + "+")


def test_overrides_of_the_scheduler_act_and_wrong_ones_are_refused_before_anything_loads(folder: Path) -> None:
    shifted = model(folder, scheduler_config={"shift": 9.0}).generate_image("cat", seed=0)
    assert not np.array_equal(pixels(shifted), pixels(model(folder).generate_image("cat", seed=0)))
    with pytest.raises(ConfigError, match=r"scheduler_config\.shiftt.*Did you mean 'shift'"):
        QwenImageModel.check_weights({"model_name": str(folder), "scheduler_config": {"shiftt": 3.0}})
