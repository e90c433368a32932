"""A checkpoint of Emu3's original layout, converted, answers as the original does."""

from __future__ import annotations

import itertools
import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from main import app
from src.errors import ModelError, OutputError
from src.models.diffusion.implementations.token_edit import TokenEditModel
from src.models.tokens.emu3 import convert
from src.models.tokens.emu3.convert import convert_emu3
from src.models.tokens.emu3.tokenizer import PIECES
from src.models.tokens.emu3.weight_names import language_name
from tests.emu3_original import BYTES, MERGED, VISION, Weights, decode, encode, language, special_tokens, write_original
from tests.tiny_parts import gradient

LANGUAGE_SHARD = "language/model-00001-of-00002.safetensors"


@dataclass
class Converted:
    """Both sides of a conversion."""

    words: Weights
    pictures: Weights
    settings: dict[str, Any]
    source: Path
    folder: Path
    model: Any
    lines: list[str]


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    from transformers import Emu3ForConditionalGeneration

    folder = tmp_path_factory.mktemp("emu3")
    parts = write_original(folder / "original")
    source, output = folder / "original", folder / "converted"
    proof = convert_emu3(str(source / "language"), str(source / "vision"), None, output)
    model = Emu3ForConditionalGeneration.from_pretrained(output).eval()
    return Converted(*parts, source, output, model, proof.lines())


def test_the_logits_are_those_of_the_original(converted: Converted) -> None:
    size = converted.settings["vocab_size"]
    ids = torch.randint(0, size, (3, 40), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours = converted.model(input_ids=ids).logits
    theirs = language(converted.words, converted.settings, ids)
    assert float(theirs.abs().max()) > 1
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_the_codes_of_a_picture_and_the_picture_of_codes_are_those_of_the_original(converted: Converted) -> None:
    draws = torch.Generator().manual_seed(2)
    pixels = torch.rand(2, 3, 12, 16, generator=draws) * 2 - 1
    vqvae = converted.model.model.vqmodel
    with torch.inference_mode():
        codes = torch.stack(list(vqvae.encode(pixels, [(12, 16)] * 2, return_dict=True).image_tokens))
        made = vqvae.decode(codes)
    assert len(codes.unique()) > 2
    assert torch.equal(codes, encode(converted.pictures, VISION, pixels))
    torch.testing.assert_close(made, decode(converted.pictures, VISION, codes), atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def tokenizer(converted: Converted) -> Any:
    from transformers import Emu3Processor

    return Emu3Processor.from_pretrained(converted.folder).tokenizer


def original_ids(text: str) -> list[int]:
    """What the original's tokenizer makes of a text: each piece is a token, or its bytes merged, lowest rank first."""
    ranks = {token: rank for rank, token in enumerate([*BYTES, *MERGED])}
    ids = []
    for piece in regex.findall(PIECES, unicodedata.normalize("NFC", text)):
        data = piece.encode()
        parts = [data] if data in ranks else [data[place : place + 1] for place in range(len(data))]
        while pairs := [(ranks[a + b], i) for i, (a, b) in enumerate(itertools.pairwise(parts)) if a + b in ranks]:
            _, at = min(pairs)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        ids += [ranks[part] for part in parts]
    return ids


regex: Any = pytest.importorskip("regex")  # which transformers brings, and which has no types
SNIPPETS = [" the", " red", "sky", "天", "12", "e\u0301", "'S", "\n", "  ", "!?\n"]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from([" the", " red", "sky", "天", "12", "e\u0301", "'S", "\n", "  ", "!?\n"]) | st.text(max_size=6)
    )
)
def test_texts_are_the_tokens_of_the_original(converted: Converted, parts: list[str]) -> None:
    from transformers import Emu3Processor

    tokenizer = CACHE.setdefault(str(converted.folder), Emu3Processor.from_pretrained(converted.folder).tokenizer)
    text = "".join(parts)
    assert tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids == original_ids(text)


CACHE: dict[str, Any] = {}


def test_special_tokens_keep_their_ids(converted: Converted) -> None:
    words = json.loads((converted.folder / "config.json").read_text())["vocabulary_map"]
    for place, name in enumerate(special_tokens()):
        shown = "<image>" if name == "<|extra_0|>" else name
        assert words[shown] == len(BYTES) + len(MERGED) + place


def test_the_converted_checkpoint_edits(converted: Converted) -> None:
    params = {"model_name": str(converted.folder), "device": "cpu", "image_area": 64}
    TokenEditModel.check_weights(params)
    edit = TokenEditModel(params).edit_image(gradient((32, 32)), "make the sky red", seed=1)
    assert edit.size == (8, 8)


def test_the_proof_says_what_was_compared(converted: Converted) -> None:
    assert "logits up to" in converted.lines[0]
    assert "equal to the original's, none missing" in converted.lines[1]
    assert not converted.folder.with_name("converted.unproven").exists()


def _spoil_language(folder: Path) -> None:
    shard = folder / LANGUAGE_SHARD
    weights = load_file(shard)
    weights["model.layers.0.self_attn.q_proj.bias"] = torch.ones(32)
    save_file(weights, shard)


def _spoil_vision(folder: Path) -> None:
    weights = load_file(folder / "vision" / "model.safetensors")
    del weights["encoder.mid.attn_1.norm.weight"]
    save_file(weights, folder / "vision" / "model.safetensors")


