"""An editor whose text encoder thinks first: `think`, on tiny checkpoints with the real architectures."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import torch

from src.errors import ConfigError, ModelError
from src.models.diffusion.conditioning import Conditioner, Conditioning, ConditioningRequest
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from src.models.diffusion.thinking import ThinkingEncoder, policy_processor
from src.registry import check_params
from tests.test_qwen_image_edit import SMALL, difference
from tests.tiny_parts import gradient
from tests.tiny_pipelines import plus_folder, qwen_folder, seen_by  # noqa: F401 (fixtures)
from tests.tiny_qwen21 import qwen21_folder  # noqa: F401 (fixture)

WISH = "make the sky red"
KINDS = ["qwen_folder", "plus_folder"]


def editor(folder: Path, **changes: Any) -> QwenImageEditModel:
    quick = {"num_inference_steps": 1, "true_cfg_scale": 1.0}
    return QwenImageEditModel({"model_name": str(folder), **SMALL, **quick, **changes})


def thinker(folder: Path, think: Any = None, **changes: Any) -> QwenImageEditModel:
    return editor(folder, think={"max_new_tokens": 6} | (think or {}), **changes)


def encode(model: QwenImageEditModel, instruction: str, completion: tuple[int, ...] = ()) -> Conditioning:
    pictures = tuple(model.shown_to_encoder(gradient()))
    request = ConditioningRequest(instruction, pictures, completion)
    return Conditioner(model.pipe).encode(request, model.pipe.text_encoder, torch.float32)


def changed_encoder(model: QwenImageEditModel, folder: Path) -> Path:
    """A trained text encoder: the editor's own with other weights in its last layer."""
    encoder = copy.deepcopy(model.pipe.text_encoder)
    with torch.no_grad():
        encoder.model.language_model.layers[-1].mlp.down_proj.weight.mul_(3)
    encoder.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_from_the_conditioning_of_an_empty_completion_is_the_stock_edit(
    kind: str, guidance: float, request: pytest.FixtureRequest
) -> None:
    model = editor(request.getfixturevalue(kind), true_cfg_scale=guidance)
    stock = model.edit_image(gradient(), WISH, seed=3)
    painted = model.edit_image(gradient(), "", seed=3, conditioning=encode(model, WISH))
    assert difference(stock, painted) == 0
    assert difference(stock, model.edit_image(gradient(), "", seed=3, conditioning=encode(model, "x"))) > 1


def test_a_batch_of_conditionings_of_different_lengths_gives_the_pixels_of_single_calls(qwen_folder: Path) -> None:
    model = editor(qwen_folder, true_cfg_scale=4.0)
    given = [encode(model, WISH, tuple(range(20, 20 + length))) for length in (0, 9, 30)]
    calls = seen_by(model.pipe, "transformer")
    together = model.batch_edit([gradient()] * 3, [""] * 3, seeds=[5, 5, 5], conditionings=given)
    assert {len(call["hidden_states"]) for call in calls} == {3}
    alone = [model.edit_image(gradient(), "", seed=5, conditioning=one) for one in given]
    assert max(difference(*pair) for pair in zip(together, alone, strict=True)) <= 1
    assert difference(alone[0], alone[2]) > 1


def test_when_memory_runs_out_batches_are_halved_and_the_edits_are_the_same(qwen_folder: Path) -> None:
    model, cramped = editor(qwen_folder, batch_size=8), editor(qwen_folder, batch_size=8)
    given = [encode(model, WISH, tuple(range(20, 20 + length))) for length in range(0, 16, 4)]
    shared: list[int] = []
    forward = cramped.pipe.transformer.forward

    def limited(*args: Any, hidden_states: Any, **kwargs: Any) -> Any:
        if len(hidden_states) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        shared.append(len(hidden_states))
        return forward(*args, hidden_states=hidden_states, **kwargs)

    cramped.pipe.transformer.forward = limited
    wanted = model.batch_edit([gradient()] * 4, [""] * 4, conditionings=given)
    found = cramped.batch_edit([gradient()] * 4, [""] * 4, conditionings=given)
    assert max(difference(*pair) for pair in zip(wanted, found, strict=True)) <= 1
    assert cramped.batch_size == 1
    assert set(shared) == {1}


