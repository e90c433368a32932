"""Measures a miniature judge on held-out edits, as a benchmark run asks it, and writes its model card.

Run as `python -m src.miniature.judge.evaluate_judge`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from src.config import ModelConfig
from src.miniature.judge.agreement import CONDITIONS, MAIN, Condition, Measured, ScoreMode, rank_agreement
from src.miniature.judge.batches import as_sample
from src.miniature.judge.candidates import blurred, compressed
from src.miniature.judge.card import model_card
from src.miniature.judge.pairs import EDITOR_KINDS, WORDS, JudgePairs, PairSettings, draw_judge_pairs
from src.miniature.model_card import card_parser, write_card
from src.miniature.trainer import start_command
from src.miniature.world.benchmark import HELD_OUT_SEEDS
from src.models.reward.reference_formula import compare_with_reference
from src.models.vlm.prompts import Language
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import EditedSample, ScorerSetting
from src.rewards.scorers.category import CategoryScorer

JUDGE_CLASS = "src.models.reward.implementations.qwen3_vl_reward.Qwen3VLRewardModel"
CANDIDATES, OUTPUTS = 6, 200
MOST_OF_A_KIND = 80
"""Rows of each kind that are asked about; the editor's own outputs are all."""
BLUR_RADII = (0.0, 0.5, 1.0, 2.0, 4.0)
JPEG_QUALITIES = (95, 50, 20, 5)

logger = logging.getLogger(__name__)


class HeldOutJudge:
    """A judge folder behind the scorer, asked about rows of pictures and words."""

    def __init__(self, folder: Path, language: Language, mode: ScoreMode) -> None:
        params = {
            "model_name": str(folder),
            "score_mode": mode,
            "batch_size": 32,
            "max_new_tokens": 16,
            "device": "cpu",
        }
        handle = JudgeHandle(ModelConfig(class_path=JUDGE_CLASS, params=params))
        self.language: Language = language
        self.scorer = CategoryScorer(setting=ScorerSetting(judge=handle, language=language))
        self.scorer.load()

    def scores(
        self, pairs: JudgePairs, rows: Sequence[tuple[int, np.ndarray, np.ndarray]], rationale: bool
    ) -> np.ndarray:
        """Scores (edit whose words are asked about, picture before, picture after); NaN where there is none."""
        edits = [
            EditedSample(self._sample(pairs, about, rationale), Image.fromarray(before), Image.fromarray(after))
            for about, before, after in rows
        ]
        verdicts = [
            verdict for start in range(0, len(edits), 32) for verdict in self.scorer.score(edits[start : start + 32])
        ]
        return np.array([np.nan if verdict.score is None else verdict.score for verdict in verdicts])

    def _sample(self, pairs: JudgePairs, about: int, rationale: bool) -> Any:
        def words(name: str) -> str:
            return pairs.words[about][WORDS.index(f"{name}_{self.language}")]

        told = words("rationale") if rationale else None
        return as_sample(pairs.rules[about][0], words("instruction"), words("description"), told)


def evaluate(folder: Path, pairs: JudgePairs) -> Measured:
    """Asks the judge in `folder` about every row of `pairs` under every condition, and about the controls."""
    scores = {}
    seconds = 0.0
    for condition in CONDITIONS:
        began = time.perf_counter()
        scores[condition] = judged(folder, pairs, condition)
        if condition.mode == "text":
            seconds = (time.perf_counter() - began) / len(pairs)
        logger.info("%s: %s", condition, rank_agreement(pairs.scores, scores[condition], pairs.rows[:, 0]))
    return Measured(pairs, scores, _controls(folder, pairs), seconds)


def thinned(pairs: JudgePairs, most: int = MOST_OF_A_KIND) -> JudgePairs:
    """The pairs with at most `most` rows of each kind but the editor's outputs, which stay."""
    order = np.random.default_rng(0).permutation(len(pairs))
    kept = [
        order[pairs.kinds[order] == kind][: None if kind in EDITOR_KINDS else most] for kind in sorted(set(pairs.kinds))
    ]
    rows = np.sort(np.concatenate(kept))
    return replace(pairs, rows=pairs.rows[rows], scores=pairs.scores[rows], kinds=pairs.kinds[rows])


def judged(folder: Path, pairs: JudgePairs, condition: Condition) -> np.ndarray:
    """The judge's scores of all rows, (rows,); NaN where it gave none."""
    judge = HeldOutJudge(folder, condition.language, condition.mode)
    rows = [(int(about), pairs.pictures[before], pairs.pictures[after]) for about, before, after in pairs.rows]
    return judge.scores(pairs, rows, condition.rationale)


def _controls(folder: Path, pairs: JudgePairs) -> dict[str, tuple[float, float]]:
    """Measures the mean scores that judge and oracle give to the exact targets under growing damage."""
    judge = HeldOutJudge(folder, MAIN.language, MAIN.mode)
    sources, targets = pairs.pictures[pairs.sources], pairs.pictures[pairs.targets]
    ladders = {f"blur, radius {radius:g}": [blurred(target, radius) for target in targets] for radius in BLUR_RADII}
    ladders |= {
        f"JPEG, quality {quality}": [compressed(target, quality) for target in targets] for quality in JPEG_QUALITIES
    }
    means = {}
    for name, edited in ladders.items():
        rows = [(index, sources[index], picture) for index, picture in enumerate(edited)]
        oracle = [
            compare_with_reference(source, picture, target).score
            for source, picture, target in zip(sources, edited, targets, strict=True)
        ]
        means[name] = float(np.nanmean(judge.scores(pairs, rows, MAIN.rationale))), float(np.mean(oracle))
    return means


def main() -> None:
    """The command line."""
    parser = card_parser("judge")
    parser.add_argument("--editor", type=Path, default=Path("assets/miniature/editor"), help="whose outputs are judged")
    parser.add_argument("--chunks", type=int, default=1, help="held-out edits in hundreds, each of about 20 candidates")
    parser.add_argument("--limits", default="", help="what the tables show that a user must know")
    chosen = parser.parse_args()
    start_command()
    pairs = draw_judge_pairs(PairSettings(HELD_OUT_SEEDS, CANDIDATES, OUTPUTS, chosen.editor, seed=1), chosen.chunks)
    write_card(
        chosen.model, model_card(chosen.model, evaluate(chosen.model, thinned(pairs)), chosen.remark, chosen.limits)
    )


if __name__ == "__main__":
    main()
