from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast

from src.errors import ConfigError, OutputError
from src.miniature.editor.opposites import pair_shares
from src.miniature.editor.pairs import TrainingPairs, draw_pairs
from src.miniature.tokens.architecture import LanguageModelSize, build_token_editor
from src.miniature.tokens.batches import SOURCE_CODES, TokenBatchMaker
from src.miniature.tokens.codebook import as_cells, draw_cells, k_means, linear_maps, nearest_codes, values_of
from src.miniature.tokens.evaluate_editor import BESIDE, add_columns_beside, evaluate, load_editor, model_card
from src.miniature.tokens.fast_language_model import hidden_states
from src.miniature.tokens.fast_vqvae import as_images, as_pixels, codes_of, decoded
from src.miniature.tokens.initial_weights import write_words
from src.miniature.tokens.picture_tokens import TokenizerSize
from src.miniature.tokens.reconstruction import TokenEditor, reconstruction_table
from src.miniature.tokens.sheet import draw_sheet, sheet_edits
from src.miniature.tokens.train_editor import (
    SOURCE_WEIGHT,
    TokenEditorRecipe,
    answer_loss,
    make_token_editor,
    training_loss,
)
from src.miniature.tokens.train_tokenizer import TokenizerRecipe, load_vqvae, make_codes, make_tokenizer
from src.miniature.world.benchmark import TRAINING_SEEDS
from src.models.tokens.vocabulary import code_name
from src.pipeline.output import exclusive

