from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from src.config import ModelConfig
from src.errors import ConfigError
from src.miniature.editor.batches import vision_patches
from src.miniature.judge.agreement import Condition, rank_agreement
from src.miniature.judge.architecture import (
    LANGUAGES,
    LONGEST_PROMPT,
    JudgeSize,
    build_judge,
    build_judge_processor,
    build_judge_tokenizer,
    fixed_texts,
)
from src.miniature.judge.asking import JUDGE_CLASS
from src.miniature.judge.batches import GROUP, LONG_BATCH, LONG_EVERY, JudgeBatchMaker
from src.miniature.judge.candidates import blurred, compressed
from src.miniature.judge.drawing import JUDGE_SEEDS, PairSettings, draw_chunk
from src.miniature.judge.evaluate_judge import judged
from src.miniature.judge.fast_training import fast_attention
from src.miniature.judge.losses import auxiliary_heads, judge_losses, order_loss, reply_loss
from src.miniature.judge.pairs import WORDS, WRONG_QUESTIONS, JudgePairs, joined
from src.miniature.judge.questions import AskedQuestion, QuestionBlocks
from src.miniature.judge.replies import ScoreReplies
from src.miniature.judge.train_judge import JudgeRecipe, make_judge, train_judge
from src.miniature.world.split import HELD_OUT_FAMILIES
from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel
from src.models.reward.reference_formula import compare_with_reference
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import EditedSample, ScorerSetting
from src.rewards.scorers.category import CategoryScorer

TINY = JudgeSize(vocabulary=420, text_width=64, text_layers=4, vision_width=64, vision_layers=1)
SETTINGS = PairSettings(JUDGE_SEEDS, candidates=2, outputs=0)
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
        losses = make_judge(RECIPE, work, editors=())
    return {"work": work, "losses": losses}


def test_every_fixed_text_of_the_prompts_is_one_token(processor: Any) -> None:
    assert len(fixed_texts()) == len(set(fixed_texts())) >= 20
    assert all(len(processor.tokenizer(text)["input_ids"]) == 1 for text in fixed_texts())


def test_a_prompt_is_about_a_hundred_tokens(pairs: JudgePairs, processor: Any) -> None:
    maker = JudgeBatchMaker(pairs, processor, 8, 0)
    lengths = [len(prompt) for step in range(GROUP) for prompt in maker.draw(step)[1]]
    assert 50 < np.mean(lengths) < 160  # the tiny vocabulary cuts words more finely than the shipped one


def test_training_reads_the_tokens_and_patches_that_the_judge_reads(
    trained: dict[str, Any], pairs: JudgePairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, torch.Tensor]] = []
    generate = Qwen3VLRewardModel._generate

    def spy(judge: Any, *arguments: Any) -> Any:
        stock = judge.model.generate
        with monkeypatch.context() as patch:
            patch.setattr(judge.model, "generate", lambda **inputs: seen.append(inputs) or stock(**inputs))
            return generate(judge, *arguments)

    monkeypatch.setattr(Qwen3VLRewardModel, "_generate", spy)
    params = {"model_name": str(trained["work"] / "export"), "max_new_tokens": 1}
    handle = JudgeHandle(ModelConfig(class_path=JUDGE_CLASS, params=params))
    maker = JudgeBatchMaker(pairs, handle.load().processor, 4, 0)  # type: ignore[attr-defined]
    languages = set()
    for step in range(GROUP):
        questions, prompts = maker.draw(step)
        for question, prompt in zip(questions, prompts, strict=True):
            scorer = CategoryScorer(setting=ScorerSetting(judge=handle, language=question.language))
            pictures = np.stack([question.before, question.after])
            scorer.score([EditedSample(question.sample, *(Image.fromarray(picture) for picture in pictures))])
            assert seen[-1]["input_ids"].tolist() == [prompt]
            torch.testing.assert_close(vision_patches(pictures), seen[-1]["pixel_values"], atol=1e-6, rtol=0)
            languages.add(question.language)
    assert languages == set(LANGUAGES)


