"""What the shipped weights must still be able to do; the model card has the full figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from src.miniature.judge.architecture import fixed_texts
from src.miniature.judge.candidates import blurred
from src.miniature.judge.evaluate_judge import HeldOutJudge
from src.miniature.judge.pairs import CHUNK, JudgePairs, PairSettings, draw_chunk
from src.miniature.world.benchmark import HELD_OUT_SEEDS

FOLDER = Path("assets/miniature/judge")
EDITS = range(0, CHUNK, 7)


@pytest.fixture(scope="module")
def pairs() -> JudgePairs:
    return draw_chunk(PairSettings(HELD_OUT_SEEDS, candidates=1, outputs=0, editor=None), 0)


@pytest.fixture(scope="module")
def judge() -> HeldOutJudge:
    return HeldOutJudge(FOLDER, "en", "expected")  # as the default config asks it


def _scores(judge: HeldOutJudge, pairs: JudgePairs, edited: list[np.ndarray]) -> np.ndarray:
    rows = [(edit, pairs.pictures[pairs.sources[edit]], picture) for edit, picture in zip(EDITS, edited, strict=True)]
    return judge.scores(pairs, rows, rationale=True)


def test_every_fixed_text_is_one_token_of_the_shipped_tokenizer() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    long = [text for text in fixed_texts() if len(tokenizer(text)["input_ids"]) != 1]
    assert long == [], "the category prompts have changed: the miniature judge must be trained anew"


def test_the_shipped_judge_ranks_the_exact_target_above_damage_and_absence(
    judge: HeldOutJudge, pairs: JudgePairs
) -> None:
    targets = [pairs.pictures[pairs.targets[edit]] for edit in EDITS]
    sources = [pairs.pictures[pairs.sources[edit]] for edit in EDITS]
    exact = _scores(judge, pairs, targets)
    damaged = _scores(judge, pairs, [blurred(target, 4.0) for target in targets])
    absent = _scores(judge, pairs, sources)
    assert np.mean(exact > absent) >= 0.8
    assert np.mean(exact > damaged) >= 0.8
    truth = np.repeat([10.0, 0.0], [len(exact), 2 * len(exact)])
    assert spearmanr(truth, np.concatenate([exact, damaged, absent])).statistic > 0.6


def test_the_shipped_judge_writes_scores_that_the_scorer_reads_in_chinese(pairs: JudgePairs) -> None:
    judge = HeldOutJudge(FOLDER, "zh", "text")
    scores = _scores(judge, pairs, [pairs.pictures[pairs.targets[edit]] for edit in EDITS])
    assert np.isfinite(scores).all()
