"""What the shipped weights must still be able to do; the model card has the full figures."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

from src.config import ModelConfig
from src.miniature.judge.architecture import fixed_texts
from src.miniature.judge.asking import JUDGE_CLASS, Asked, HeldOutJudge
from src.miniature.judge.candidates import blurred
from src.miniature.judge.drawing import PairSettings, draw_chunk
from src.miniature.judge.pairs import JudgePairs
from src.miniature.judge.probes import dependence, stability
from src.miniature.world.benchmark import HELD_OUT_SEEDS
from src.models.vlm.question import LabelledImage, Question
from src.rewards.core.judge_handle import JudgeHandle

FOLDER = Path("assets/miniature/judge")
EDITS = range(0, 80, 5)


@pytest.fixture(scope="module")
def pairs() -> JudgePairs:
    return draw_chunk(PairSettings(HELD_OUT_SEEDS, candidates=1, outputs=0), 0)


@pytest.fixture(scope="module")
def judge() -> HeldOutJudge:
    return HeldOutJudge(FOLDER, "en", "expected")  # as the default config asks it


def _scores(judge: HeldOutJudge, pairs: JudgePairs, edited: list[np.ndarray]) -> np.ndarray:
    pictures = zip(EDITS, pairs.pictures[pairs.sources[EDITS]], edited, strict=True)
    return judge(pairs, [Asked(edit, before, after, edit) for edit, before, after in pictures])


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


def test_the_shipped_judge_follows_the_wish_and_not_the_rationale(judge: HeldOutJudge, pairs: JudgePairs) -> None:
    found = {score.name: score.mean for score, _ in dependence(judge, pairs)}
    own = found["own wish, own rationale"]
    assert found["own wish, no rationale"] > own - 0.5
    assert found["own wish, rationale of another change of the picture"] > own - 0.5
    assert found["wish of another change, no rationale"] < own - 3.0
    assert found["wish of another change, rationale of what is shown"] < own - 3.0


def test_the_shipped_judge_does_not_jump_between_pictures_that_look_alike(pairs: JudgePairs) -> None:
    judge = HeldOutJudge(FOLDER, "en", "text")
    assert min(near.mean for near, _ in stability(judge, pairs)) >= 0.9


def test_the_shipped_judge_answers_under_a_long_chinese_rubric() -> None:
    params = {"model_name": str(FOLDER), "device": "cpu", "max_new_tokens": 16}
    judge = JudgeHandle(ModelConfig(class_path=JUDGE_CLASS, params=params)).load()
    rubric = "请根据画面整体的协调程度以及细节是否真实可信来判断这次编辑的质量，并给出分数。" * 30
    black, white = (Image.new("RGB", (64, 64), colour) for colour in ("black", "white"))
    images = LabelledImage("编辑前", black), LabelledImage("编辑后", white)
    question = Question(rubric, images, "编辑指令：把画面涂成白色。")
    (reply,) = judge.ask([question])
    assert re.fullmatch(r"Score: \d\.\d", reply.text.strip())