def _rename_kind(folder: Path) -> None:
    settings = json.loads((folder / "language" / "config.json").read_text())
    (folder / "language" / "config.json").write_text(json.dumps({**settings, "model_type": "llama"}))


def _stretch(folder: Path) -> None:
    settings = json.loads((folder / "language" / "config.json").read_text())
    stretched = {**settings, "rope_scaling": {"type": "linear", "factor": 2.0}}
    (folder / "language" / "config.json").write_text(json.dumps(stretched))


def _widen(folder: Path) -> None:
    (folder / "vision" / "config.json").write_text(json.dumps({**VISION, "attn_resolutions": [0, 1]}))


def _scramble(folder: Path) -> None:
    lines = (folder / "language/emu3.tiktoken").read_text().splitlines()
    swapped = {" 265": " 267", " 267": " 265"}  # `sky` before `sk`
    changed = [line[:-4] + swapped.get(line[-4:], line[-4:]) for line in lines]
    (folder / "language/emu3.tiktoken").write_text("\n".join(changed))


def _set(part: str, **changes: Any) -> Callable[[Path], Any]:
    def spoil(folder: Path) -> None:
        path = folder / part / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return spoil


def _reshape(file: str, name: str) -> Callable[[Path], Any]:
    def spoil(folder: Path) -> None:
        weights = load_file(folder / file)
        save_file({**weights, name: weights[name][:-1].contiguous()}, folder / file)

    return spoil


def _rename_weight(folder: Path) -> None:
    weights = load_file(folder / "vision/model.safetensors")
    weights["encoder.down.0.attn"] = weights.pop("encoder.mid.attn_1.norm.weight")
    save_file(weights, folder / "vision/model.safetensors")


def _cut(file: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / file).write_bytes((data := (folder / file).read_bytes())[: len(data) // 2])


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_spoil_language, "does not fit the classes of transformers"),
        (_spoil_vision, "does not fit the classes of transformers"),
        (_rename_kind, "says model_type 'llama'"),
        (_stretch, "rope_scaling"),
        (_widen, "attentions of .* channels"),
        (_remove("vision/model.safetensors"), r"has no \*\.safetensors; convert \.bin files"),
        (_remove("language/emu3.tiktoken"), "--tokenizer"),
        (lambda folder: (folder / "language/emu3.tiktoken").write_text("YQ== 5"), "ranks have gaps"),
        (_scramble, "cannot be merged of two tokens of lower ranks"),
        (lambda folder: (folder / "language/emu3_vision_tokens.txt").write_text("<|image token|>"), "lacks .* tokens"),
        (lambda folder: (folder / "vision/model.safetensors").write_bytes(b"12345678901"), "is damaged"),
        (_cut("vision/model.safetensors"), "is damaged"),
        (_cut("language/model-00002-of-00002.safetensors"), "is damaged"),
        (_remove("language/model-00002-of-00002.safetensors"), "does not fit the classes of transformers"),
        (
            _reshape(LANGUAGE_SHARD, "model.layers.0.self_attn.q_proj.weight"),
            "does not fit the classes of transformers.*q_proj",
        ),
        (
            _reshape("vision/model.safetensors", "encoder.conv_in.weight"),
            "does not fit the classes of transformers.*conv_in",
        ),
        (_set("language", hidden_size="wide"), "cannot be converted .*hidden_size"),
        (_set("language", vocab_size=300), "beyond its 300 logits"),
        (_set("vision", attn_resolutions=[9]), "cannot be converted .*their settings"),
        (_rename_weight, "cannot be converted .*their settings"),
    ],
)
def test_what_cannot_be_converted_is_refused_and_leaves_nothing(
    tmp_path: Path, spoil: Callable[[Path], Any], reason: str
) -> None:
    write_original(tmp_path / "original")
    spoil(tmp_path / "original")
    with pytest.raises(ModelError, match=reason):
        convert_emu3(
            str(tmp_path / "original/language"), str(tmp_path / "original/vision"), None, tmp_path / "converted"
        )
    assert {path.name for path in tmp_path.iterdir()} == {"original"}


def test_a_folder_that_is_there_is_never_written_over(converted: Converted) -> None:
    with pytest.raises(OutputError, match="exists already"):
        convert_emu3(str(converted.source / "language"), str(converted.source / "vision"), None, converted.folder)


def test_logits_that_differ_are_no_conversion(
    converted: Converted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swapped(name: str) -> str:
        return language_name(name.replace("q_proj", "x").replace("o_proj", "q_proj").replace("x", "o_proj"))

    monkeypatch.setattr(convert, "language_name", swapped)  # both are square
    with pytest.raises(ModelError, match="the converted model's logits differ by"):
        convert_emu3(str(converted.source / "language"), str(converted.source / "vision"), None, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_the_command_converts_and_says_so(converted: Converted, tmp_path: Path) -> None:
    arguments = ["--model", str(converted.source / "language"), "--vision-tokenizer", str(converted.source / "vision")]
    result = CliRunner().invoke(app, ["convert-emu3", *arguments, "--output", str(tmp_path / "new")])
    assert result.exit_code == 0, result.output
    assert "VQ-VAE:" in result.output
    assert (tmp_path / "new" / "model.safetensors.index.json").is_file()
