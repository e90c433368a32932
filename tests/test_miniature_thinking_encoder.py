"""The miniature text encoder is taught to write what is to be drawn, and keeps what its prompts mean without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import QwenImageEditPipeline
from PIL import Image
from transformers import AutoModelForImageTextToText

from src.errors import ConfigError
from src.miniature.conditioning.batches import END, ThoughtBatch, ThoughtBatches
from src.miniature.conditioning.painting import paint_completions
from src.miniature.conditioning.teach_encoder import (
    EncoderRecipe,
    Teacher,
    hidden_states,
    teach_encoder,
    writing_encoder,
)
from src.miniature.editor.architecture import (
    EditorSize,
    build_pipeline,
    build_text_encoder,
    build_tokenizer,
    build_transformer,
    build_vae,
)
from src.miniature.editor.batches import BatchMaker
from src.miniature.editor.pairs import TrainingPairs, draw_pairs
from src.miniature.editor.sampling import edit_pictures
from src.miniature.editor.train_transformer import flow_matching_loss
from src.miniature.policy.batches import IGNORE_INDEX
from src.miniature.world.benchmark import TRAINING_SEEDS
from src.models.diffusion.conditioning import Conditioner, ConditioningRequest

TINY = EditorSize(
    vocabulary=400, text_width=64, text_layers=1, vision_width=64, vision_layers=1, heads=1, layers=1, vae_width=4,
    latent_channels=4,
)  # fmt: skip
RECIPE = EncoderRecipe("tiny", pictures=12, steps=4, batch=4)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pairs() -> TrainingPairs:
    return draw_pairs(TRAINING_SEEDS, 12)


@pytest.fixture(scope="module")
def pipeline(pairs: TrainingPairs) -> QwenImageEditPipeline:
    torch.manual_seed(0)
    tokenizer = build_tokenizer([text for texts in pairs.texts for text in texts], TINY.vocabulary)
    transformer = build_transformer(TINY)
    for weight in transformer.parameters():  # it begins as the identity, which no prompt would change
        torch.nn.init.normal_(weight, std=0.1)
    return build_pipeline(tokenizer, build_vae(TINY), build_text_encoder(TINY, tokenizer), transformer)


def batches(pipeline: QwenImageEditPipeline, pairs: TrainingPairs, misled: float) -> ThoughtBatches:
    latents = np.random.default_rng(0).standard_normal((len(pairs.sources) + len(pairs), 4, 16, 16)).astype(np.float16)
    return ThoughtBatches(BatchMaker(pairs, latents, pipeline.tokenizer, 8, 0), pipeline.tokenizer, misled)


def texts_of(pipeline: QwenImageEditPipeline, batch: ThoughtBatch, row: int) -> tuple[str, str, str]:
    """The prompt, the completion with its end, and what is taught of a row."""
    ids, prompt = batch.edits.input_ids[row], batch.in_prompt[row].bool()
    written = batch.edits.attention_mask[row].bool() & ~prompt
    taught = batch.labels[row][batch.labels[row] != IGNORE_INDEX]
    return tuple(pipeline.tokenizer.decode(part) for part in (ids[prompt], ids[written], taught))  # type: ignore[return-value]


def test_a_completion_is_the_explicit_wording_of_what_is_painted_and_follows_a_wish_for_it(
    pipeline: QwenImageEditPipeline, pairs: TrainingPairs
) -> None:
    source = batches(pipeline, pairs, misled=0.0)
    batch = source.batch(3, CPU)
    for row in range(8):
        edit = edit_painted(batch, source, row)
        prompt, completion, taught = texts_of(pipeline, batch, row)
        language = pairs.texts[edit][:2].index(completion.removesuffix(END))
        assert any(f"<|vision_end|>{wish}<|im_end|>" in prompt for wish in pairs.texts[edit][language::2])
        assert prompt.endswith("<|im_start|>assistant\n")
        assert taught == completion
        assert int(batch.painted[row].sum()) == int(batch.edits.attention_mask[row].sum()) - 1


def test_a_wish_for_another_change_is_followed_by_what_is_painted_and_nobody_is_taught_to_write_that(
    pipeline: QwenImageEditPipeline, pairs: TrainingPairs
) -> None:
    source = batches(pipeline, pairs, misled=1.0)
    batch = source.batch(3, CPU)
    for row in range(8):
        edit = edit_painted(batch, source, row)
        prompt, completion, taught = texts_of(pipeline, batch, row)
        assert completion.removesuffix(END) in pairs.texts[edit][:2]
        assert not any(f"<|vision_end|>{wish}<|im_end|>" in prompt for wish in pairs.texts[edit])
        assert taught == ""


def edit_painted(batch: ThoughtBatch, source: ThoughtBatches, row: int) -> int:
    """The edit whose latents are the row's target."""
    from src.miniature.editor.batches import pack

    maker = source.maker
    targets = pack(torch.from_numpy(maker.latents[len(maker.pairs.sources) :]).float())
    (found,) = (targets == batch.edits.target[row]).all(dim=(1, 2)).nonzero().flatten().tolist()
    return int(found)


