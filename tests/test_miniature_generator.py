"""The miniature generator learns from exactly what its pipeline reads, and its folder is a pipeline and a policy."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import QwenImagePipeline
from transformers import AutoModelForImageTextToText, AutoProcessor

import src.miniature.generator.train_generator as recipe_module
from src.errors import ConfigError
from src.miniature.editor.architecture import (
    EditorSize,
    build_pipeline,
    build_text_encoder,
    build_tokenizer,
    build_transformer,
    build_vae,
)
from src.miniature.editor.batches import pack
from src.miniature.editor.train_editor import write_pipeline
from src.miniature.generator.batches import END, GeneratorBatches
from src.miniature.generator.evaluate_generator import SAMPLING, card, fidelities, held_out, painted
from src.miniature.generator.train_generator import GeneratorRecipe, initial_pipeline, losses_of, make_generator
from src.miniature.policy.batches import IGNORE_INDEX
from src.miniature.prompts.pictures import Content
from src.miniature.prompts.wording import caption, contents
from src.models.diffusion.conditioning import pipeline_template, system_text
from src.models.diffusion.implementations.qwen_image import QwenImageModel

TINY = EditorSize(
    vocabulary=400, text_width=64, text_layers=1, vision_width=64, vision_layers=1, heads=1, layers=1, vae_width=4,
    latent_channels=4,
)  # fmt: skip
RECIPE = GeneratorRecipe("tiny", vae_steps=1, steps=2, batch=4)
CONTENTS = tuple(random.Random(0).sample(contents(False), 24))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "editor"
    torch.manual_seed(0)
    tokenizer = build_tokenizer([caption(one) for one in CONTENTS], TINY.vocabulary)
    parts = build_pipeline(tokenizer, build_vae(TINY), build_text_encoder(TINY, tokenizer), build_transformer(TINY))
    write_pipeline(parts, folder, {})
    return folder


@pytest.fixture(scope="module")
def generator(editor: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generator")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe_module, "contents", few_contents)
        make_generator(RECIPE, editor, folder / "work", folder / "out")
    return folder


def few_contents(held_out: bool) -> tuple[Content, ...]:
    return contents(True)[::40] if held_out else CONTENTS


def batches(pipeline: QwenImagePipeline) -> GeneratorBatches:
    latents = np.random.default_rng(0).standard_normal((len(CONTENTS), 4, 16, 16)).astype(np.float16)
    return GeneratorBatches(CONTENTS, latents, pipeline.tokenizer, pipeline.prompt_template_encode, 24, 0)


def test_the_system_text_of_the_pipeline_is_one_token(editor: Path) -> None:
    pipeline = initial_pipeline(editor)
    told = system_text(pipeline_template("QwenImagePipeline"))
    assert len(pipeline.tokenizer(told)["input_ids"]) == 1
    assert pipeline.text_encoder.get_input_embeddings().weight.shape[0] == len(pipeline.tokenizer)


def test_completions_say_what_is_painted_and_only_those_of_the_own_prompt_are_taught(editor: Path) -> None:
    pipeline = initial_pipeline(editor)
    source = batches(pipeline)
    rows, batch = source.rows(5), source.batch(5, CPU)
    assert {row.completion is None for row in rows} == {True, False}
    assert {row.taught for row in rows if row.completion is not None} == {True, False}
    targets = pack(torch.from_numpy(source.latents).float())
    for place, row in enumerate(rows):
        assert torch.equal(batch.target[place], targets[row.picture])
        ids, painted = batch.input_ids[place], batch.painted[place].bool()
        read = pipeline.tokenizer.decode(ids[painted])
        assert read == pipeline.prompt_template_encode.format(row.prompt) + (row.completion or "")
        taught = batch.labels[place][batch.labels[place] != IGNORE_INDEX]
        assert pipeline.tokenizer.decode(taught) == (f"{row.completion}{END}" if row.taught else "")
        if row.completion is not None:
            assert row.completion == caption(CONTENTS[row.picture])
        assert int(batch.attention_mask[place].sum() - painted.sum()) == (row.completion is not None)


def test_a_prompt_alone_has_the_embeddings_of_the_stock_pipeline(editor: Path) -> None:
    pipeline = initial_pipeline(editor)
    source = batches(pipeline)
    batch, prefix = source.batch(0, CPU), source.prefix_length
    pipeline.prompt_template_encode_start_idx = prefix
    seen: list[torch.Tensor] = []
    hook = pipeline.transformer.register_forward_pre_hook(
        lambda module, args, told: seen.append(told["encoder_hidden_states"]), with_kwargs=True
    )
    with torch.no_grad():
        losses_of(pipeline.transformer, pipeline.text_encoder, batch, prefix)
        hook.remove()
        alone = [(place, row) for place, row in enumerate(source.rows(0)) if row.completion is None]
        assert alone
        for place, row in alone:
            stock, _ = pipeline.encode_prompt(row.prompt)
            torch.testing.assert_close(seen[0][place, : stock.shape[1]], stock[0], atol=1e-4, rtol=1e-4)


def test_the_losses_reach_both_models(editor: Path) -> None:
    pipeline = initial_pipeline(editor)
    for weight in pipeline.transformer.parameters():  # it begins as the identity, behind which nothing has a gradient
        torch.nn.init.normal_(weight, std=0.1)
    source = batches(pipeline)
    losses = losses_of(pipeline.transformer, pipeline.text_encoder, source.batch(5, CPU), source.prefix_length)
    losses.painting.backward(retain_graph=True)
    embedding = pipeline.text_encoder.get_input_embeddings().weight
    assert embedding.grad is not None
    assert embedding.grad.abs().sum() > 0
    assert pipeline.transformer.proj_out.weight.grad.abs().sum() > 0
    pipeline.text_encoder.zero_grad()
    losses.writing.backward()
    assert embedding.grad is not None
    assert embedding.grad.abs().sum() > 0


def test_the_folder_is_a_stock_pipeline_and_its_text_encoder_a_chat_model(generator: Path) -> None:
    pipeline = QwenImagePipeline.from_pretrained(generator / "out")
    processor = AutoProcessor.from_pretrained(generator / "out/text_encoder")
    policy = AutoModelForImageTextToText.from_pretrained(generator / "out/text_encoder")
    user = {"role": "user", "content": [{"type": "text", "text": "A box"}]}
    asked = [{"role": "system", "content": "Describe"}, user]
    text = processor.apply_chat_template(asked, add_generation_prompt=True)
    assert text.endswith("<|im_start|>user\nA box<|im_end|>\n<|im_start|>assistant\n")
    assert policy.dtype == torch.float32
    for name, weight in pipeline.text_encoder.state_dict().items():
        assert torch.equal(policy.state_dict()[name], weight), name


def test_a_finished_training_is_not_done_again_and_another_recipe_is_refused(
    generator: Path, editor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe_module, "contents", few_contents)
    before = (generator / "work/latents.npy").stat().st_mtime_ns
    make_generator(RECIPE, editor, generator / "work", generator / "out")
    assert (generator / "work/latents.npy").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match="another batch"):
        make_generator(replace(RECIPE, batch=8), editor, generator / "work", generator / "out")


def test_the_card_has_a_row_for_each_difficulty_and_the_facts_of_the_training(generator: Path) -> None:
    told = card(generator / "out", 2, "Made in a test.")
    assert "2 steps of 4 prompts" in told
    assert "Made in a test." in told
    for difficulty in ("easy", "medium", "hard", "untaught"):
        (row,) = [line for line in told.splitlines() if line.startswith(f"| {difficulty} ")]
        scores = [float(cell) for cell in row.split("|")[2:-1]]
        assert all(0 <= score <= 10 for score in scores)


def test_the_shipped_generator_paints_what_exact_words_say() -> None:
    asked = [content for content, _ in held_out("easy", 8, "training")]
    model = QwenImageModel({"model_name": "assets/miniature/generator", **SAMPLING})
    scores = fidelities(asked, painted(model, [caption(content) for content in asked]))
    assert np.mean(scores) > 7.0  # 8.2 over many (its card); the exact picture of another content has 5.5
