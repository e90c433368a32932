from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from src.config import ModelConfig
from src.errors import ConfigError
from src.miniature.editor.batches import vision_patches
from src.miniature.judge.agreement import MAIN, Condition, Measured, rank_agreement
from src.miniature.judge.architecture import (
    LANGUAGES,
    JudgeSize,
    build_judge,
    build_judge_processor,
    build_judge_tokenizer,
    fixed_texts,
)
from src.miniature.judge.batches import GROUP, JudgeBatchMaker
from src.miniature.judge.candidates import blurred, compressed
from src.miniature.judge.card import model_card
from src.miniature.judge.evaluate_judge import JUDGE_CLASS, judged, thinned
from src.miniature.judge.fast_training import fast_attention
from src.miniature.judge.losses import auxiliary_heads, judge_losses
from src.miniature.judge.pairs import (
    CHUNK,
    JUDGE_SEEDS,
    WORDS,
    JudgePairs,
    PairSettings,
    draw_chunk,
    joined,
)
from src.miniature.judge.replies import ScoreReplies
from src.miniature.judge.train_judge import JudgeRecipe, make_judge, train_judge
from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel
from src.models.reward.reference_formula import compare_with_reference
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import EditedSample, ScorerSetting
from src.rewards.scorers.category import CategoryScorer

TINY = JudgeSize(vocabulary=420, text_width=64, text_layers=4, vision_width=64, vision_layers=1)
SETTINGS = PairSettings(JUDGE_SEEDS, candidates=2, outputs=0, editor=None)
RECIPE = JudgeRecipe(size=TINY, chunks=1, candidates=2, outputs=0, steps=4, batch=4)


@pytest.fixture(scope="module")
def pairs() -> JudgePairs:
    return draw_chunk(SETTINGS, 0)


@pytest.fixture(scope="module")
def processor(pairs: JudgePairs) -> Any:
    texts = [text for words in pairs.words for text in words]
    return build_judge_processor(build_judge_tokenizer([*texts, "Score: 7.3"], TINY.vocabulary))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    work = tmp_path_factory.mktemp("judge")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("src.miniature.judge.train_judge.HELD_OUT_CHUNKS", 1)
        losses = make_judge(RECIPE, work, editor=None)
    return {"work": work, "losses": losses}


def test_every_fixed_text_of_the_prompts_is_one_token(processor: Any) -> None:
    assert len(fixed_texts()) == len(set(fixed_texts())) >= 20
    assert all(len(processor.tokenizer(text)["input_ids"]) == 1 for text in fixed_texts())


def test_a_prompt_is_about_a_hundred_tokens(pairs: JudgePairs, processor: Any) -> None:
    maker = JudgeBatchMaker(pairs, processor, 8, 0)
    lengths = [len(prompt) for step in range(GROUP) for prompt in maker.draw(step)[1]]
    assert 50 < np.mean(lengths) < 160  # the tiny vocabulary cuts words more finely than the shipped one


def test_training_reads_the_tokens_and_patches_that_the_judge_reads(
    trained: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, torch.Tensor]] = []
    generate = Qwen3VLRewardModel._generate

    def spy(judge: Any, *arguments: Any) -> Any:
        stock = judge.model.generate
        with monkeypatch.context() as patch:
            patch.setattr(judge.model, "generate", lambda **inputs: seen.append(inputs) or stock(**inputs))
            return generate(judge, *arguments)

    monkeypatch.setattr(Qwen3VLRewardModel, "_generate", spy)
    pairs = draw_chunk(SETTINGS, 0)
    params = {"model_name": str(trained["work"] / "export"), "max_new_tokens": 1}
    handle = JudgeHandle(ModelConfig(class_path=JUDGE_CLASS, params=params))
    maker = JudgeBatchMaker(pairs, handle.load().processor, 6, 0)  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    for language in LANGUAGES:
        scorer = CategoryScorer(setting=ScorerSetting(judge=handle, language=language))
        for row in (0, 7, 23, 150):
            sample = maker.sample(rng, row, language)
            _, before, after = pairs.rows[row]
            pictures = pairs.pictures[[before, after]]
            scorer.score([EditedSample(sample, *(Image.fromarray(picture) for picture in pictures))])
            asked = seen[-1]
            assert maker.prompts.ids([sample], [language]) == asked["input_ids"].tolist()
            torch.testing.assert_close(vision_patches(pictures), asked["pixel_values"], atol=1e-6, rtol=0)