def test_memory_for_not_even_one_edit_is_an_error_that_names_the_settings(qwen_folder: Path) -> None:
    model = editor(qwen_folder)

    def exhausted(*args: Any, **kwargs: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    model.pipe.transformer.forward = exhausted
    with pytest.raises(ModelError, match=r"out of memory.*output_resolution"):
        model.batch_edit([gradient()] * 3, ["x"] * 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_thinking_editor_paints_from_what_its_own_encoder_wrote(kind: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    model, plain = thinker(folder), editor(folder)
    found = model.edit_image(gradient(), WISH, seed=3)
    [conditioning] = model._thinker.conditionings([model.shown_to_encoder(gradient())], [WISH], [0])  # type: ignore[union-attr]
    assert len(conditioning.embeds) > len(encode(plain, WISH).embeds)
    assert difference(found, plain.edit_image(gradient(), WISH, seed=3)) > 0
    assert difference(found, plain.edit_image(gradient(), "", seed=3, conditioning=conditioning)) == 0


def test_what_is_written_is_what_plain_transformers_generates_under_the_pipelines_own_prompt(
    qwen_folder: Path,
) -> None:
    model = thinker(qwen_folder)
    pictures = model.shown_to_encoder(gradient())
    replies: list[Any] = []
    ask = ThinkingEncoder.ask_seeded
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ThinkingEncoder, "ask_seeded", lambda self, *asked: replies.extend(ask(self, *asked)) or replies)
        model.edit_image(gradient(), WISH)
    prompt = Conditioner(model.pipe).text(ConditioningRequest(WISH, tuple(pictures)))
    inputs = model.pipe.processor(text=[prompt], images=pictures, return_tensors="pt")
    settings = model._thinker._generation  # type: ignore[union-attr]
    written = model.pipe.text_encoder.generate(**inputs, generation_config=settings)
    assert replies[0].tokens == tuple(written[0, inputs["input_ids"].shape[1] :].tolist())
    assert len(replies[0].tokens) == 6


def test_an_encoder_that_thinks_about_an_edit_of_several_sources_sees_them_all(plus_folder: Path) -> None:
    model, plain = thinker(plus_folder), editor(plus_folder)
    assert model.takes_further_images(model.config)
    sources, seen = [gradient(), gradient(turn=1)], []
    encode_of = Conditioner.encode
    with pytest.MonkeyPatch.context() as patch:
        watched = lambda self, request, *rest: seen.append(request) or encode_of(self, request, *rest)  # noqa: E731
        patch.setattr(Conditioner, "encode", watched)
        found = model.edit_image(sources[0], WISH, seed=3, further_images=sources[1:])
    [request] = seen
    assert request.pictures == tuple(model.shown_to_encoder(sources[0], sources[1:]))
    assert [picture.tobytes() for picture in request.pictures] == [
        shown.tobytes() for source in sources for shown in model.shown_to_encoder(source)
    ]
    conditioning = Conditioner(plain.pipe).encode(request, plain.pipe.text_encoder, torch.float32)
    painted = plain.edit_image(sources[0], "", seed=3, further_images=sources[1:], conditioning=conditioning)
    assert difference(found, painted) == 0
    stock, _ = plain.pipe.encode_prompt(prompt=[WISH], image=list(request.pictures))
    asked = ConditioningRequest(WISH, request.pictures)
    assert torch.equal(Conditioner(plain.pipe).encode(asked, plain.pipe.text_encoder, torch.float32).embeds, stock[0])


def test_a_batch_of_thoughts_gives_the_edits_of_single_ones(qwen_folder: Path) -> None:
    model = thinker(qwen_folder, true_cfg_scale=4.0)
    wishes, sources = [WISH, "remove the tree, then paint the house", "x"], [gradient(turn=turn) for turn in range(3)]
    together = model.batch_edit(sources, wishes, seeds=[1, 2, 3])
    alone = [model.edit_image(*about, seed=seed) for seed, about in enumerate(zip(sources, wishes, strict=True), 1)]
    assert max(difference(*pair) for pair in zip(together, alone, strict=True)) <= 1


def test_a_trained_encoder_stands_in_the_place_of_the_checkpoints_own_as_plain_diffusers_loads_it(
    qwen_folder: Path, tmp_path: Path
) -> None:
    import diffusers
    import transformers

    trained = changed_encoder(editor(qwen_folder), tmp_path)
    model = thinker(qwen_folder, {"policy": str(trained)})
    encoder = transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained(trained)
    stock = diffusers.DiffusionPipeline.from_pretrained(qwen_folder, text_encoder=encoder)
    own = editor(qwen_folder)
    own.pipe.text_encoder = stock.text_encoder
    [conditioning] = model._thinker.conditionings([model.shown_to_encoder(gradient())], [WISH], [0])  # type: ignore[union-attr]
    pictures = tuple(own.shown_to_encoder(gradient()))
    ids = model._thinker.ask([model._thinker._question(pictures, WISH)])[0].tokens  # type: ignore[union-attr]
    assert torch.equal(conditioning.embeds, encode(own, WISH, ids).embeds)
    assert difference(model.edit_image(gradient(), WISH), thinker(qwen_folder).edit_image(gradient(), WISH)) > 0


@pytest.mark.parametrize("source", ["initial", "present"])
def test_the_negative_prompt_is_encoded_by_the_weights_that_the_setting_names(
    qwen_folder: Path, tmp_path: Path, source: str
) -> None:
    trained = changed_encoder(editor(qwen_folder), tmp_path)
    model = thinker(qwen_folder, {"policy": str(trained), "negative_prompt_from": source}, true_cfg_scale=4.0)
    reference = editor(qwen_folder)
    if source == "present":
        reference.pipe.text_encoder = type(reference.pipe.text_encoder).from_pretrained(trained)
    wanted, _ = reference.pipe.encode_prompt(prompt=[" "], image=reference.shown_to_encoder(gradient()))
    calls = seen_by(model.pipe, "transformer")
    model.edit_image(gradient(), WISH)
    assert torch.equal(calls[1]["encoder_hidden_states"], wanted)


def test_without_guidance_the_checkpoints_own_encoder_is_not_kept_beside_a_trained_one(
    qwen_folder: Path, tmp_path: Path
) -> None:
    trained = str(changed_encoder(editor(qwen_folder), tmp_path))
    model = thinker(qwen_folder, {"policy": trained}, true_cfg_scale=1.0)
    assert model.pipe.text_encoder is model._thinker.model  # type: ignore[union-attr]
    guided = thinker(qwen_folder, {"policy": trained}, true_cfg_scale=4.0)
    assert guided.pipe.text_encoder is not guided._thinker.model  # type: ignore[union-attr]


def test_the_processor_of_the_pipeline_is_left_as_it_is(qwen_folder: Path) -> None:
    model = thinker(qwen_folder)
    assert model.pipe.tokenizer.padding_side == model.pipe.processor.tokenizer.padding_side == "right"
    assert model.pipe.processor.chat_template is None
    assert policy_processor(model.pipe).tokenizer.padding_side == "left"


def test_keys_of_an_editor_that_does_not_think_are_what_they_were_and_thinking_changes_them(qwen_folder: Path) -> None:
    params = {"model_name": str(qwen_folder), **SMALL}
    plain = QwenImageEditModel.identity(params)
    assert "think" not in plain["params"]
    assert QwenImageEditModel.identity({**params, "think": False}) == plain
    on = QwenImageEditModel.identity({**params, "think": True})
    assert on["params"]["think"]["max_new_tokens"] == 512
    assert QwenImageEditModel.identity({**params, "think": {}}) == on
    assert QwenImageEditModel.identity({**params, "think": {"batch_size": 3}}) == on
    assert QwenImageEditModel.identity({**params, "think": {"seed": 3}}) != on


def test_the_weights_of_a_trained_encoder_are_part_of_the_identity(qwen_folder: Path, tmp_path: Path) -> None:
    trained = changed_encoder(editor(qwen_folder), tmp_path)
    params = {"model_name": str(qwen_folder), **SMALL, "think": {"policy": str(trained)}}
    before = QwenImageEditModel.identity(params)
    (trained / "model.safetensors").write_bytes((qwen_folder / "text_encoder" / "model.safetensors").read_bytes())
    assert QwenImageEditModel.identity(params) != before


def test_what_cannot_think_is_refused_before_anything_loads(qwen21_folder: Path, qwen_folder: Path) -> None:
    with pytest.raises(ModelError, match="image_pad_mask"):
        QwenImageEditModel.check_weights({"model_name": str(qwen21_folder), "think": True})
    with pytest.raises(ConfigError, match="offload: none"):
        QwenImageEditModel.check_ready({"model_name": str(qwen_folder), "think": True, "offload": "model"})
    with pytest.raises(ConfigError, match="max_new_token"):
        check_params(QwenImageEditModel, {"model_name": "x", "think": {"max_new_token": 3}}, "diffusion_model.params")
    with pytest.raises(pydantic.ValidationError, match="name as policy the text encoder"):
        QwenImageEditModel.Params(model_name="x", think={"adapter": "y"})


def test_an_encoder_of_another_size_is_refused(qwen_folder: Path, tmp_path: Path) -> None:
    from src.miniature.editor.architecture import EditorSize, build_text_encoder
    from tests.tiny_parts import TEXTS, VOCABULARY, qwen_tokenizer

    size = EditorSize(vocabulary=VOCABULARY, text_width=128, text_layers=1, vision_width=64, vision_layers=1)
    build_text_encoder(size, qwen_tokenizer(TEXTS)).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="has width 128, and the editor's text encoder has 64"):
        thinker(qwen_folder, {"policy": str(tmp_path)})


def test_an_edit_that_thinks_twice_is_the_same_twice_also_when_thoughts_are_drawn(qwen_folder: Path) -> None:
    model = thinker(qwen_folder, {"temperature": 1.0})
    first, second = (model.edit_image(gradient(), WISH, seed=1) for _ in range(2))
    assert np.array_equal(np.asarray(first), np.asarray(second))
    other = thinker(qwen_folder, {"temperature": 1.0, "seed": 1})
    assert difference(first, other.edit_image(gradient(), WISH, seed=1)) > 0
