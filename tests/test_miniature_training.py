from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import QwenImageEditPipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from src.errors import ConfigError, OutputError
from src.miniature.editor.architecture import (
    EditorSize,
    build_tokenizer,
    build_transformer,
    build_vae,
    prompt_template,
)
from src.miniature.editor.batches import NEUTRAL_TEXTS, SIBLINGS, Batch, BatchMaker, loss_weights, pack
from src.miniature.editor.evaluate_editor import NEUTRAL_INSTRUCTIONS, evaluate, model_card
from src.miniature.editor.goals import missed_goals
from src.miniature.editor.opposites import contrary_edits, pair_shares
from src.miniature.editor.pairs import FOREIGN_SETTINGS, draw_pairs, draw_picture, load_or_draw_pairs
from src.miniature.editor.sampling import PipelineEditor, edit_pictures
from src.miniature.editor.train_editor import EditorRecipe, make_editor
from src.miniature.editor.train_transformer import flow_matching_loss, prompt_embeddings
from src.miniature.editor.train_vae import as_frames, train_vae
from src.miniature.fast_cpu_training import PlainJointAttention, use_single_frame_convolutions
from src.miniature.trainer import claimed_work_folder, learning_rate
from src.miniature.world.benchmark import TRAINING_SEEDS
from src.miniature.world.edits import CATEGORIES, DIFFICULTIES, make_setting
from src.models.diffusion.prompt_template import template_prefix_length

TINY = EditorSize(
    vocabulary=400,
    text_width=64,
    text_layers=1,
    vision_width=64,
    vision_layers=1,
    heads=1,
    layers=1,
    vae_width=4,
    latent_channels=4,
)
RECIPE = EditorRecipe(size=TINY, pictures=30, first_words=6, first_lesson=1, vae_steps=2, steps=4, batch=4)


class WordTokenizer:
    """Splits at spaces and line ends, like a hand would."""

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": list(range(len(text.split())))}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("trained")
    losses = make_editor(RECIPE, folder / "work", folder / "editor")
    return {"folder": folder, "losses": losses}


@pytest.fixture(scope="module")
def pipeline(trained: dict[str, Any]) -> QwenImageEditPipeline:
    return QwenImageEditPipeline.from_pretrained(trained["folder"] / "editor")


def test_the_prefix_ends_with_the_opening_of_the_user_turn() -> None:
    template = "<|im_start|>system\nDescribe the input image.<|im_end|>\n<|im_start|>user\n{}<|im_end|>"
    assert template_prefix_length(WordTokenizer(), template) == 6


def test_a_template_without_a_user_turn_is_refused() -> None:
    with pytest.raises(ValueError, match="user turn"):
        template_prefix_length(WordTokenizer(), "Describe {}")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return build_tokenizer(["paint the sky dark blue", "把天空涂成深蓝色"] * 20, 400)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_the_tokenizer_gives_any_text_back(tokenizer: Any, text: str) -> None:
    import unicodedata

    normal = unicodedata.normalize("NFC", text)
    assert tokenizer.decode(tokenizer(text)["input_ids"], clean_up_tokenization_spaces=False) == normal


def test_the_fixed_system_text_is_one_token(tokenizer: Any) -> None:
    template = prompt_template()
    system_text = template.partition("system\n")[2].partition("<|im_end|>")[0]
    assert len(tokenizer(system_text)["input_ids"]) == 1
    assert tokenizer.decode(tokenizer(template)["input_ids"]) == template


def test_a_short_training_writes_a_pipeline_that_loads_in_single_precision(pipeline: QwenImageEditPipeline) -> None:
    for part in (pipeline.vae, pipeline.text_encoder, pipeline.transformer):
        assert {parameter.dtype for parameter in part.parameters()} == {torch.float32}