def test_an_encoder_that_was_taught_nothing_has_the_conditioning_and_the_words_of_the_shipped_one(
    pipeline: QwenImageEditPipeline, pairs: TrainingPairs
) -> None:
    own = writing_encoder(pipeline.text_encoder)
    batch = batches(pipeline, pairs, 0.3).batch(0, CPU)
    with torch.no_grad():
        one, other = (hidden_states(encoder, batch, as_chat=False) for encoder in (own, pipeline.text_encoder))
        assert torch.equal(one, other)
        assert torch.equal(own.lm_head(one), pipeline.text_encoder.lm_head(one))
    assert own.lm_head.weight is not own.get_input_embeddings().weight


def test_what_is_painted_in_training_is_painted_from_the_embeddings_of_the_task(
    pipeline: QwenImageEditPipeline, pairs: TrainingPairs
) -> None:
    source = batches(pipeline, pairs, 0.3)
    batch = source.batch(1, CPU)
    conditioner = Conditioner(pipeline)
    with torch.no_grad():
        states = hidden_states(pipeline.text_encoder.eval(), batch, as_chat=False)
    for row in range(4):
        edit = edit_painted(batch, source, row)
        ids, prompt = batch.edits.input_ids[row], batch.in_prompt[row].bool()
        painted = batch.painted[row].bool()
        wish = pipeline.tokenizer.decode(ids[prompt]).partition("<|vision_end|>")[2].partition("<|im_end|>")[0]
        picture = Image.fromarray(pairs.sources[pairs.picture[edit]])
        request = ConditioningRequest(wish, (picture,), tuple(ids[painted & ~prompt].tolist()))
        wanted = conditioner.encode(request, pipeline.text_encoder, torch.float32).embeds
        found = states[row][painted][source.prefix_length :]
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_losses_begin_at_the_shipped_editor_and_train_the_encoder_alone(
    pipeline: QwenImageEditPipeline, pairs: TrainingPairs
) -> None:
    source = batches(pipeline, pairs, 0.0)
    stock = pipeline.transformer.attn_processors
    teacher = Teacher(pipeline)
    batch = source.batch(2, CPU)
    found = teacher.losses(batch, source.prefix_length)
    whole = replace(batch.edits, attention_mask=batch.painted)
    wanted = flow_matching_loss(teacher.transformer, teacher.shipped, whole, source.prefix_length)
    assert found.anchor.item() == pytest.approx(0.0, abs=1e-8)
    assert found.painting.item() == pytest.approx(wanted.item(), rel=1e-4)
    (found.writing + found.painting).backward()
    assert teacher.encoder.lm_head.weight.grad.abs().sum() > 0
    assert all(weight.grad is None for part in (teacher.transformer, teacher.shipped) for weight in part.parameters())
    pipeline.transformer.set_attn_processor(stock)


def test_an_empty_completion_paints_the_stock_edit_and_another_one_something_else(
    pipeline: QwenImageEditPipeline, pairs: TrainingPairs
) -> None:
    pictures, wishes = list(pairs.sources[:2]), ["remove the tree", "paint the sky"]
    stock = edit_pictures(pipeline, pictures, wishes, steps=2)
    assert np.array_equal(paint_completions(pipeline, pipeline.text_encoder, pictures, wishes, [(), ()], 2), stock)
    words = [pipeline.tokenizer("all is red")["input_ids"]] * 2
    assert not np.array_equal(paint_completions(pipeline, pipeline.text_encoder, pictures, wishes, words, 2), stock)


def test_a_killed_teaching_goes_on_with_the_losses_of_an_unbroken_one_and_refuses_another_recipe(
    pipeline: QwenImageEditPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import src.miniature.conditioning.teach_encoder as module

    monkeypatch.setattr(module, "CHECKPOINT_EVERY", 2)
    pipeline.save_pretrained(tmp_path / "editor")
    teach = lambda work, export: teach_encoder(RECIPE, tmp_path / "editor", tmp_path / work, tmp_path / export, 3)  # noqa: E731
    losses = teach("unbroken", "one")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_chat_model", killed)
        with pytest.raises(KeyboardInterrupt):
            teach("broken", "two")
    assert teach("broken", "two") == losses[2:]
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path / "one")
    assert (loaded.dtype, loaded.config.tie_word_embeddings) == (torch.float32, False)
    assert not torch.equal(loaded.lm_head.weight, loaded.get_input_embeddings().weight)
    with pytest.raises(ConfigError, match="misled"):
        teach_encoder(replace(RECIPE, misled=0.5), tmp_path / "editor", tmp_path / "broken", tmp_path / "two")