def test_reply_targets_are_an_ordered_distribution_around_the_score(processor: Any) -> None:
    replies = ScoreReplies(processor.tokenizer)
    wanted, drawn = replies.targets(np.array([0.0, 4.95, 10.0]), np.random.default_rng(0))
    np.testing.assert_allclose(wanted.sum(axis=2), 1.0, atol=1e-5)
    first = wanted[:, replies.digit_position] @ replies.first_digit_values()
    assert first[0] == pytest.approx(0.45 + 0.046, abs=0.01)  # a normal deviate is beyond two deviations
    assert 4.4 < first[1] < 5.6
    assert first[2] == pytest.approx(9.45 - 0.046, abs=0.02)
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
    assert decimals[below].min() > 5.5
    assert decimals[above].max() < 4.0


def test_fast_attention_computes_what_the_stock_model_computes(pairs: JudgePairs, processor: Any) -> None:
    torch.manual_seed(0)
    model = build_judge(TINY, processor.tokenizer)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    maker = JudgeBatchMaker(pairs, processor, 4, 0)
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
    losses = train_judge(model, maker, maker, 60, tmp_path / "judge.pt", lambda *_: None, 1_000)
    assert np.mean(losses[-10:]) < 0.7 * losses[0]


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
            make_judge(RECIPE, tmp_path, editors=(), export_every=3)
    assert make_judge(RECIPE, tmp_path, editors=()) == trained["losses"][2:]


def test_a_work_folder_refuses_another_recipe(trained: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="another candidates and seed"):
        make_judge(replace(RECIPE, candidates=3, seed=1), trained["work"], editors=())


def test_an_export_keeps_the_model_card(trained: dict[str, Any]) -> None:
    card = trained["work"] / "export" / "README.md"
    card.write_text("card", encoding="utf-8")
    make_judge(RECIPE, trained["work"], editors=())
    assert card.read_text(encoding="utf-8") == "card"


def test_a_chunk_is_the_same_every_time_and_its_scores_are_the_oracles(pairs: JudgePairs) -> None:
    again = draw_chunk(SETTINGS, 0)
    assert np.array_equal(pairs.pictures, again.pictures)
    assert np.array_equal(pairs.rows, again.rows)
    for row in np.flatnonzero(~np.isin(pairs.kinds, WRONG_QUESTIONS))[::9]:
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
    assert np.array_equal(both.pictures[both.targets[len(pairs.words) :]], other.pictures[other.targets])


def test_rows_that_are_wrong_themselves_score_zero(pairs: JudgePairs) -> None:
    for kind in ("no edit", *WRONG_QUESTIONS):
        assert pairs.scores[pairs.kinds == kind].max() == 0.0
    shuffled = pairs.rows[pairs.kinds == "shuffled"]
    assert all(pairs.sources[about] != before for about, before, _ in shuffled)
    assert pairs.scores[pairs.kinds == "exact"].min() == 10.0


def test_stronger_damage_scores_lower(pairs: JudgePairs) -> None:
    sources, targets = pairs.pictures[pairs.sources[:60]], pairs.pictures[pairs.targets[:60]]

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


def test_the_evaluation_asks_the_judge_about_every_row(trained: dict[str, Any], pairs: JudgePairs) -> None:
    rows = np.arange(0, len(pairs), 100)
    few = replace(pairs, rows=pairs.rows[rows], scores=pairs.scores[rows], kinds=pairs.kinds[rows])
    asked = [Condition("zh", False, "text"), Condition("en", True, "expected")]
    scores = {condition: judged(trained["work"] / "export", few, condition) for condition in asked}
    assert all(len(found) == len(rows) for found in scores.values())


def test_words_come_in_both_languages(pairs: JudgePairs) -> None:
    assert [name.rpartition("_")[2] for name in WORDS] == ["en"] * 5 + ["zh"] * 5
    assert all("一" <= pairs.text(0, name, "zh")[0] <= "鿿" for name in ("easy", "hard", "description"))
    assert pairs.text(0, "medium", "en").isascii()


def _blocks(pairs: JudgePairs, count: int) -> list[list[AskedQuestion]]:
    rng, drawer = np.random.default_rng(0), QuestionBlocks(pairs)
    return [drawer.draw(rng) for _ in range(count)]