def test_reply_targets_are_an_ordered_distribution_around_the_score(processor: Any) -> None:
    replies = ScoreReplies(processor.tokenizer)
    wanted, drawn = replies.targets(np.array([0.0, 4.95, 10.0]), np.random.default_rng(0))
    np.testing.assert_allclose(wanted.sum(axis=2), 1.0, atol=1e-5)
    first = wanted[:, replies.digit_position] @ replies.first_digit_values()
    assert first[0] == pytest.approx(0.45, abs=0.01)
    assert 4.4 < first[1] < 5.6
    assert first[2] == pytest.approx(9.45, abs=0.01)
    texts = [processor.tokenizer.decode(reply) for reply in drawn]
    assert [text[:7] for text in texts] == ["Score: "] * 3
    assert all(text.endswith("<|im_end|>") for text in texts)


def test_second_digits_follow_the_first(processor: Any) -> None:
    replies = ScoreReplies(processor.tokenizer)
    wanted, drawn = replies.targets(np.full(200, 4.95), np.random.default_rng(0))
    texts = np.array([processor.tokenizer.decode(reply)[7:10] for reply in drawn])
    decimals = wanted[:, replies.digit_position + 2] @ replies.first_digit_values() - 0.45
    below, above = np.char.startswith(texts, "4"), np.char.startswith(texts, "5")
    assert below.any()
    assert above.any()
    assert decimals[below].min() > 6.0
    assert decimals[above].max() < 3.0


