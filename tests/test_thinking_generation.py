"""A text-to-image model whose text encoder thinks first, on a tiny checkpoint with the real architecture."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from src.errors import ConfigError
from src.models.diffusion.conditioning import Conditioner, Conditioning, ConditioningRequest
from src.models.diffusion.implementations.qwen_image import QwenImageModel
from tests.test_qwen_image_edit import difference
from tests.test_thinking_editor import changed_encoder
from tests.tiny_pipelines import qwen_image_folder, seen_by  # noqa: F401 (fixture)

WISH = "a red sky over the house"
SMALL = {"num_inference_steps": 1, "true_cfg_scale": 1.0, "width": 32, "height": 32, "batch_size": 4}


def painter(folder: Path, **changes: Any) -> QwenImageModel:
    return QwenImageModel({"model_name": str(folder), **SMALL, **changes})


def thinker(folder: Path, think: Any = None, **changes: Any) -> QwenImageModel:
    return painter(folder, think={"max_new_tokens": 6} | (think or {}), **changes)


def encode(model: QwenImageModel, prompt: str, completion: tuple[int, ...] = ()) -> Conditioning:
    request = ConditioningRequest(prompt, (), completion)
    return Conditioner(model.pipe).encode(request, model.pipe.text_encoder, torch.float32)


def written(model: QwenImageModel, prompt: str) -> Conditioning:
    assert model._thinker is not None
    [found] = model._thinker.conditionings([[]], [prompt], [0])
    return found


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_a_picture_from_the_conditioning_of_an_empty_completion_is_the_stock_picture(
    qwen_image_folder: Path, guidance: float
) -> None:
    model = painter(qwen_image_folder, true_cfg_scale=guidance)
    stock = model.generate_image(WISH, seed=3)
    assert difference(stock, model.generate_image("", seed=3, conditioning=encode(model, WISH))) == 0
    assert difference(stock, model.generate_image("", seed=3, conditioning=encode(model, "x"))) > 1


def test_a_batch_of_conditionings_of_different_lengths_gives_the_pixels_of_single_calls(
    qwen_image_folder: Path,
) -> None:
    model = painter(qwen_image_folder, true_cfg_scale=4.0)
    given = [encode(model, WISH, tuple(range(20, 20 + length))) for length in (0, 9, 30)]
    calls = seen_by(model.pipe, "transformer")
    together = model.batch_generate([""] * 3, seeds=[5, 5, 5], conditionings=given)
    assert {len(call["hidden_states"]) for call in calls} == {3}
    alone = [model.generate_image("", seed=5, conditioning=one) for one in given]
    assert max(difference(*pair) for pair in zip(together, alone, strict=True)) <= 1
    assert difference(alone[0], alone[2]) > 1


def test_it_paints_from_what_its_own_encoder_wrote(qwen_image_folder: Path) -> None:
    model, plain = thinker(qwen_image_folder), painter(qwen_image_folder)
    found, conditioning = model.generate_image(WISH, seed=3), written(model, WISH)
    assert len(conditioning.embeds) == len(encode(plain, WISH).embeds) + 6
    assert difference(found, plain.generate_image(WISH, seed=3)) > 0
    assert difference(found, plain.generate_image("", seed=3, conditioning=conditioning)) == 0


def test_what_is_written_is_what_plain_transformers_generates_under_the_pipelines_own_prompt(
    qwen_image_folder: Path,
) -> None:
    model = thinker(qwen_image_folder)
    assert model._thinker is not None
    pipe, prompt = model.pipe, Conditioner(model.pipe).text(ConditioningRequest(WISH))
    inputs = pipe.tokenizer(prompt, return_tensors="pt")
    wanted = pipe.text_encoder.generate(**inputs, generation_config=model._thinker._generation)
    ids = tuple(wanted[0, inputs["input_ids"].shape[1] :].tolist())
    assert torch.equal(written(model, WISH).embeds, encode(model, WISH, ids).embeds)


def test_a_batch_of_thoughts_gives_the_pictures_of_single_ones(qwen_image_folder: Path) -> None:
    model = thinker(qwen_image_folder, true_cfg_scale=4.0)
    wishes = [WISH, "the tree, then the house behind it in blue", "x"]
    together = model.batch_generate(wishes, seeds=[1, 2, 3])
    alone = [model.generate_image(wish, seed=seed) for seed, wish in enumerate(wishes, 1)]
    assert max(difference(*pair) for pair in zip(together, alone, strict=True)) <= 1


@pytest.mark.parametrize("source", ["initial", "present"])
def test_the_negative_prompt_is_encoded_by_the_weights_that_the_setting_names(
    qwen_image_folder: Path, tmp_path: Path, source: str
) -> None:
    trained = changed_encoder(painter(qwen_image_folder), tmp_path)
    settings = {"policy": str(trained), "negative_prompt_from": source}
    model, reference = thinker(qwen_image_folder, settings, true_cfg_scale=4.0), painter(qwen_image_folder)
    if source == "present":
        reference.pipe.text_encoder = type(reference.pipe.text_encoder).from_pretrained(trained)
    wanted, _ = reference.pipe.encode_prompt(prompt=[" "])
    calls = seen_by(model.pipe, "transformer")
    model.generate_image(WISH)
    assert torch.equal(calls[1]["encoder_hidden_states"], wanted)


def test_a_trained_encoder_thinks_as_the_one_that_plain_diffusers_loads(
    qwen_image_folder: Path, tmp_path: Path
) -> None:
    import diffusers
    import transformers

    trained = changed_encoder(painter(qwen_image_folder), tmp_path / "encoder")
    encoder = transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained(trained)
    stock = diffusers.QwenImagePipeline.from_pretrained(qwen_image_folder, text_encoder=encoder)
    stock.save_pretrained(tmp_path / "whole")
    measured = thinker(qwen_image_folder, {"policy": str(trained)}).generate_image(WISH, seed=1)
    assert difference(measured, thinker(tmp_path / "whole").generate_image(WISH, seed=1)) == 0
    assert difference(measured, thinker(qwen_image_folder).generate_image(WISH, seed=1)) > 0


def test_a_drawn_thought_follows_from_the_seed_of_its_picture_and_not_from_what_shares_its_call(
    qwen_image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = thinker(qwen_image_folder, {"temperature": 1.0})
    thoughts: list[tuple[int, ...]] = []
    encode_of = Conditioner.encode

    def watched(self: Conditioner, request: ConditioningRequest, *rest: Any) -> Conditioning:
        thoughts.append(request.completion)
        return encode_of(self, request, *rest)

    monkeypatch.setattr(Conditioner, "encode", watched)
    seeds = [7, 7, 8]
    model.batch_generate([WISH] * 3, seeds=seeds)
    together, thoughts = thoughts, []
    for seed in seeds:
        model.generate_image(WISH, seed=seed)
    assert together == thoughts
    assert together[0] == together[1] != together[2]


def test_as_many_thoughts_as_share_a_call_are_part_of_the_identity_where_rounding_shows_it(
    qwen_image_folder: Path,
) -> None:
    def identity(thoughts: int, dtype: str, batch_size: int = 4) -> dict[str, Any]:
        params = {"model_name": str(qwen_image_folder), **SMALL, "batch_size": batch_size, "dtype": dtype}
        return QwenImageModel.identity({**params, "think": {"batch_size": thoughts}})

    assert identity(2, "bfloat16") != identity(4, "bfloat16")
    assert identity(4, "bfloat16") == identity(8, "bfloat16"), "no more are written than pictures are painted"
    assert identity(2, "float32") == identity(4, "float32")
    assert identity(2, "bfloat16", batch_size=1) == identity(4, "bfloat16", batch_size=1)


def test_the_way_in_which_thoughts_are_drawn_is_part_of_the_identity_where_they_are(qwen_image_folder: Path) -> None:
    params = {"model_name": str(qwen_image_folder), **SMALL}
    drawn, likeliest = (
        QwenImageModel.identity({**params, "think": {"temperature": temperature}})["params"]["think"]
        for temperature in (0.5, 0)
    )
    assert drawn["draws"] == 2
    assert "draws" not in likeliest


def test_keys_of_a_model_that_does_not_think_are_what_they_were_and_thinking_changes_them(
    qwen_image_folder: Path,
) -> None:
    params = {"model_name": str(qwen_image_folder), **SMALL}
    plain = QwenImageModel.identity(params)
    assert "think" not in plain["params"]
    assert QwenImageModel.identity({**params, "think": False}) == plain
    assert QwenImageModel.identity({**params, "think": True})["params"]["think"]["max_new_tokens"] == 512


def test_a_text_encoder_that_writes_cannot_be_offloaded(qwen_image_folder: Path) -> None:
    with pytest.raises(ConfigError, match="offload: none"):
        QwenImageModel.check_ready({"model_name": str(qwen_image_folder), "think": True, "offload": "model"})
