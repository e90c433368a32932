"""The miniature text encoder is taught to write what is to be drawn, and keeps what its prompts mean without it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import QwenImageEditPipeline
from PIL import Image
from transformers import AutoModelForImageTextToText

from src.errors import ConfigError
from src.miniature.conditioning.batches import END, ThoughtBatch, ThoughtBatches
from src.miniature.conditioning.card import model_card
from src.miniature.conditioning.measure import OWN, STOCK, TAUGHT, TRAINED, Painted, table
from src.miniature.conditioning.painting import paint_completions
from src.miniature.conditioning.teach_encoder import (
    OUTPUT,
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
from src.miniature.model_folder import write_chat_model
from src.miniature.policy.batches import IGNORE_INDEX
from src.miniature.world.benchmark import TRAINING_SEEDS
from src.models.diffusion.conditioning import Conditioner, ConditioningRequest
from src.models.diffusion.thinking import policy_processor
from src.models.weights import resolve_revision

TINY = EditorSize(
    vocabulary=400, text_width=64, text_layers=1, vision_width=64, vision_layers=1, heads=1, layers=1, vae_width=4,
    latent_channels=4,
)  # fmt: skip
RECIPE = EncoderRecipe("tiny", pictures=12, steps=4, batch=4, painted=4)
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
    return ThoughtBatches(BatchMaker(pairs, latents, pipeline.tokenizer, 8, 0), pipeline.tokenizer, 6, misled)


def parts(pipeline: QwenImageEditPipeline, ids: torch.Tensor, mask: torch.Tensor) -> tuple[str, str]:
    """The wish of a row and the completion that follows its prompt, end included."""
    text = pipeline.tokenizer.decode(ids[mask.bool()])
    prompt, begins, completion = text.partition("<|im_start|>assistant\n")
    assert begins
    return prompt.partition("<|vision_end|>")[2].partition("<|im_end|>")[0], completion


def test_a_wish_is_answered_by_the_explicit_wording_of_its_own_change_which_alone_is_taught(
    pipeline: QwenImageEditPipeline, pairs: TrainingPairs
) -> None:
    batch = batches(pipeline, pairs, misled=1.0).batch(3, CPU)
    assert len(batch.labels) == 6
    for ids, mask, labels in zip(batch.writing.input_ids, batch.writing.attention_mask, batch.labels, strict=True):
        wish, completion = parts(pipeline, ids, mask)
        answers = {text for texts in pairs.texts for k in (0, 1) if wish in texts[k::2] for text in texts[k:2:2]}
        assert completion.endswith(END)
        assert completion.removesuffix(END) in answers
        assert pipeline.tokenizer.decode(labels[labels != IGNORE_INDEX]) == completion


@pytest.mark.parametrize("misled", [0.0, 1.0])
def test_what_is_painted_is_what_the_completion_says_whosever_the_wish_is(
    pipeline: QwenImageEditPipeline, pairs: TrainingPairs, misled: float
) -> None:
    source = batches(pipeline, pairs, misled)
    batch = source.batch(3, CPU)
    for row in range(8):
        edit = edit_painted(batch, source, row)
        wish, completion = parts(pipeline, batch.edits.input_ids[row], batch.edits.attention_mask[row])
        assert completion.removesuffix(END) in pairs.texts[edit][:2]
        assert (wish in pairs.texts[edit]) == (misled == 0.0)
        assert int(batch.painted[row].sum()) == int(batch.edits.attention_mask[row].sum()) - 1


def test_a_completion_is_guided_to_the_same_words_as_an_instruction_and_the_wish_to_nothing(
    pipeline: QwenImageEditPipeline, pairs: TrainingPairs
) -> None:
    batch = batches(pipeline, pairs, misled=1.0).batch(3, CPU)
    for row in range(8):
        ids, guides = (part[row][batch.painted[row]] for part in (batch.edits.input_ids, batch.guides))
        told = pipeline.tokenizer.decode(batch.instructions.input_ids[row]).partition("<|vision_end|>")[2]
        wish, completion = parts(pipeline, batch.edits.input_ids[row], batch.edits.attention_mask[row])
        assert told.startswith(completion)
        assert torch.equal(ids[guides >= 0], batch.instructions.input_ids[row][guides[guides >= 0]])
        assert pipeline.tokenizer.decode(ids[guides < 0]) == f"{wish}{END}\n<|im_start|>assistant\n"


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
        one, other = (hidden_states(encoder, batch.edits, as_chat=False) for encoder in (own, pipeline.text_encoder))
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
        states = hidden_states(pipeline.text_encoder.eval(), batch.edits, as_chat=False)
    for row in range(4):
        edit, painted = edit_painted(batch, source, row), batch.painted[row]
        wish, completion = parts(pipeline, batch.edits.input_ids[row], batch.edits.attention_mask[row])
        words = pipeline.tokenizer(completion.removesuffix(END))["input_ids"]
        picture = Image.fromarray(pairs.sources[pairs.picture[edit]])
        request = ConditioningRequest(wish, (picture,), tuple(words))
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
    whole = replace(batch.edits, attention_mask=batch.painted.long())
    wanted = flow_matching_loss(teacher.transformer, teacher.shipped, whole, source.prefix_length)
    assert found.painting.item() == pytest.approx(wanted.item(), rel=1e-4)
    (found.writing + found.painting).backward()
    assert teacher.encoder.lm_head.weight.grad.abs().sum() > 0
    assert all(weight.grad is None for part in (teacher.transformer, teacher.shipped) for weight in part.parameters())
    pipeline.transformer.set_attn_processor(stock)


def test_nothing_is_left_of_the_guide_where_a_completion_is_read_as_an_instruction(
    pipeline: QwenImageEditPipeline, pairs: TrainingPairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    import src.miniature.conditioning.teach_encoder as module

    source = batches(pipeline, pairs, 1.0)
    batch, prefix, stock = source.batch(2, CPU), source.prefix_length, pipeline.transformer.attn_processors
    teacher = Teacher(pipeline)
    monkeypatch.setattr(Teacher, "_seen", lambda self, states: states.float())
    begun = teacher.losses(batch, prefix).guide.item()
    told = hidden_states(teacher.shipped, batch.instructions, as_chat=False).detach()
    said = [guide[painted] for guide, painted in zip(batch.guides, batch.painted, strict=True)]
    words = torch.cat([told[row][guide[guide >= int((guide < 0).int().argmax())]] for row, guide in enumerate(said)])
    perfect = torch.stack(
        [torch.where(guide[:, None] < 0, words.mean(0), told[row][guide.clamp(0, told.shape[1] - 1)])
         for row, guide in enumerate(batch.guides)]
    )  # fmt: skip

    def read(encoder: Any, what: Any, *, as_chat: bool) -> torch.Tensor:
        return perfect if what is batch.edits else hidden_states(encoder, what, as_chat=as_chat)

    monkeypatch.setattr(module, "hidden_states", read)
    assert begun > 0.01
    assert teacher.losses(batch, prefix).guide.item() == pytest.approx(0.0, abs=1e-8)
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
        teach_encoder(replace(RECIPE, misled=0.25), tmp_path / "editor", tmp_path / "broken", tmp_path / "two")


def test_every_way_of_painting_is_compared_with_the_stock_path_and_with_what_the_taught_encoder_wrote(
    pairs: TrainingPairs,
) -> None:
    class Brightness:
        def scores(self, samples: object, pictures: list[np.ndarray]) -> list[float]:
            return [float(picture.mean()) for picture in pictures]

    wishes = [SimpleNamespace(sample=None, edit=SimpleNamespace(source=source)) for source in pairs.sources[:4]]
    shades = {STOCK: (1, 2, 3, 4), OWN.format(TAUGHT): (2, 3, 4, 6), OWN.format(TRAINED): (5, 5, 6, 7)}
    ways = [
        Painted(title, np.stack([np.full((2, 2, 3), shade, np.uint8) for shade in row]), [])
        for title, row in shades.items()
    ]
    rows = table(ways, wishes, {"oracle": Brightness()})  # type: ignore[arg-type, list-item]
    assert [row["way"] for row in rows] == list(shades)
    assert [row["mean"] for row in rows] == [2.5, 3.75, 5.75]
    assert [row["difference"] for row in rows] == [0.0, 1.25, 3.25]
    assert [row["from_taught"] for row in rows] == [-1.25, 0.0, 2.0]


def test_the_model_card_tells_the_recipe_and_what_was_measured(pipeline: QwenImageEditPipeline, tmp_path: Path) -> None:
    facts = {"recipe": asdict(RECIPE), "steps_done": 7, "held_out_losses": {"writing": 1.5}}
    write_chat_model(pipeline.text_encoder, policy_processor(pipeline), tmp_path / "encoder", facts)
    ways = {STOCK: None, OWN.format(TAUGHT): (0.25, 0.75), OWN.format(TRAINED): (1.0, 2.0)}
    rows = [
        {"instrument": name, "way": way, "wishes": 4, "mean": 2.5, "difference": 0.5, "ci95": between}
        for name in ("oracle", "judge")
        for way, between in ways.items()
    ]
    told = {"set": "taught", "rows": rows, "texts": {OWN.format(TAUGHT): ["Melt it. → A puddle."]}}
    (tmp_path / "measured.json").write_text(json.dumps(told), encoding="utf-8")
    card = model_card(tmp_path / "encoder", [tmp_path], remark="By hand.", limits="Small.")
    assert "7 steps of 4 wishes" in card
    assert "By hand." in card
    assert "writing 1.500" in card
    assert f"| {OWN.format(TAUGHT)} | 2.50 (+0.50 [+0.25, +0.75]) | 2.50 (+0.50 [+0.25, +0.75]) |" in card
    assert f"| {STOCK} | 2.50 (+0.50) |" in card
    assert "- Melt it. → A puddle." in card
    assert TRAINED not in card


def test_the_shipped_encoder_was_taught_in_front_of_the_shipped_editor() -> None:
    facts = json.loads((OUTPUT / "training.json").read_text(encoding="utf-8"))
    assert facts["recipe"]["editor"] == resolve_revision("assets/miniature/editor")
