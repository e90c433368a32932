"""The probes of the miniature judge, on judges whose answers are known, and the card that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src.miniature.judge.agreement import MAIN, Measured, PartScores, Probed
from src.miniature.judge.asking import Asked
from src.miniature.judge.card import cell, model_card
from src.miniature.judge.drawing import PairSettings, draw_chunk
from src.miniature.judge.evaluate_judge import thinned
from src.miniature.judge.pairs import JudgePairs
from src.miniature.judge.probes import (
    QUESTIONS,
    Share,
    dependence,
    picture_guess,
    result_order,
    share,
    stability,
    wish_order,
)
from src.miniature.world.benchmark import HELD_OUT_SEEDS
from src.miniature.world.split import HELD_OUT_FAMILIES


@pytest.fixture(scope="module")
def pairs() -> JudgePairs:
    return draw_chunk(PairSettings(HELD_OUT_SEEDS, candidates=1, outputs=0, seed=1), 0)


def oracle(pairs: JudgePairs, asked: Sequence[Asked]) -> np.ndarray:
    """Knows the world; what is no question about the wish's own picture deserves nothing."""

    def score(question: Asked) -> float:
        own = np.array_equal(pairs.pictures[pairs.sources[question.about]], question.before)
        return pairs.oracle(question.about, question.after) if own else 0.0

    return np.array([score(question) for question in asked])


def rationale_reader(pairs: JudgePairs, asked: Sequence[Asked]) -> np.ndarray:
    """Judges by the rationale, and by the wish only where there is none."""
    return oracle(pairs, [one if one.rationale is None else one._replace(about=one.rationale) for one in asked])


def picture_looker(pairs: JudgePairs, asked: Sequence[Asked]) -> np.ndarray:
    """Likes every difference, whatever the wish."""
    return np.array([min(10.0, np.abs(one.after.astype(int) - one.before).mean()) for one in asked])


def test_a_judge_that_follows_the_wish_depends_on_it_alone(pairs: JudgePairs) -> None:
    found = {score.name: (score, distance) for score, distance in dependence(oracle, pairs)}
    right = [name for name in QUESTIONS if name.startswith("own wish") and "rationale" in name]
    assert all(found[name][0].mean == 10.0 for name in right)
    assert all(found[name][0].mean < 1.0 for name in QUESTIONS if name not in right)
    assert found["wish of another change, rationale of what is shown"][1].mean < -9.0


def test_a_judge_that_reads_the_rationale_is_seen_to(pairs: JudgePairs) -> None:
    found = {score.name: score.mean for score, _ in dependence(rationale_reader, pairs)}
    assert found["wish of another change, rationale of what is shown"] == 10.0
    assert found["own wish, rationale of another change of the picture"] < 1.0
    assert found["wish of another change, no rationale"] < 1.0


def test_the_order_of_wishes_is_right_for_the_oracle_and_chance_without_words(pairs: JudgePairs) -> None:
    assert wish_order(oracle, pairs).mean == 1.0
    assert wish_order(picture_looker, pairs).mean == 0.5


def test_only_pairs_of_one_edit_with_a_clear_difference_count() -> None:
    rows = np.array([[0, 9, 1], [0, 9, 2], [0, 9, 3], [1, 8, 4]], np.int32)
    kinds = np.array(["editor", "editor", "editor", "editor"])
    few = JudgePairs(np.zeros((0,)), [], [], np.zeros(2), np.zeros(2), rows, np.array([2.0, 5.0, 5.5, 9.0]), kinds)
    judged = np.array([1.0, 4.0, 1.0, 9.0])
    assert result_order(few, judged, 1.0) == Share("results", 0.75, None, 2)
    assert result_order(few, judged, 0.0).mean == pytest.approx(0.5)
    assert result_order(few, judged, 1.0, ["exact"]).count == 0


def test_a_judge_that_jumps_is_seen_to(pairs: JudgePairs) -> None:
    def steady(pairs: JudgePairs, asked: Sequence[Asked]) -> np.ndarray:
        return np.full(len(asked), 5.0)

    def jumping(pairs: JudgePairs, asked: Sequence[Asked]) -> np.ndarray:
        return np.array([9.9 * (int(one.after.sum()) % 2) for one in asked])

    assert all(near.mean == 1.0 for near, _ in stability(steady, pairs))
    found = stability(jumping, pairs)
    assert min(near.mean for near, _ in found) < 0.7
    assert [apart < 2.0 for _, apart in found[:2]] == [True, True]


