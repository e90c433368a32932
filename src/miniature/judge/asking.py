"""Asks a folder with a judge about held-out pictures, through the scorer and the class that a benchmark run uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from src.config import ModelConfig
from src.miniature.judge.pairs import JudgePairs
from src.miniature.judge.prompts import as_sample
from src.models.vlm.prompts import Language
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import EditedSample, ScorerSetting
from src.rewards.scorers.category import CategoryScorer

JUDGE_CLASS = "src.models.reward.implementations.qwen3_vl_reward.Qwen3VLRewardModel"
BATCH = 32

ScoreMode = Literal["text", "expected"]


class Asked(NamedTuple):
    """One question to a judge.

    Attributes:
        about: The edit whose wish is asked about, in the wording of its difficulty, with its description.
        before: uint8 (64, 64, 3).
        after: uint8 (64, 64, 3).
        rationale: The edit whose rationale the prompt holds; None for none.
    """

    about: int
    before: np.ndarray
    after: np.ndarray
    rationale: int | None


Judge = Callable[[JudgePairs, Sequence[Asked]], np.ndarray]
"""Scores questions: (n,), NaN where there is no score."""


class HeldOutJudge:
    """A judge folder behind the scorer: a `Judge`."""

    def __init__(self, folder: Path, language: Language, mode: ScoreMode) -> None:
        params = {
            "model_name": str(folder),
            "score_mode": mode,
            "batch_size": BATCH,
            "max_new_tokens": 16,
            "device": "cpu",
        }
        handle = JudgeHandle(ModelConfig(class_path=JUDGE_CLASS, params=params))
        self.language: Language = language
        self.scorer = CategoryScorer(setting=ScorerSetting(judge=handle, language=language))
        self.scorer.load()

    def __call__(self, pairs: JudgePairs, asked: Sequence[Asked]) -> np.ndarray:
        """Scores questions: (n,), NaN where there is no score."""
        edits = [self._edit(pairs, question) for question in asked]
        verdicts = [
            verdict
            for start in range(0, len(edits), BATCH)
            for verdict in self.scorer.score(edits[start : start + BATCH])
        ]
        return np.array([np.nan if verdict.score is None else verdict.score for verdict in verdicts])

    def _edit(self, pairs: JudgePairs, asked: Asked) -> EditedSample:
        category, _, _, difficulty = pairs.rules[asked.about]
        wish, description = (pairs.text(asked.about, name, self.language) for name in (difficulty, "description"))
        told = None if asked.rationale is None else pairs.text(asked.rationale, "rationale", self.language)
        sample = as_sample(category, wish, description, told)
        return EditedSample(sample, Image.fromarray(asked.before), Image.fromarray(asked.after))


def questions_of(pairs: JudgePairs, rationale: bool) -> list[Asked]:
    """The rows of `pairs` as questions, with the rationale of their own edit or with none."""
    return [
        Asked(int(about), pairs.pictures[before], pairs.pictures[after], int(about) if rationale else None)
        for about, before, after in pairs.rows
    ]