TOKENS = TokenizerRecipe(TokenizerSize(codes=40), pictures=20, cells=2_000, rounds=2, decoder_steps=3, batch=2)
RECIPE = TokenEditorRecipe(
    LanguageModelSize(pieces=300, width=32, inner=48, layers=2, heads=2),
    first_words=6,
    first_lesson=1,
    steps=4,
    batch=4,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("tokens")
    losses = make_token_editor(TOKENS, RECIPE, folder / "work", folder / "editor")
    return {"folder": folder, "losses": losses, "pairs": draw_pairs(TRAINING_SEEDS, TOKENS.pictures)}


@pytest.fixture(scope="module")
def editor(trained: dict[str, Any]) -> TokenEditor:
    return load_editor(trained["folder"] / "editor")


@pytest.fixture(scope="module")
def pairs(trained: dict[str, Any]) -> TrainingPairs:
    found: TrainingPairs = trained["pairs"]
    return found


@pytest.fixture(scope="module")
def maker(editor: TokenEditor, pairs: TrainingPairs) -> TokenBatchMaker:
    codes = codes_of(editor.model.codec.vqvae, pairs.images())
    prompts = editor.model.prompts
    return TokenBatchMaker(pairs, codes, prompts.tokenizer, prompts.vocabulary, 40, 0)


def test_the_stock_encoder_holds_the_map_of_cells(editor: TokenEditor, pairs: TrainingPairs) -> None:
    cells = draw_cells(pairs, TOKENS.cells, TOKENS.seed)
    quarters, wholes = linear_maps(cells)
    pictures = pairs.targets[:6]
    expected = values_of(as_cells(pictures).astype(np.float32) / 127.5 - 1.0, quarters, wholes)
    vqvae = editor.model.codec.vqvae
    with torch.inference_mode():
        hidden = vqvae.encoder(as_pixels(pictures).unsqueeze(1))[:, 0].permute(0, 2, 3, 1).reshape(-1, 32)
    assert expected.abs().max() > 3.0
    assert (hidden - expected).abs().max() < 0.02, "halves are stored, and the statistics of pictures have no say"


def test_an_edit_changes_no_code_of_a_cell_that_it_leaves_alone(editor: TokenEditor, pairs: TrainingPairs) -> None:
    sources = pairs.sources[pairs.picture]
    alike = (as_cells(sources) == as_cells(pairs.targets)).all(axis=(1, 2, 3)).reshape(-1, 8, 8)
    before, after = editor.codes(list(sources[:60])), editor.codes(list(pairs.targets[:60]))
    assert 0.3 < alike.mean() < 0.95
    assert (before == after)[alike[:60]].all()
    assert (before != after)[~alike[:60]].any()


def test_the_fast_vqvae_computes_what_the_stock_one_does(editor: TokenEditor, pairs: TrainingPairs) -> None:
    vqvae, pictures = editor.model.codec.vqvae, pairs.targets[:6]
    codes = codes_of(vqvae, pictures)
    assert (codes == editor.codes(list(pictures))).all()
    with torch.inference_mode():
        fast, stock = decoded(vqvae, torch.from_numpy(codes)), vqvae.decode(torch.from_numpy(codes))
    torch.testing.assert_close(fast, stock, rtol=1e-4, atol=1e-4)
    assert np.abs(as_images(stock).astype(int) - np.stack(editor.round_trips(list(pictures)))).max() <= 1


def test_the_fast_language_model_computes_what_the_stock_one_does(editor: TokenEditor, maker: TokenBatchMaker) -> None:
    batch, model = maker.batch(0, torch.device("cpu")), editor.model.model.model.text_model
    with torch.inference_mode():
        fast = hidden_states(model, batch.input_ids)
        stock = model(input_ids=batch.input_ids).last_hidden_state
    last = int(batch.places.max()) + 1
    torch.testing.assert_close(fast[:, :last], stock[:, :last], rtol=1e-4, atol=1e-5)


def test_a_batch_holds_the_ids_that_the_editor_is_fed_and_has_to_write(
    editor: TokenEditor, maker: TokenBatchMaker, pairs: TrainingPairs
) -> None:
    batch, drawn = maker.batch(3, torch.device("cpu")), maker.draws.draw(3)
    asked = [place for place in range(len(drawn.edits)) if not drawn.unchanged[place]]
    assert len(asked) > 20
    for row in asked[:10]:
        edit = drawn.edits[row]
        text = pairs.texts[edit][drawn.prompts[row] % 6]
        request = editor.model.request(Image.fromarray(pairs.sources[pairs.picture[edit]]), text, 0)
        answer = request.grammar.picture.encode(editor.codes([pairs.targets[edit]])[0].tolist())
        whole = [*request.prompt, *answer]
        codes = [place for place, chosen in enumerate(request.grammar.is_choice(answer)) if chosen]
        last = len(request.prompt) + codes[-1] + 1
        assert batch.input_ids[row, :last].tolist() == whole[:last]
        assert batch.places[row].tolist() == [len(request.prompt) + place - 1 for place in codes]
        assert batch.labels[row].tolist() == [answer[place] for place in codes]
        source = editor.codes([pairs.sources[pairs.picture[edit]]]).flatten()
        known = set(editor.model.prompts.vocabulary.codes)
        of_source = [place for place, token in enumerate(request.prompt) if token in known]
        assert len(of_source) == source.size == 64
        cells = [of_source.index(place) for place in batch.source_places[row]]
        assert batch.source_labels[row].tolist() == [answer[codes[cell]] for cell in cells]


def test_the_loss_at_the_source_is_said_where_changes_of_the_picture_are(
    editor: TokenEditor, maker: TokenBatchMaker
) -> None:
    batch, known = maker.batch(2, torch.device("cpu")), set(editor.model.prompts.vocabulary.codes)
    for ids, places, weights in zip(batch.input_ids.tolist(), batch.source_places, batch.weight.numpy(), strict=True):
        codes = [place for place, token in enumerate(ids) if token in known]
        cells = [codes.index(place) for place in places.tolist()]
        assert len(set(cells)) == SOURCE_CODES
        assert max(cells) < 64, "these are codes of the source, not of the answer"
        assert np.sort(weights[cells]) == pytest.approx(np.sort(weights)[-SOURCE_CODES:])


def test_words_that_ask_for_nothing_leave_the_codes_as_they_are(maker: TokenBatchMaker) -> None:
    batch, drawn = maker.batch(1, torch.device("cpu")), maker.draws.draw(1)
    rows = np.flatnonzero(drawn.unchanged)
    assert len(rows) > 0
    sources = maker.tokens[maker.picture[drawn.edits[rows]]]
    assert (batch.labels[rows].numpy() == sources).all()


def test_the_loss_is_that_of_the_answer_alone_and_by_its_weights(editor: TokenEditor, maker: TokenBatchMaker) -> None:
    batch, model = maker.batch(0, torch.device("cpu")), editor.model.model.model
    with torch.inference_mode():
        logits = editor.model.model(input_ids=batch.input_ids).logits.log_softmax(-1)
        found = answer_loss(model.text_model, batch)
        both = training_loss(model.text_model, batch)

    def expected(places: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> float:
        losses = [
            -float(logits[row, place, label]) * float(weight)
            for row in range(len(labels))
            for place, label, weight in zip(places[row], labels[row], weights[row], strict=True)
        ]
        return float(np.mean(losses))

    assert float(found) == pytest.approx(expected(batch.places, batch.labels, batch.weight), rel=1e-4)
    at_source = expected(batch.source_places, batch.source_labels, torch.ones(batch.source_labels.shape))
    assert float(both - found) == pytest.approx(SOURCE_WEIGHT * at_source, rel=1e-3)
    assert float(batch.weight.mean()) == pytest.approx(1.0, abs=1e-3)


def test_k_means_finds_the_centres_of_heaps_and_wakes_a_dead_code() -> None:
    heaps = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    values = heaps.repeat_interleave(torch.tensor([50, 30, 2]), dim=0)
    values = values + 0.01 * torch.randn(values.shape, generator=torch.Generator().manual_seed(1))
    centres = k_means(values, 3, 20, seed=0)
    assert sorted(nearest_codes(heaps, centres).tolist()) == [0, 1, 2]
    assert (centres[nearest_codes(heaps, centres)] - heaps).abs().max() < 0.1


def test_a_killed_training_goes_on_with_the_losses_of_an_unbroken_one(
    trained: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.miniature.tokens.train_editor.CHECKPOINT_EVERY", 2)

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("src.miniature.tokens.train_editor.write_token_editor", kill)
        with pytest.raises(KeyboardInterrupt):
            make_token_editor(TOKENS, RECIPE, tmp_path / "work", tmp_path / "editor", export_every=3)
    resumed = make_token_editor(TOKENS, RECIPE, tmp_path / "work", tmp_path / "editor")
    assert resumed == trained["losses"][2:]
    assert str(tmp_path) not in (tmp_path / "editor" / "config.json").read_text(encoding="utf-8")
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (tmp_path / "editor" / name).read_bytes() == (trained["folder"] / "editor" / name).read_bytes()


def test_a_finished_tokenizer_is_loaded_and_not_trained_again(trained: dict[str, Any], pairs: TrainingPairs) -> None:
    again = make_tokenizer(replace(TOKENS, decoder_steps=50), trained["folder"] / "work", pairs)
    kept = load_vqvae(trained["folder"] / "work" / "vqvae")
    for one, other in zip(again.parameters(), kept.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_decoder_may_be_trained_beside_the_language_model_but_not_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"

    def beside(*_: object) -> None:
        pairs, _, _ = make_codes(TOKENS, work)
        with exclusive(work / "decoder"), pytest.raises(OutputError, match="decoder; wait for it"):
            make_tokenizer(TOKENS, work, pairs)
        make_tokenizer(TOKENS, work, pairs)
        with pytest.raises(OutputError, match=r"editor; wait for it, or .* --work-dir"):
            make_token_editor(TOKENS, RECIPE, work, tmp_path / "editor")
        raise KeyboardInterrupt

    monkeypatch.setattr("src.miniature.tokens.train_editor.train_language_model", beside)
    with pytest.raises(KeyboardInterrupt):
        make_token_editor(TOKENS, RECIPE, work, tmp_path / "editor")
    assert (work / "decoder.done").exists()


def test_a_work_folder_of_another_tokenizer_is_refused(trained: dict[str, Any], tmp_path: Path) -> None:
    other = replace(TOKENS, size=TokenizerSize(codes=50))
    with pytest.raises(ConfigError, match="size"):
        make_token_editor(other, RECIPE, trained["folder"] / "work", tmp_path / "editor")


def test_the_editor_edits_pictures_of_any_words(editor: TokenEditor, pairs: TrainingPairs) -> None:
    texts = [pairs.texts[0][0], pairs.texts[5][1], ""]
    edited = editor.edit(list(pairs.sources[:3]), texts)
    assert [image.shape for image in edited] == [(64, 64, 3)] * 3
    assert [str(image.dtype) for image in edited] == ["uint8"] * 3


def test_the_card_tells_reconstruction_scores_controls_and_the_diffusion_editor(
    trained: dict[str, Any], editor: TokenEditor, pairs: TrainingPairs
) -> None:
    class Copies:
        def edit(self, pictures: Any, instructions: Any) -> Any:
            return pictures

        def round_trips(self, pictures: Any) -> Any:
            return pictures

    copies = Copies()
    groups = evaluate(copies, count=2)
    add_columns_beside(groups, copies, copies)
    few = TrainingPairs(pairs.sources, pairs.targets[:40], pairs.picture[:40], pairs.texts[:40], pairs.rules[:40])
    table = reconstruction_table(editor, few)
    folder = trained["folder"] / "editor"
    assert draw_sheet(copies, sheet_edits(1)).size == (5 * 68 * 2, 4 * 68 * 2)
    card = model_card(folder, editor, groups, pair_shares(copies, 2), table, seconds_per_edit=0.5, remark="By hand.")
    assert "100.0% |" in table
    assert "| 社会 | 0 |" not in table
    assert all(f"| {title} |" in card for title in BESIDE.values())
    assert "| round trip | 10.00" in card, "the exact target scores everything"
    assert "| diffusion editor | 0.00" in card, "and a copy of the source nothing"
    assert "By hand." in card
    assert "8×8 tokens of\n40, and" in card


def test_a_word_begins_near_the_codes_that_its_edits_exchange(trained: dict[str, Any]) -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(trained["folder"] / "work" / "text")
    torch.manual_seed(0)
    model = build_token_editor(RECIPE.size, load_vqvae(trained["folder"] / "work" / "codebook"), tokenizer)
    red, green = (tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("Rot", "花"))
    assert not set(red) & set(green)
    blank = np.zeros((2, 64, 64, 3), np.uint8)
    pairs = TrainingPairs(blank, blank, np.arange(2), [["Rot"] * 6, ["花"] * 6], [["指代", "row", "row"]] * 2)
    codes = np.zeros((4, 8, 8), np.int64)
    codes[:, 2, 3] = 1, 5, 2, 6  # the first edit exchanges code 1 for 2, the second 5 for 6
    write_words(model, tokenizer, pairs, codes)
    first = tokenizer.convert_tokens_to_ids(code_name(0))
    embeddings = model.get_input_embeddings().weight.detach()
    of_code = embeddings[first : first + TOKENS.size.codes]
    of_code = of_code - of_code.mean(0)
    for pieces, own, foreign in ((red, [1, 2], [5, 6]), (green, [5, 6], [1, 2])):
        alike = torch.nn.functional.cosine_similarity(of_code, embeddings[pieces[0]][None])
        assert alike[own].mean() > alike[foreign].mean() + 0.3