def test_scores_of_questions_are_the_oracles_whoever_the_result_was_made_for(
    pairs: JudgePairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.miniature.judge.questions.unseen", lambda rng, picture: picture)
    for question in (question for block in _blocks(pairs, 100) for question in block):
        own = pairs.pictures[pairs.sources[question.about]]
        assert question.matched == np.array_equal(own, question.before)
        expected = pairs.oracle(question.about, question.after) if question.matched else 0.0
        assert question.score == pytest.approx(expected, abs=1e-5)


def test_neither_wish_nor_result_tells_the_scores_of_a_table(pairs: JudgePairs) -> None:
    tables = [block for block in _blocks(pairs, 300) if len({one.about for one in block}) == 2]
    tables = [block for block in tables if all(one.matched for one in block)]
    scores = np.array([[one.score for one in block] for block in tables])
    assert len(tables) > 100
    for block in tables:
        wishes, results = (list(dict.fromkeys(getattr(one, name) for one in block)) for name in ("about", "result"))
        assert [(one.about, one.result) for one in block] == list(itertools.product(wishes, results))
    own, other = scores[:, [0, 3]].mean(), scores[:, [1, 2]].mean()
    assert own > other + 4.0
    assert abs(scores[:, :2].mean() - scores[:, 2:].mean()) < 0.5


def test_half_of_the_rationales_are_foreign_and_most_questions_have_none(pairs: JudgePairs) -> None:
    asked = [question for block in _blocks(pairs, 300) for question in block]
    told = [one for one in asked if one.sample.rationale is not None]
    assert 0.35 < len(told) / len(asked) < 0.45
    own = [one.sample.rationale == pairs.text(one.about, "rationale", one.language) for one in told]
    assert 0.5 < np.mean(own) < 0.7  # another change may follow from the very same reason


def test_training_reads_no_held_out_wording_and_no_held_out_family(pairs: JudgePairs) -> None:
    assert not {rule[2] for rule in pairs.rules} & HELD_OUT_FAMILIES
    reworded = draw_chunk(replace(SETTINGS, wordings="held_out"), 0)
    assert [rule[:3] for rule in reworded.rules] == [rule[:3] for rule in pairs.rules]
    assert not {words[0] for words in pairs.words} & {words[0] for words in reworded.words}


def test_some_steps_read_long_foreign_rubrics(pairs: JudgePairs, processor: Any) -> None:
    maker = JudgeBatchMaker(pairs, processor, 4, 0)
    lengths = []
    for step in range(LONG_EVERY - 1, 8 * LONG_EVERY, LONG_EVERY):
        questions, prompts = maker.draw(step)
        lengths += [len(prompt) for prompt in prompts]
        assert len(questions) == LONG_BATCH
        assert maker.batch(step, torch.device("cpu")).reply.shape[0] == LONG_BATCH
    assert max(lengths) > 1_000
    assert max(lengths) < LONGEST_PROMPT


def test_equally_good_results_must_score_alike_and_better_ones_higher() -> None:
    def loss(scores: list[float], truth: list[float], blocks: list[int]) -> float:
        batch = SimpleNamespace(scores=torch.tensor(truth), blocks=torch.tensor(blocks))
        return float(order_loss(torch.tensor(scores), batch))  # type: ignore[arg-type]

    assert loss([5.0, 5.0], [3.0, 3.0], [0, 0]) < loss([5.0, 6.0], [3.0, 3.0], [0, 0])
    assert loss([7.0, 5.0], [9.0, 2.0], [0, 0]) < loss([5.0, 7.0], [9.0, 2.0], [0, 0])
    first = loss([1.0, 2.0, 8.0, 3.0], [1.0, 2.0, 8.0, 3.0], [0, 0, 1, 1])
    shifted = loss([1.0, 2.0, 5.0, 0.0], [1.0, 2.0, 8.0, 3.0], [0, 0, 1, 1])
    assert shifted == pytest.approx(first)  # blocks are not compared with one another


def test_an_unsure_judge_should_write_the_middle(processor: Any) -> None:
    replies = ScoreReplies(processor.tokenizer)
    truth = np.array([0.5, 0.5, 9.4, 9.4])
    wanted, _ = replies.targets(truth, np.random.default_rng(0))
    batch = SimpleNamespace(reply=torch.from_numpy(wanted), scores=torch.from_numpy(truth))
    logits = torch.zeros(wanted.shape[1], len(processor.tokenizer), requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(600):
        loss = reply_loss(logits.expand(4, -1, -1), batch, replies)  # type: ignore[arg-type]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    likeliest = int(logits[replies.digit_position].argmax())
    assert 3 <= int(processor.tokenizer.decode([likeliest])) <= 6