def test_the_guess_without_words_is_the_mean_over_the_wishes(pairs: JudgePairs) -> None:
    guess = picture_guess(pairs)
    row = int(np.flatnonzero(pairs.kinds == "exact")[3])
    about, _before, after = pairs.rows[row]
    wishes = np.flatnonzero(pairs.sources == pairs.sources[about])
    scores = [pairs.oracle(int(wish), pairs.pictures[after]) for wish in wishes]
    assert guess[row] == pytest.approx(np.mean(scores))
    assert guess[row] < 10.0
    assert set(guess[pairs.kinds == "no edit"]) == {0.0}


def test_values_without_a_score_are_left_out() -> None:
    found = share("x", [1.0, float("nan"), 0.0], [0, 1, 2], (0.0, 1.0))
    assert (found.mean, found.count) == (0.5, 2)
    assert share("x", [float("nan")], [0], None).count == 0
    assert cell(Share("x", 0.5, (0.25, 0.75), 8), 100) == "50% [25% to 75%; 8]"


@pytest.fixture(scope="module")
def taught() -> JudgePairs:
    return draw_chunk(PairSettings(HELD_OUT_SEEDS, candidates=0, outputs=0), 0)


def test_held_out_families_are_drawn_alone_and_in_no_explicit_wording(taught: JudgePairs) -> None:
    drawn = draw_chunk(PairSettings(HELD_OUT_SEEDS, candidates=0, outputs=0, held_out=True), 0)
    assert {rule[2] for rule in drawn.rules} <= HELD_OUT_FAMILIES
    assert {rule[3] for rule in drawn.rules} == {"medium", "hard"}
    assert not {rule[2] for rule in taught.rules} & HELD_OUT_FAMILIES


def test_held_out_wordings_are_none_of_the_taught_ones(taught: JudgePairs) -> None:
    reworded = draw_chunk(PairSettings(HELD_OUT_SEEDS, candidates=0, outputs=0, wordings="held_out"), 0)
    assert not {words[0] for words in taught.words} & {words[0] for words in reworded.words}


def test_the_model_card_tells_settings_and_figures(tmp_path: Path, pairs: JudgePairs) -> None:
    from safetensors.numpy import save_file

    facts = (
        '{"recipe": {"chunks": 2, "candidates": 3, "outputs": 6, "batch": 4}, "steps_done": 7, "editors": ["a", "b/c"]}'
    )
    (tmp_path / "training.json").write_text(facts, encoding="utf-8")
    save_file({"model.visual.x": np.zeros((2, 2))}, tmp_path / "model.safetensors")
    rows = np.random.default_rng(0).permutation(len(pairs))[:40]
    few = replace(pairs, rows=pairs.rows[rows], scores=pairs.scores[rows], kinds=pairs.kinds[rows])
    answers = np.linspace(0.0, 9.9, len(rows))
    part = PartScores(few, {"text": answers}, {"text": wish_order(oracle, few)}, picture_guess(few))
    probed = Probed(dependence(oracle, pairs), stability(oracle, pairs))
    controls = {"blur, radius 1": (3.0, 4.0)}
    measured = Measured(few, {MAIN: answers}, controls, 0.5, {"taught": part}, {"text": probed})
    card = model_card(tmp_path, measured, 5, remark="By hand.", limits="Small.")
    assert "train_judge --steps 7 --editor a b/c`" in card
    assert "evaluate_judge --chunks 5`" in card
    assert "| own wish, own rationale | 10.00 [" in card
    assert "| taught | guess without words |" in card
    assert f"40 candidates of {len(pairs.words)} held-out edits" in card
    assert "By hand." in card
    assert "| blur, radius 1 | 4.00 | 3.00 |" in card


def test_thinning_keeps_every_output_of_the_editor_and_some_of_each_kind(pairs: JudgePairs) -> None:
    kinds = np.where(pairs.kinds == "exact", "editor", pairs.kinds)
    few = thinned(replace(pairs, kinds=kinds), most=10)
    assert np.sum(few.kinds == "editor") == len(pairs.words)
    assert {kind: np.sum(few.kinds == kind) for kind in ("no edit", "shuffled")} == {"no edit": 10, "shuffled": 10}
    assert set(few.kinds) == set(kinds)
