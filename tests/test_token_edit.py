"""The token editor on a real Emu3 of random weights: its prompts, its draws, its pictures and its failures."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from src.config import Config, load_config
from src.errors import ConfigError, ModelError
from src.models.diffusion.batching import EditFailure, EditRequest, edit_each
from src.models.diffusion.implementations.token_edit import TokenEditModel
from src.models.tokens.checkpoint import needed_bytes, pixels_per_code
from src.models.tokens.picture_codec import size_of_area
from src.models.tokens.sampling import SamplingSettings, TokenRequest, sample
from src.pipeline.evaluation import evaluate
from src.registry import check_params, load_class
from tests.conftest import item
from tests.tiny_parts import gradient
from tests.tiny_token_editors import FACTOR, tiny_token_editor, token_editor_folder  # noqa: F401 (fixture)

ROOT = Path(__file__).parent.parent
CLASS = "src.models.diffusion.implementations.token_edit.TokenEditModel"
SOURCES = [gradient((50, 30)), gradient((32, 32), 1), gradient((20, 64), 2)]
TEXTS = ["make the sky red", "x", "remove the tree on the left"]
AREA = 32 * 32
"""Pixels: 16 codes or so."""


def build(folder: Path, **params: Any) -> TokenEditModel:
    return TokenEditModel({"model_name": str(folder), "device": "cpu", "image_area": AREA, **params})


def test_a_picture_in_the_prompt_is_written_as_the_processor_of_transformers_writes_it(
    token_editor_folder: Path,
) -> None:
    import torch

    editor = build(token_editor_folder, image_area=None)
    model, processor = tiny_token_editor()
    inputs = processor(images=SOURCES[0], text="<image>paint", return_tensors="pt")
    with torch.no_grad():
        codes = model.model.get_image_tokens(inputs["pixel_values"], inputs["image_sizes"])
    expected = inputs["input_ids"][0]
    expected[expected == processor.image_token_id] = codes.long()
    request = editor.request(SOURCES[0], "paint", 0)
    assert request.prompt == [*expected.tolist(), *request.grammar.header]
    header = processor.tokenizer.decode(request.grammar.header)
    assert header == "<|image start|>4*6<|image token|>"


def test_the_picture_of_a_completion_is_the_one_that_transformers_decodes(token_editor_folder: Path) -> None:
    import torch

    editor = build(token_editor_folder, image_area=64 * 64)
    request = editor.request(SOURCES[1], "paint", 0)
    (completion,) = sample(editor.model, [request], SamplingSettings())
    with torch.no_grad():
        made = editor.model.decode_image_tokens(image_tokens=torch.tensor([completion.tokens]), height=8, width=8)
    (expected,) = editor.codec.processor.postprocess(list(made), return_tensors="PIL.Image.Image")["pixel_values"]
    assert editor.picture(completion.tokens, request.grammar, SOURCES[1]).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.0},
        {"guidance_scale": 3.0, "negative_prompt": "ugly"},
        {"thinking_tokens": 6},
        {"thinking_tokens": 6, "guidance_scale": 2.0, "top_p": 0.9},
        {"instruction_first": True, "top_k": 3},
        {"grid": (3, 5)},
    ],
)
def test_an_edit_is_the_same_alone_and_in_a_batch(token_editor_folder: Path, settings: dict[str, Any]) -> None:
    editor = build(token_editor_folder, batch_size=2, **settings)
    together = editor.batch_edit(SOURCES, TEXTS, seeds=[1, 2, 3])
    alone = [editor.edit_image(*one) for one in zip(SOURCES, TEXTS, [1, 2, 3], strict=True)]
    assert [image.tobytes() for image in together] == [image.tobytes() for image in alone]


def test_seed_instruction_source_and_settings_decide_the_edit(token_editor_folder: Path) -> None:
    def edit(place: int = 0, text: str = TEXTS[0], seed: int = 1, **params: Any) -> bytes:
        return build(token_editor_folder, **params).edit_image(SOURCES[place], text, seed=seed).tobytes()

    first = edit()
    assert edit() == first
    others = [edit(text="paint"), edit(seed=2), edit(1), edit(top_k=1)]
    others += [edit(guidance_scale=4.0), edit(thinking_tokens=3), edit(instruction_first=True), edit(temperature=0.1)]
    assert first not in others
    assert len(set(others)) == len(others)
    assert build(token_editor_folder, seed=1).edit_image(SOURCES[0], TEXTS[0], seed=0).tobytes() == first


@pytest.mark.parametrize("settings", [SamplingSettings(), SamplingSettings(temperature=0.7, guidance=2.0)])
def test_keys_and_values_that_are_kept_change_no_token(token_editor_folder: Path, settings: SamplingSettings) -> None:
    editor = build(token_editor_folder, thinking_tokens=4)
    requests = [editor.request(*one) for one in zip(SOURCES, TEXTS, [1, 2, 3], strict=True)]
    cached = sample(editor.model, requests, settings)
    uncached = sample(editor.model, requests, settings, use_cache=False)
    assert [one.tokens for one in cached] == [one.tokens for one in uncached]


def test_the_log_probabilities_of_a_draw_are_those_of_a_pass_over_the_whole_completion(
    token_editor_folder: Path,
) -> None:
    import torch

    from src.models.tokens.grammar_processor import allowed_masks
    from src.models.tokens.log_probabilities import token_log_probabilities

    editor = build(token_editor_folder, thinking_tokens=4)
    requests = [editor.request(*one) for one in zip(SOURCES, TEXTS, [1, 2, 3], strict=True)]
    drawn = sample(editor.model, requests, SamplingSettings(temperature=0.8))
    for request, completion in zip(requests, drawn, strict=True):
        ids = torch.tensor([[*request.prompt, *completion.tokens]])
        with torch.no_grad():
            logits = editor.model(input_ids=ids).logits[0, len(request.prompt) - 1 : -1]
        tokens, slots = torch.tensor(completion.tokens), torch.tensor(request.grammar.slots(completion.tokens))
        masks = allowed_masks(editor.prompts.vocabulary, "cpu")
        again = token_log_probabilities(logits, tokens, slots, masks, temperature=0.8)
        assert torch.tensor(completion.log_probabilities) == pytest.approx(again.chosen, abs=1e-4)
        assert float(again.allowed_mass.exp().min()) < 0.9  # an untrained model gives much of it away


def test_control_tokens_in_an_instruction_are_text(token_editor_folder: Path) -> None:
    editor = build(token_editor_folder)
    request = editor.request(SOURCES[0], "a<|image end|><|extra_204|><image>b", 0)
    known = editor.prompts.vocabulary
    assert request.prompt.count(known.picture_end) == 1
    assert known.eos not in request.prompt
    assert editor.prompts.tokenizer.decode(editor.prompts.text("a<|image end|>b")) == "a<|image end|>b"


def test_an_edit_has_the_aspect_ratio_of_its_source(token_editor_folder: Path) -> None:
    settings: tuple[dict[str, Any], ...] = ({"grid": (2, 2)}, {"image_area": None})
    for editor in (build(token_editor_folder, batch_size=3, **one) for one in settings):
        sources = [gradient((50, 30)), gradient((33, 32)), gradient((16, 90))]
        for source, edit in zip(sources, editor.batch_edit(sources, ["paint"] * 3), strict=True):
            assert edit.mode == "RGB"
            width = edit.height * source.width / source.height
            assert abs(edit.width - width) <= max(1.0, source.width / source.height)


def test_the_size_that_the_model_sees_follows_the_setting(token_editor_folder: Path) -> None:
    editor = build(token_editor_folder, image_area=64 * 64)
    codes = editor.codec.encode(gradient((96, 96)))
    assert (len(codes), len(codes[0])) == (64 // FACTOR, 64 // FACTOR)


@given(
    size=st.tuples(st.integers(1, 10_000), st.integers(1, 10_000)),
    area=st.integers(64, 10**6),
    multiple=st.sampled_from([1, 4, 8]),
)
def test_no_source_is_seen_in_more_pixels_than_its_setting(size: tuple[int, int], area: int, multiple: int) -> None:
    width, height = size_of_area(size, area, multiple)
    assert min(width, height) >= multiple
    assert width % multiple == height % multiple == 0
    assert width * height <= area


@pytest.mark.parametrize(
    ("size", "area", "seen"),
    [
        ((64, 64), 4096, (64, 64)),
        ((1500, 1000), 65536, (312, 208)),
        ((640, 480), 65536, (288, 224)),
        ((64, 2000), 1024, (8, 128)),
    ],
)
def test_sides_are_rounded_and_the_longer_one_gives_way(
    size: tuple[int, int], area: int, seen: tuple[int, int]
) -> None:
    assert size_of_area(size, area, 8) == seen


def test_the_codes_of_a_source_do_not_depend_on_the_number_type(token_editor_folder: Path) -> None:
    editors = [build(token_editor_folder, dtype=dtype) for dtype in ("float32", "bfloat16")]
    assert [str(editor.model.dtype) for editor in editors] == ["torch.float32", "torch.bfloat16"]
    assert editors[0].codec.encode(SOURCES[0]) == editors[1].codec.encode(SOURCES[0])
    assert editors[1].edit_image(SOURCES[0], "paint", seed=1).size == (40, 24)


def test_generation_settings_stored_with_a_checkpoint_have_no_effect(token_editor_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(token_editor_folder, tmp_path / "copy"))
    stored = json.loads((folder / "generation_config.json").read_text())
    odd = {**stored, "repetition_penalty": 9.0, "do_sample": True, "top_k": 1, "temperature": 9.0}
    (folder / "generation_config.json").write_text(json.dumps(odd))
    edits = [build(each).edit_image(SOURCES[0], "paint", seed=1).tobytes() for each in (folder, token_editor_folder)]
    assert edits[0] == edits[1]


@pytest.mark.parametrize("logit", ["nan", "inf"])
def test_logits_that_are_no_numbers_are_a_failed_edit_with_its_reason(token_editor_folder: Path, logit: str) -> None:
    editor = build(token_editor_folder, temperature=0.5)
    editor.model.lm_head.register_forward_hook(lambda _, __, logits: logits.fill_(float(logit)))
    (failure,) = edit_each(editor, [EditRequest(SOURCES[0], "paint")])
    assert isinstance(failure, EditFailure)
    assert "logits hold NaN or infinity" in failure.reason


def test_a_completion_that_is_no_picture_is_a_failed_edit_and_spoils_no_other(
    token_editor_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = build(token_editor_folder, batch_size=2)
    real = editor.picture

    def broken(tokens: Any, grammar: Any, source: Image.Image) -> Image.Image:
        return real(tokens[:-1] if source.size == (32, 32) else tokens, grammar, source)

    monkeypatch.setattr(editor, "picture", broken)
    edits = edit_each(editor, [EditRequest(*one) for one in zip(SOURCES[:2], TEXTS[:2], [1, 2], strict=True)])
    assert isinstance(edits[0], Image.Image)
    assert isinstance(edits[1], EditFailure)
    assert "GrammarError: the picture breaks off after" in edits[1].reason


def test_a_picture_without_room_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    for part in tiny_token_editor(positions=64):
        part.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"the model has 64 positions: lower image_area"):
        build(tmp_path, image_area=64 * 64).edit_image(SOURCES[0], "paint")


def test_edits_that_have_room_one_by_one_have_it_together(tmp_path: Path) -> None:
    long_text, tall = "w " * 70, Image.new("RGB", (8, 512), (9, 9, 9))
    for part in tiny_token_editor(positions=300):
        part.save_pretrained(tmp_path)
    editor = build(tmp_path, image_area=64 * 64, batch_size=2)
    images, texts = [SOURCES[0], tall], [long_text, "paint"]
    alone = [
        editor.edit_image(image, text, seed=place)
        for place, (image, text) in enumerate(zip(images, texts, strict=True))
    ]
    together = editor.batch_edit(images, texts, [0, 1])
    assert [edit.tobytes() for edit in together] == [edit.tobytes() for edit in alone]


def test_memory_that_runs_out_halves_the_batch_for_good(
    token_editor_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from src.models.diffusion.implementations import token_edit

    sizes = []

    def narrow(model: Any, requests: list[TokenRequest], settings: SamplingSettings) -> Any:
        sizes.append(len(requests))
        if len(requests) > 1:
            raise RuntimeError("CUDA out of memory")
        return sample(model, requests, settings)

    expected = [image.tobytes() for image in build(token_editor_folder).batch_edit(SOURCES, TEXTS, [1, 2, 3])]
    monkeypatch.setattr(token_edit, "sample", narrow)
    editor = build(token_editor_folder, batch_size=3)
    assert [image.tobytes() for image in editor.batch_edit(SOURCES, TEXTS, [1, 2, 3])] == expected
    assert sizes == [3, 1, 1, 1]


def test_the_identity_holds_what_decides_the_edit_and_nothing_else(token_editor_folder: Path) -> None:
    def identity(**params: Any) -> Any:
        return TokenEditModel.identity({"model_name": str(token_editor_folder), "device": "cpu", **params})

    plain = identity()
    assert identity(batch_size=4) == identity(thinking_prefill="Hm") == identity(device_ids=["cpu"]) == plain
    assert identity(batch_size=4, dtype="bfloat16")["params"]["batch_size"] == 4
    for params in (
        {"temperature": 0.5},
        {"top_k": 1},
        {"top_p": 0.5},
        {"seed": 1},
        {"grid": (2, 2)},
        {"image_area": 4096},
        {"thinking_tokens": 3},
        {"guidance_scale": 2.0},
        {"instruction_first": True},
    ):
        assert identity(**params) != plain
    assert identity(guidance_scale=2.0, negative_prompt="x") != identity(guidance_scale=2.0)
    assert identity(thinking_tokens=3, thinking_prefill="Hm") != identity(thinking_tokens=3)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"negative_prompt": "x"}, "no effect at guidance_scale 1"),
        ({"grid": (0, 3)}, "grid"),
        ({"top_p": 0}, "top_p"),
        ({"temperature": 1e-40}, "temperature: .* a number from 1e-06 on: .* set 0"),
        ({"trust_remote_code": True}, "trust_remote_code"),
    ],
)
def test_wrong_settings_are_found_before_anything_loads(params: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        check_params(TokenEditModel, {"model_name": "x", **params}, "diffusion_model.params")


def spoiled(folder: Path, copy: Path, change: Callable[[Path], Any]) -> Path:
    change(Path(shutil.copytree(folder, copy)))
    return copy


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), r"there is no \*\.safetensors"),
        (lambda folder: (folder / "tokenizer.json").unlink(), r"there is no tokenizer\.json"),
        (lambda folder: (folder / "config.json").write_text("{}"), "says model_type None"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "Emu3"}'), "convert-emu3 --model"),
        (lambda folder: (folder / "config.json").write_text("["), r"config\.json cannot be read"),
    ],
)
def test_a_folder_that_is_no_token_editor_is_refused_before_it_loads(
    token_editor_folder: Path, tmp_path: Path, change: Callable[[Path], Any], reason: str
) -> None:
    folder = spoiled(token_editor_folder, tmp_path / "copy", change)
    with pytest.raises(ModelError, match=reason):
        TokenEditModel.check_weights({"model_name": str(folder)})


def test_the_memory_of_emu3_is_that_of_its_eight_billion_weights() -> None:
    published: dict[str, Any] = {"text_config": {}}  # the defaults of transformers are Emu3's
    weights = needed_bytes(published, "bfloat16", tokens=0)
    assert 16.5e9 < weights < 17.5e9
    assert needed_bytes(published, "bfloat16", tokens=100) - weights == 100 * 2 * 2 * 32 * 8 * 128
    assert pixels_per_code(published) == 64


@pytest.mark.parametrize(
    ("gigabytes", "params", "fits"),
    [
        (16, {}, False),
        (24, {"image_area": 65536, "batch_size": 8}, True),  # 8 · 2,048 tokens take 2.1 GB
        (24, {"image_area": 65536, "batch_size": 32}, False),
        (24, {"image_area": 65536, "batch_size": 16, "guidance_scale": 2.0}, False),
        (24, {"batch_size": 32}, True),  # the processor decides the size
    ],
)
def test_a_gpu_that_is_too_small_is_said_before_anything_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gigabytes: int, params: dict[str, Any], fits: bool
) -> None:
    import torch

    (tmp_path / "config.json").write_text(json.dumps({"model_type": "emu3", "text_config": {}}))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    memory = SimpleNamespace(total_memory=gigabytes * 10**9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: memory)
    checked = {"model_name": str(tmp_path), "device": "cuda:0", **params}
    if fits:
        TokenEditModel.check_devices(checked)
        return
    with pytest.raises(ModelError, match=f"GB with batch_size .*, and cuda:0 has {gigabytes} GB; change batch_size"):
        TokenEditModel.check_devices(checked)


def test_the_benchmark_runs_with_a_token_editor(
    token_editor_folder: Path, write_benchmark: Callable[..., Path], make_config: Callable[..., Config]
) -> None:
    config = make_config(
        write_benchmark([item(index) for index in range(4)]),
        diffusion_model={
            "class_path": CLASS,
            "params": {"model_name": str(token_editor_folder), "device": "cpu", "image_area": AREA, "batch_size": 2},
        },
    )
    assert evaluate(config).report["statuses"] == {"scored": 4}


def test_the_preset_is_an_editor_as_its_sources_say(token_editor_folder: Path) -> None:
    config = load_config(ROOT / "configs/evaluation/emu3.yaml").diffusion_model
    assert config.params["model_name"] == "Emu3-community/Emu3-Gen-hf"
    editor_class = load_class(config.class_path, TokenEditModel)
    small = {"model_name": str(token_editor_folder), "image_area": AREA, "device": "cpu", "dtype": "float32"}
    params = {**config.params, **small}
    check_params(editor_class, params, "diffusion_model.params")
    editor_class.check_weights(params)
    editor = editor_class(params)
    settings = (editor.params.temperature, editor.params.top_k, editor.params.top_p, editor.params.guidance_scale)
    assert settings == (1.0, 2048, 1.0, 1.0)
    assert editor.edit_image(SOURCES[1], "make the sky red", seed=1).size == (32, 32)
