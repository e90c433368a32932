"""Completions as conditioning: exact against the stock pipelines, on tiny checkpoints with the real architectures."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from src.errors import ModelError
from src.models.diffusion.conditioning import (
    MOST_TOKENS,
    Conditioner,
    Conditioning,
    ConditioningError,
    ConditioningRequest,
    chat_template,
    content_of,
    pipeline_template,
    require_conditionable,
    shown_to_encoder,
    stacked,
    system_text,
)
from src.models.diffusion.implementations.qwen_image import QwenImageModel
from src.models.diffusion.thinking import policy_processor
from tests.tiny_parts import gradient
from tests.tiny_pipelines import (  # noqa: F401 (fixtures)
    plus_folder,
    qwen_folder,
    qwen_image_folder,
    qwen_pipeline,
    seen_by,
)
from tests.tiny_qwen21 import qwen21_folder  # noqa: F401 (fixture)

KINDS = ("QwenImageEditPipeline", "QwenImageEditPlusPipeline", "QwenImagePipeline")
INSTRUCTIONS = ("make the sky red", "\nremove the tree, {then} paint", "x", "把天空变成红色")


def pipeline(kind: str) -> Any:
    """A pipeline of that class with the same random parts."""
    import diffusers

    parts = qwen_pipeline().components
    if kind == "QwenImagePipeline":
        parts.pop("processor")
    made = getattr(diffusers, kind)(**parts)
    # The stock number fits the released tokenizer alone; every editor here measures it (qwen_image_edit.py).
    made.prompt_template_encode_start_idx = prefix(made)
    return made


def prefix(pipe: Any) -> int:
    """By the offsets of a whole prompt, and not by the length of its first part."""
    text = pipe.prompt_template_encode.format("xyz")
    start = text.index("<|im_start|>user\n") + len("<|im_start|>user\n")
    offsets = pipe.tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    return sum(begin < start for begin, _ in offsets)


def stock(pipe: Any, instruction: str, pictures: list[Image.Image]) -> torch.Tensor:
    shown = {"image": pictures} if pictures else {}
    embeds, mask = pipe.encode_prompt(prompt=[instruction], device=torch.device("cpu"), **shown)
    assert mask is None
    return embeds[0]


def shown(kind: str, count: int = 1) -> list[Image.Image]:
    return [] if kind == "QwenImagePipeline" else [gradient(turn=turn) for turn in range(count)]


def encoded(pipe: Any, instruction: str, pictures: list[Image.Image], ids: Any = (), **limits: Any) -> Conditioning:
    request = ConditioningRequest(instruction, tuple(pictures), tuple(ids))
    return Conditioner(pipe, **limits).encode(request, pipe.text_encoder, torch.float32)


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_completion_is_the_stock_prompt_bit_for_bit(kind: str, instruction: str) -> None:
    pipe, pictures = pipeline(kind), shown(kind)
    assert torch.equal(encoded(pipe, instruction, pictures).embeds, stock(pipe, instruction, pictures))


def test_two_pictures_of_one_edit_are_encoded_as_the_plus_pipeline_does_it() -> None:
    pipe, pictures = pipeline("QwenImageEditPlusPipeline"), shown("Plus", 2)
    assert torch.equal(encoded(pipe, "x", pictures).embeds, stock(pipe, "x", pictures))
    assert len(encoded(pipe, "x", pictures).embeds) > len(encoded(pipe, "x", pictures[:1]).embeds)


@pytest.mark.parametrize("kind", KINDS)
def test_a_completion_continues_the_prompt_token_by_token(kind: str) -> None:
    pipe, pictures = pipeline(kind), shown(kind)
    alone, ids = encoded(pipe, "make the sky red", pictures).embeds, [11, 12, 13, 14, 15]
    whole = encoded(pipe, "make the sky red", pictures, ids).embeds
    assert len(whole) == len(alone) + len(ids)
    torch.testing.assert_close(whole[: len(alone)], alone)  # what comes later changes nothing before it
    other = encoded(pipe, "make the sky red", pictures, [*ids[:4], 16]).embeds
    assert torch.equal(other[:-1], whole[:-1])
    assert not torch.allclose(other[-1], whole[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_of_a_mixed_batch_is_its_single_row_with_zeros_behind(kind: str) -> None:
    pipe = pipeline(kind)
    rows = [encoded(pipe, text, shown(kind), range(20, 20 + 7 * place)) for place, text in enumerate(INSTRUCTIONS)]
    embeds, mask = stacked(rows)
    assert len({len(row.embeds) for row in rows}) == len(rows)
    for row, padded, counts in zip(rows, embeds, mask, strict=True):
        assert torch.equal(padded[counts.bool()], row.embeds)
        assert not padded[~counts.bool()].any()
        assert counts.tolist() == sorted(counts.tolist(), reverse=True)


@pytest.mark.parametrize("kind", ["QwenImageEditPipeline", "QwenImagePipeline"])
def test_a_batch_is_padded_and_masked_as_the_stock_pipeline_does_it(kind: str) -> None:
    pipe = pipeline(kind)
    pictures = shown(kind, len(INSTRUCTIONS))
    about = {"image": pictures} if pictures else {}
    embeds, mask = pipe.encode_prompt(prompt=list(INSTRUCTIONS), device=torch.device("cpu"), **about)
    rows = [encoded(pipe, text, pictures[place : place + 1]) for place, text in enumerate(INSTRUCTIONS)]
    own, own_mask = stacked(rows)
    assert torch.equal(own_mask, mask)
    torch.testing.assert_close(own, embeds)


@pytest.mark.parametrize("kind", ["QwenImageEditPipeline", "QwenImagePipeline"])
def test_embeddings_are_those_of_the_sampled_ids_where_decoding_and_encoding_gives_others(kind: str) -> None:
    pipe = pipeline(kind)
    tokenizer = pipe.tokenizer
    ids = [tokenizer.encode(letter)[0] for letter in "red"]
    again = tokenizer.encode(tokenizer.decode(ids))
    assert again != ids, "the vocabulary has a token for the word"
    found = encoded(pipe, "x", shown(kind), ids).embeds
    other = encoded(pipe, "x", shown(kind), again).embeds
    assert len(found) - len(other) == len(ids) - len(again)
    assert len(found) == len(encoded(pipe, "x", shown(kind)).embeds) + 3


def test_a_limit_drops_the_end_of_the_completion_and_nothing_of_the_prompt() -> None:
    pipe, pictures = pipeline("QwenImageEditPipeline"), shown("")
    prompt, ids = encoded(pipe, "make the sky red", pictures).embeds, list(range(20, 40))
    for room in (0, 1, 7):
        cut = encoded(pipe, "make the sky red", pictures, ids, max_tokens=len(prompt) + room)
        assert (len(cut.embeds), cut.dropped) == (len(prompt) + room, len(ids) - room)
        assert torch.equal(cut.embeds, encoded(pipe, "make the sky red", pictures, ids[:room]).embeds)
    with pytest.raises(ConditioningError, match=rf"have {len(prompt)} tokens.* {len(prompt) - 1} at most"):
        encoded(pipe, "make the sky red", pictures, ids, max_tokens=len(prompt) - 1)


def test_a_conditioning_is_no_longer_than_its_pipeline_takes() -> None:
    for kind, most in MOST_TOKENS.items():
        pipe = pipeline(kind)
        pipe.text_encoder.config.text_config.max_position_embeddings = 10_000
        cut = encoded(pipe, "x", shown(kind), [20] * most)
        assert len(cut.embeds) == most
        assert cut.dropped == len(encoded(pipe, "x", shown(kind)).embeds)


@pytest.mark.parametrize(("tokens", "fits"), [(MOST_TOKENS["QwenImageEditPipeline"], True), (4090, False)])
def test_the_transformer_has_positions_for_as_many_tokens_beside_a_picture_of_8192_pixels(
    tokens: int, fits: bool
) -> None:
    embedding = pipeline("QwenImageEditPipeline").transformer.pos_embed
    _, text = embedding([(1, 512, 4)], max_txt_seq_len=tokens, device=torch.device("cpu"))
    assert (len(text) == tokens) is fits


def test_qwen_image_cuts_no_conditioning_off(qwen_image_folder: Path) -> None:
    model = QwenImageModel({"model_name": str(qwen_image_folder), "num_inference_steps": 1, "width": 32, "height": 32})
    calls = seen_by(model.pipe, "transformer")
    for tokens in (600, MOST_TOKENS["QwenImagePipeline"]):
        model.generate_image("", conditioning=Conditioning(torch.randn(tokens, 64)))
        assert calls[-2]["encoder_hidden_states"].shape[1] == tokens


def test_positions_of_the_encoder_are_a_limit_as_well() -> None:
    pipe, pictures = pipeline("QwenImageEditPipeline"), shown("")
    positions = pipe.text_encoder.config.text_config.max_position_embeddings
    cut = encoded(pipe, "x", pictures, [20] * positions)
    assert len(cut.embeds) + prefix(pipe) == positions
    assert cut.dropped == len(encoded(pipe, "x", pictures).embeds) + prefix(pipe)
    with pytest.raises(ConditioningError, match="picture and instruction have"):
        encoded(pipe, "tree " * positions, pictures)


def test_a_completion_with_a_placeholder_of_a_picture_is_refused() -> None:
    pipe = pipeline("QwenImageEditPipeline")
    with pytest.raises(ConditioningError, match="stands for a picture"):
        encoded(pipe, "x", shown(""), [20, pipe.text_encoder.config.image_token_id])


def test_the_tokens_that_end_a_completion_are_no_part_of_it() -> None:
    assert content_of([5, 6, 9, 7], {9, 10}) == (5, 6)
    assert content_of([9], {9}) == content_of([], {9}) == ()
    assert content_of([5, 6], {9}) == (5, 6)


def test_dropout_of_a_training_does_not_reach_the_conditioning_and_is_on_again_afterwards() -> None:
    from peft import LoraConfig, get_peft_model

    pipe = pipeline("QwenImageEditPipeline")
    adapter = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], lora_dropout=0.5, init_lora_weights=False)
    model = get_peft_model(pipe.text_encoder, adapter).train()
    request = ConditioningRequest("x", tuple(shown("")), (20, 21, 22))
    first, second = (Conditioner(pipe).encode(request, model, torch.float32) for _ in range(2))
    assert torch.equal(first.embeds, second.embeds)
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("kind", ["QwenImageEditPipeline", "QwenImagePipeline"])
def test_the_embeddings_of_an_adapter_are_those_of_the_merged_model(kind: str) -> None:
    from peft import LoraConfig, get_peft_model

    pipe = pipeline(kind)
    request = ConditioningRequest("make the sky red", tuple(shown(kind)), tuple(range(20, 30)))
    plain = Conditioner(pipe).encode(request, pipe.text_encoder, torch.float32).embeds
    model = get_peft_model(pipe.text_encoder, LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False))
    beside = Conditioner(pipe).encode(request, model, torch.float32).embeds
    merged = Conditioner(pipe).encode(request, model.merge_and_unload(), torch.float32).embeds
    torch.testing.assert_close(beside, merged, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(beside, plain, rtol=1e-3, atol=1e-3)


def test_the_hash_tells_embeddings_types_shapes_and_negative_prompts_apart() -> None:
    numbers = torch.arange(6.0)
    kinds = [
        Conditioning(numbers.view(2, 3)),
        Conditioning(numbers.view(3, 2)),
        Conditioning(numbers.view(2, 3).bfloat16()),
        Conditioning(numbers.view(2, 3) + 1e-6),
        Conditioning(numbers.view(2, 3), negative=Conditioning(numbers.view(2, 3))),
    ]
    assert len({one.sha256 for one in kinds}) == len(kinds)
    assert Conditioning(numbers.view(2, 3).clone(), dropped=4).sha256 == kinds[0].sha256


@pytest.mark.parametrize("kind", ["qwen_folder", "plus_folder"])
def test_pictures_are_those_that_the_stock_pipeline_shows_to_its_encoder(
    kind: str, request: pytest.FixtureRequest
) -> None:
    import diffusers

    pipe = diffusers.DiffusionPipeline.from_pretrained(request.getfixturevalue(kind))
    seen: list[Any] = []
    original = pipe.encode_prompt

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.extend(kwargs["image"])
        raise InterruptedError

    arguments = {"image": [gradient((96, 48))], "prompt": ["x"], "true_cfg_scale": 1.0, "num_inference_steps": 1}
    found = shown_to_encoder(pipe, arguments)
    assert pipe.encode_prompt == original
    pipe.encode_prompt = watched
    with pytest.raises(InterruptedError):
        pipe(**arguments)
    assert [picture.tobytes() for picture in found] == [picture.tobytes() for picture in seen]


@pytest.mark.parametrize(
    ("kind", "count"),
    [("QwenImageEditPipeline", 1), ("QwenImageEditPlusPipeline", 1), ("QwenImageEditPlusPipeline", 2), (KINDS[2], 0)],
)
def test_a_policy_samples_under_the_very_prompt_that_is_encoded(kind: str, count: int) -> None:
    pipe, pictures = pipeline(kind), shown(kind, count)
    template = pipeline_template(kind)
    assert template == pipe.prompt_template_encode
    content = [*({"type": "image"} for _ in pictures), {"type": "text", "text": "make the sky red"}]
    messages = [{"role": "system", "content": system_text(template)}, {"role": "user", "content": content}]
    processor = policy_processor(pipe)
    assert processor.chat_template == chat_template(kind)
    rendered = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    wanted = Conditioner(pipe).text(ConditioningRequest("make the sky red", tuple(pictures)))
    assert rendered == wanted
    if not pictures:
        ids = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=True)
        assert ids == [pipe.tokenizer(wanted)["input_ids"]]


def test_qwen_image_21_is_refused_with_the_reason(qwen21_folder: Path) -> None:
    import diffusers

    pipe = diffusers.DiffusionPipeline.from_pretrained(qwen21_folder)
    embeds, mask, _ = pipe.encode_prompt(prompt=["x"], image=[gradient()], device=torch.device("cpu"))
    with pytest.raises(ValueError, match="image_pad_mask"):  # what the refusal says of the stock pipeline
        pipe(image=[gradient()], prompt_embeds=embeds, prompt_embeds_mask=mask, num_inference_steps=1)
    with pytest.raises(ModelError, match="image_pad_mask"):
        Conditioner(pipe)
    with pytest.raises(ModelError, match="FluxKontextPipeline, whose text encoder cannot think first"):
        require_conditionable("FluxKontextPipeline", "some/model")