def test_the_written_pipeline_edits_pictures(pipeline: QwenImageEditPipeline) -> None:
    edit = draw_picture(TRAINING_SEEDS, 0)[0][0]
    edited = edit_pictures(pipeline, [edit.source] * 2, [edit.instruction_en, edit.instruction_zh], steps=2)
    assert edited.shape == (2, 64, 64, 3)
    assert edited.dtype == np.uint8


def test_a_killed_training_goes_on_with_the_losses_of_an_unbroken_one(
    trained: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.miniature.editor.train_transformer.CHECKPOINT_EVERY", 2)

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("src.miniature.editor.train_editor.write_pipeline", kill)
        with pytest.raises(KeyboardInterrupt):
            make_editor(RECIPE, tmp_path / "work", tmp_path / "editor", export_every=3)
    resumed = make_editor(RECIPE, tmp_path / "work", tmp_path / "editor")
    assert resumed == trained["losses"][2:]
    configs = {path: path.read_text(encoding="utf-8") for path in (tmp_path / "editor").glob("**/config.json")}
    assert len(configs) == 3
    assert [path for path, text in configs.items() if str(tmp_path) in text] == [], "no export tells where it was made"


def test_a_killed_autoencoder_training_goes_on_with_the_losses_of_an_unbroken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = draw_pairs(TRAINING_SEEDS, 10).images()

    def losses(checkpoint: Path) -> list[float]:
        torch.manual_seed(0)
        return train_vae(build_vae(TINY), images, 4, 0, checkpoint)

    def killed_at_the_last_step(step: int, steps: int, peak: float) -> float:
        if step == 3:
            raise KeyboardInterrupt
        return learning_rate(step, steps, peak)

    monkeypatch.setattr("src.miniature.editor.train_vae.CHECKPOINT_EVERY", 2)
    unbroken = losses(tmp_path / "unbroken.pt")
    with monkeypatch.context() as patch:
        patch.setattr("src.miniature.trainer.learning_rate", killed_at_the_last_step)
        with pytest.raises(KeyboardInterrupt):
            losses(tmp_path / "killed.pt")
    assert losses(tmp_path / "killed.pt") == unbroken[2:]


def test_a_checkpoint_of_a_training_with_a_loop_of_its_own_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = draw_pairs(TRAINING_SEEDS, 10).images()
    checkpoint = tmp_path / "vae.pt"
    torch.manual_seed(0)
    train_vae(build_vae(TINY), images, 2, 0, checkpoint)
    stored = torch.load(checkpoint, weights_only=True)
    unbroken = train_vae(build_vae(TINY), images, 4, 0, checkpoint)
    older = {"model": stored["weights"], "optimizer": stored["optimizer"], "step": stored["step"]}
    torch.save(older, checkpoint)
    assert train_vae(build_vae(TINY), images, 4, 0, checkpoint) == unbroken


def test_a_work_folder_refuses_another_recipe(trained: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="another seed"):
        make_editor(replace(RECIPE, seed=1), trained["folder"] / "work", trained["folder"] / "editor")


def test_a_work_folder_in_which_another_training_is_at_work_is_refused(trained: dict[str, Any], tmp_path: Path) -> None:
    work = tmp_path / "work"
    with (
        claimed_work_folder(work, RECIPE),
        pytest.raises(OutputError, match=rf"{work}; wait for it, or choose another directory with --work-dir"),
    ):
        make_editor(RECIPE, work, tmp_path / "editor")
    assert not (work / "wordings.json").exists()
    with claimed_work_folder(work, RECIPE):
        pass


def test_a_kill_while_texts_or_recipe_are_written_leaves_no_half_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(file: Path, text: str, **_: Any) -> None:
        with file.open("w", encoding="utf-8") as stream:
            stream.write(text[: len(text) // 2])
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(Path, "write_text", torn)
        with pytest.raises(KeyboardInterrupt):
            load_or_draw_pairs(tmp_path, 5)
        with pytest.raises(KeyboardInterrupt), claimed_work_folder(tmp_path, RECIPE):
            pass
    drawn = load_or_draw_pairs(tmp_path, 5)
    assert load_or_draw_pairs(tmp_path, 5).texts == drawn.texts
    with claimed_work_folder(tmp_path, RECIPE):
        pass


def test_an_export_keeps_the_model_card(trained: dict[str, Any]) -> None:
    card = trained["folder"] / "editor" / "README.md"
    card.write_text("card", encoding="utf-8")
    make_editor(RECIPE, trained["folder"] / "work", trained["folder"] / "editor")
    assert card.read_text(encoding="utf-8") == "card"


def test_training_sees_the_prompt_embeddings_of_the_pipeline(trained: dict[str, Any], pipeline: Any) -> None:
    pairs = load_or_draw_pairs(trained["folder"] / "work", RECIPE.pictures)
    latents = np.load(trained["folder"] / "work" / "latents.npy")
    maker = BatchMaker(pairs, latents, pipeline.tokenizer, 4, 0)
    batch = maker.batch(0, torch.device("cpu"))
    chosen = pairs.picture[maker.draw(0).edits]
    body = [
        pipeline.tokenizer.decode(row[mask.bool()], skip_special_tokens=False)
        for row, mask in zip(batch.input_ids, batch.attention_mask, strict=True)
    ]
    instructions = [text.partition("<|vision_end|>")[2].partition("<|im_end|>")[0] for text in body]
    pipeline.prompt_template_encode_start_idx = maker.prefix_length
    with torch.no_grad():
        ours, ours_mask = prompt_embeddings(pipeline.text_encoder, batch, maker.prefix_length)
        pictures = [Image.fromarray(pairs.sources[index]) for index in chosen]
        stock, stock_mask = pipeline.encode_prompt(instructions, pictures)
    if stock_mask is not None:
        assert torch.equal(ours_mask[:, : stock_mask.shape[1]], stock_mask.bool())
    length = stock.shape[1]
    assert not ours_mask[:, length:].any()
    torch.testing.assert_close((ours * ours_mask.unsqueeze(-1))[:, :length], stock, atol=1e-5, rtol=1e-4)


def test_latents_are_packed_and_normalised_as_in_the_pipeline(trained: dict[str, Any], pipeline: Any) -> None:
    pairs = load_or_draw_pairs(trained["folder"] / "work", RECIPE.pictures)
    latents = torch.from_numpy(np.load(trained["folder"] / "work" / "latents.npy")[:2]).float()
    with torch.no_grad():
        stock = pipeline._encode_vae_image(as_frames(pairs.sources[:2]), generator=None)
    packed = pipeline._pack_latents(stock, 2, TINY.latent_channels, 16, 16)
    torch.testing.assert_close(pack(latents), packed, atol=2e-2, rtol=2e-2)


def test_plain_attention_computes_what_the_stock_attention_computes() -> None:
    torch.manual_seed(0)
    model = build_transformer(TINY)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    mask = torch.ones(2, 5, dtype=torch.bool)
    mask[1, 3:] = False
    inputs = {
        "hidden_states": torch.randn(2, 128, 16),
        "encoder_hidden_states": torch.randn(2, 5, 64),
        "encoder_hidden_states_mask": mask,
        "timestep": torch.tensor([0.3, 1.0]),
        "img_shapes": [[(1, 8, 8), (1, 8, 8)]] * 2,
        "return_dict": False,
    }
    with torch.no_grad():
        stock = model(**inputs)[0]
        model.set_attn_processor(PlainJointAttention())
        torch.testing.assert_close(model(**inputs)[0], stock, atol=1e-5, rtol=1e-4)


def test_single_frame_convolutions_compute_what_the_stock_convolutions_compute() -> None:
    torch.manual_seed(0)
    vae = build_vae(TINY)
    frames = torch.rand(2, 3, 1, 64, 64) * 2 - 1
    with torch.no_grad():
        stock = vae(frames).sample
        use_single_frame_convolutions(vae)
        torch.testing.assert_close(vae(frames).sample, stock, atol=1e-5, rtol=1e-4)


def test_loss_weights_have_mean_one_and_favour_small_changes() -> None:
    changed = np.zeros((2, 16, 16), bool)
    changed[0, 4:6, 4:6] = True
    changed[1] = True
    weights = loss_weights(changed)
    assert weights.mean(axis=(1, 2)) == pytest.approx(1.0)
    assert weights[0, 4, 4] == pytest.approx(25.0 * weights[0, 0, 0])
    assert (weights[1] == 1.0).all()


def test_the_weights_of_a_picture_do_not_tell_which_change_is_asked_for(maker: BatchMaker) -> None:
    drawn, batch = maker.draw(0), maker.batch(0, torch.device("cpu"))
    assert len(set(drawn.unchanged)) == 2
    of_picture = {}
    for picture, weight in zip(maker.pairs.picture[drawn.edits], batch.weight, strict=True):
        assert torch.equal(of_picture.setdefault(picture, weight), weight)
    changed = maker.pairs.changed()
    for picture in range(len(maker.pairs.sources)):
        mine = loss_weights(changed[maker.pairs.picture == picture])
        assert maker.weights[picture] == pytest.approx(mine.mean(axis=0), rel=1e-4)


@pytest.fixture(scope="module")
def maker(trained: dict[str, Any], pipeline: Any) -> BatchMaker:
    pairs = load_or_draw_pairs(trained["folder"] / "work", RECIPE.pictures)
    return BatchMaker(pairs, np.load(trained["folder"] / "work" / "latents.npy"), pipeline.tokenizer, 400, 0)


def test_a_batch_holds_several_changes_of_each_of_its_pictures(maker: BatchMaker) -> None:
    edits = maker.draw(0).edits.reshape(-1, SIBLINGS)
    pictures = maker.pairs.picture[edits]
    assert (pictures == pictures[:, :1]).all()
    assert all(len(set(siblings)) == SIBLINGS for siblings in edits.tolist())


def test_a_batch_that_cannot_hold_whole_pictures_is_refused(maker: BatchMaker, pipeline: Any) -> None:
    with pytest.raises(ValueError, match="a batch of 6 samples"):
        BatchMaker(maker.pairs, maker.latents, pipeline.tokenizer, 6, 0)


def test_words_that_ask_for_nothing_go_with_the_untouched_picture(maker: BatchMaker, pipeline: Any) -> None:
    drawn, batch = maker.draw(0), maker.batch(0, torch.device("cpu"))
    said = [pipeline.tokenizer.decode(maker.prompts[prompt]) for prompt in drawn.prompts]
    neutral = [any(text in prompt for text in NEUTRAL_TEXTS) for prompt in said]
    assert 0.01 < np.mean(neutral) < 0.08
    assert all(drawn.unchanged[neutral])
    same = (batch.source == batch.target).flatten(1).all(dim=1).numpy()
    assert (same == drawn.unchanged).all()


def test_words_about_absent_things_come_from_another_category(maker: BatchMaker) -> None:
    drawn = maker.draw(0)
    spoken_of = drawn.prompts // 6
    foreign = drawn.unchanged & (spoken_of < len(maker.pairs))
    assert foreign.any()
    rules = maker.pairs.rules
    for edit, other in zip(drawn.edits[foreign], spoken_of[foreign], strict=True):
        assert rules[edit][0] != rules[other][0]
        assert rules[other][1] in FOREIGN_SETTINGS
    assert (spoken_of == drawn.edits)[~drawn.unchanged].all()


def test_every_edit_is_told_by_texts_that_ask_for_its_very_target() -> None:
    pairs = draw_pairs(TRAINING_SEEDS, 10)
    for index in range(10):
        changes = draw_picture(TRAINING_SEEDS, index)
        mine = np.flatnonzero(pairs.picture == index)
        assert len(mine) == len(changes)
        for place, edits in zip(mine, changes, strict=True):
            assert [edit.difficulty for edit in edits] == list(DIFFICULTIES)
            told = [text for edit in edits for text in (edit.instruction_en, edit.instruction_zh)]
            assert pairs.texts[place] == told
            assert all((edit.target == pairs.targets[place]).all() for edit in edits)
            assert (edits[0].source == pairs.sources[index]).all()


def test_no_text_of_a_held_out_family_or_wording_is_in_the_training_set() -> None:
    for index in range(60):
        changes = draw_picture(TRAINING_SEEDS, index)
        assert not any(edit.held_out for edits in changes for edit in edits)
        reworded = make_setting(
            changes[0][0].category, changes[0][0].setting, TRAINING_SEEDS[index], "hard", "held_out"
        )
        held_out = {edit.instruction_en for edit in reworded}
        assert not held_out & {edit.instruction_en for edits in changes for edit in edits}
    assert not set(NEUTRAL_INSTRUCTIONS) & set(NEUTRAL_TEXTS)


def test_what_is_said_at_the_tokens_of_the_source_is_the_change() -> None:
    """A transformer that says the velocity and the change exactly has no loss; one that leaves the change out has."""

    def batch(level: float) -> Batch:
        noise, source, target = torch.randn(3, 2, 64, 16).unbind()
        ids = torch.zeros(2, 8, dtype=torch.int64)
        ones = torch.ones(2, 8, dtype=torch.int64)
        return Batch(ids, ones, ids, source, target, noise, torch.full((2,), level), torch.ones_like(noise))

    class Says(torch.nn.Module):
        def __init__(self, said: torch.Tensor) -> None:
            super().__init__()
            self.said = said

        def forward(self, **_: Any) -> tuple[torch.Tensor]:
            return (self.said,)

    class Reads:
        def model(self, **_: Any) -> Any:
            return type("Output", (), {"last_hidden_state": torch.zeros(2, 8, 4)})

    drawn = batch(0.5)
    velocity, change = drawn.noise - drawn.target, drawn.target - drawn.source
    exact = flow_matching_loss(Says(torch.cat([velocity, change], dim=1)), Reads(), drawn, 2)
    silent = flow_matching_loss(Says(torch.cat([velocity, 0 * change], dim=1)), Reads(), drawn, 2)
    assert exact == 0.0
    torch.testing.assert_close(silent, change.square().mean())


def test_the_model_card_tells_scores_controls_pairs_and_sizes(trained: dict[str, Any], pipeline: Any) -> None:
    editor = PipelineEditor(pipeline, steps=1)
    groups = evaluate(editor, count=1)
    pairs = pair_shares(editor, 5)
    card = model_card(
        trained["folder"] / "editor", pipeline, groups, pairs, seconds_per_edit=0.5, remark="By hand.", limits="Small."
    )
    assert set(groups) == set(product(CATEGORIES, DIFFICULTIES))
    assert all(bool(scores["untaught"]) == (difficulty != "easy") for (_, difficulty), scores in groups.items())
    assert "| 指代 | hard |" in card
    assert "| which |" in card
    assert "30 procedural pictures" in card
    assert "By hand." in card
    assert f"Goals that it misses**: {missed_goals(groups, pairs)}. Small." in card


def test_contrary_edits_share_their_picture_and_differ_in_words_and_target() -> None:
    pairs = [pair for category in CATEGORIES for pair in contrary_edits(category, 5)]
    assert len(pairs) >= 25
    for one, other in pairs:
        assert (one.source == other.source).all()
        assert one.opposite == other.opposite
        assert (one.target != other.target).any()
        assert one.instruction_en != other.instruction_en


def test_a_set_of_pictures_keeps_to_its_seeds() -> None:
    with pytest.raises(IndexError):
        draw_picture(range(70, 73), 3)


def test_the_learning_rate_warms_up_stays_and_falls_to_zero() -> None:
    rates = [learning_rate(step, 1_000, 1.0) for step in range(1_000)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[300] == 1.0
    assert 0.0 < rates[-1] < 0.01
    assert sorted(rates[600:], reverse=True) == rates[600:]