def test_fast_attention_computes_what_the_stock_model_computes(pairs: JudgePairs, processor: Any) -> None:
    torch.manual_seed(0)
    model = build_judge(TINY, processor.tokenizer)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    maker = JudgeBatchMaker(pairs, processor, 3, 0)
    heads = auxiliary_heads(model)
    batch = maker.batch(0, torch.device("cpu"))
    with torch.no_grad():
        stock = judge_losses(model, heads, batch, maker.replies)
        with fast_attention(model, 64):
            fast = judge_losses(model, heads, batch, maker.replies)
        again = judge_losses(model, heads, batch, maker.replies)
    torch.testing.assert_close(fast, stock, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(again, stock, atol=0, rtol=0)


def test_the_loss_falls(pairs: JudgePairs, processor: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    maker = JudgeBatchMaker(pairs, processor, 4, 0)
    model = build_judge(TINY, processor.tokenizer)
    losses = train_judge(model, maker, maker, 30, tmp_path / "judge.pt", lambda *_: None, 1_000)
    assert np.mean(losses[-5:]) < 0.7 * losses[0]


def test_a_killed_training_goes_on_with_the_losses_of_an_unbroken_one(
    trained: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.miniature.judge.train_judge.CHECKPOINT_EVERY", 2)
    monkeypatch.setattr("src.miniature.judge.train_judge.HELD_OUT_CHUNKS", 1)
    for stage in ("pairs", "held_out"):
        (tmp_path / stage).symlink_to(trained["work"] / stage)

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("src.miniature.judge.train_judge.write_chat_model", kill)
        with pytest.raises(KeyboardInterrupt):
            make_judge(RECIPE, tmp_path, editor=None, export_every=3)
    assert make_judge(RECIPE, tmp_path, editor=None) == trained["losses"][2:]


def test_a_work_folder_refuses_another_recipe(trained: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="another candidates and seed"):
        make_judge(replace(RECIPE, candidates=3, seed=1), trained["work"], editor=None)


def test_an_export_keeps_the_model_card(trained: dict[str, Any]) -> None:
    card = trained["work"] / "export" / "README.md"
    card.write_text("card", encoding="utf-8")
    make_judge(RECIPE, trained["work"], editor=None)
    assert card.read_text(encoding="utf-8") == "card"


def test_a_chunk_is_the_same_every_time_and_its_scores_are_the_oracles(pairs: JudgePairs) -> None:
    again = draw_chunk(SETTINGS, 0)
    assert np.array_equal(pairs.pictures, again.pictures)
    assert np.array_equal(pairs.rows, again.rows)
    for row in range(0, 2 * CHUNK, 17):
        about, before, after = pairs.rows[row]
        target = pairs.pictures[pairs.targets[about]]
        expected = compare_with_reference(pairs.pictures[before], pairs.pictures[after], target).score
        assert pairs.scores[row] == pytest.approx(expected, abs=1e-5)


def test_joined_chunks_point_at_their_own_pictures(pairs: JudgePairs) -> None:
    other = draw_chunk(SETTINGS, 1)
    both = joined([pairs, other])
    assert len(both) == len(pairs) + len(other)
    assert np.array_equal(both.pictures[both.rows[len(pairs) :, 2]], other.pictures[other.rows[:, 2]])
    assert both.words[both.rows[-1, 0]] == other.words[other.rows[-1, 0]]
    assert np.array_equal(both.pictures[both.targets[CHUNK:]], other.pictures[other.targets])


def test_rows_that_are_wrong_themselves_score_zero(pairs: JudgePairs) -> None:
    for kind in ("no edit", "swapped", "wrong source", "shuffled"):
        assert pairs.scores[pairs.kinds == kind].max() == 0.0
    shuffled = pairs.rows[pairs.kinds == "shuffled"]
    assert all(pairs.sources[about] != before for about, before, _ in shuffled)
    assert pairs.scores[pairs.kinds == "exact"].min() == 10.0


def test_stronger_damage_scores_lower(pairs: JudgePairs) -> None:
    sources, targets = pairs.pictures[pairs.sources], pairs.pictures[pairs.targets]

    def mean(pictures: list[np.ndarray]) -> float:
        triples = zip(sources, pictures, targets, strict=True)
        return float(np.mean([compare_with_reference(*triple).score for triple in triples]))

    blur = [mean([blurred(target, radius) for target in targets]) for radius in (0.0, 1.0, 4.0)]
    jpeg = [mean([compressed(target, quality) for target in targets]) for quality in (95, 20, 3)]
    assert blur == sorted(blur, reverse=True)
    assert jpeg == sorted(jpeg, reverse=True)


def test_agreement_counts_ties_half_and_knows_pairs_of_one_edit() -> None:
    truth = np.array([0.0, 5.0, 10.0, 2.0])
    judged = np.array([1.0, 1.0, 9.0, np.nan])
    found = rank_agreement(truth, judged, np.array([0, 0, 1, 1]))
    assert found.count == 3
    assert found.pairs == pytest.approx(2.5 / 3)
    assert found.ties == pytest.approx(1 / 3)
    assert found.same_edit == 0.5


def test_the_model_card_tells_sizes_and_figures(trained: dict[str, Any], pairs: JudgePairs) -> None:
    rows = np.random.default_rng(0).permutation(len(pairs))[:30]
    few = replace(pairs, rows=pairs.rows[rows], scores=pairs.scores[rows], kinds=pairs.kinds[rows])
    answers = np.linspace(0.0, 9.9, len(rows))
    measured = Measured(few, {MAIN: answers}, {"blur, radius 1": (3.0, 4.0)}, seconds=0.5)
    card = model_card(trained["work"] / "export", measured, remark="By hand.", limits="Small.")
    assert "30 candidates of 100 held-out edits" in card
    assert "By hand." in card
    assert "| 物理 |" in card
    assert "| blur, radius 1 | 4.00 | 3.00 |" in card


def test_the_evaluation_asks_the_judge_about_every_row(trained: dict[str, Any], pairs: JudgePairs) -> None:
    rows = np.arange(0, len(pairs), 100)
    few = replace(pairs, rows=pairs.rows[rows], scores=pairs.scores[rows], kinds=pairs.kinds[rows])
    asked = [Condition("zh", False, "text"), Condition("en", True, "expected")]
    scores = {condition: judged(trained["work"] / "export", few, condition) for condition in asked}
    assert all(len(found) == len(rows) for found in scores.values())


def test_thinning_keeps_every_output_of_the_editor_and_some_of_each_kind(pairs: JudgePairs) -> None:
    kinds = np.where(pairs.kinds == "exact", "editor", pairs.kinds)
    few = thinned(replace(pairs, kinds=kinds), most=10)
    assert np.sum(few.kinds == "editor") == CHUNK
    assert {kind: np.sum(few.kinds == kind) for kind in ("no edit", "shuffled")} == {"no edit": 10, "shuffled": 10}
    assert set(few.kinds) == set(kinds)


def test_words_come_in_both_languages() -> None:
    assert [name.rpartition("_")[2] for name in WORDS] == ["en"] * 4 + ["zh"] * 4
