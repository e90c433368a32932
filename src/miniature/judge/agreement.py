"""How a miniature judge is asked, and how well it orders candidates: rank correlation with the oracle, pairs, ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from src.miniature.judge.asking import ScoreMode
from src.miniature.judge.pairs import JudgePairs
from src.miniature.judge.probes import Share
from src.models.vlm.prompts import Language

LEAST_SPREAD = 0.5
"""Standard deviation of the oracle's scores below which a rank correlation says nothing."""


@dataclass(frozen=True)
class Condition:
    """How questions are asked.

    Attributes:
        language: The language of prompts and words.
        rationale: Whether the prompt says what a right edit shows.
        mode: The judge's `score_mode`.
    """

    language: Language
    rationale: bool
    mode: ScoreMode


CONDITIONS = (
    Condition("en", True, "text"),
    Condition("en", True, "expected"),
    Condition("en", False, "text"),
    Condition("en", False, "expected"),
    Condition("zh", True, "text"),
    Condition("zh", True, "expected"),
    Condition("zh", False, "text"),
    Condition("zh", False, "expected"),
)
MAIN = Condition("en", True, "expected")


@dataclass(frozen=True)
class Probed:
    """What `probes` found.

    Attributes:
        dependence: For each question about exact results its mean score, and the mean distance from the first one's.
        stability: For each difference that nobody sees how often scores stay near, and the grey levels it makes out.
    """

    dependence: list[tuple[Share, Share]]
    stability: list[tuple[Share, float]]


@dataclass(frozen=True)
class PartScores:
    """One part of the world, asked in English without rationales.

    Attributes:
        pairs: Its rows.
        scores: By mode, (rows,).
        wishes: By mode how often a result scores higher for the wish that it grants.
        guess: The scores of the best guess without words, (rows,).
    """

    pairs: JudgePairs
    scores: dict[ScoreMode, np.ndarray]
    wishes: dict[ScoreMode, Share]
    guess: np.ndarray


@dataclass(frozen=True)
class Measured:
    """A judge's scores of all rows under every condition, and of the controls.

    Attributes:
        pairs: The held-out rows.
        scores: By condition, (rows,).
        controls: Mean score by name of the control, under `MAIN`, with the oracle's.
        seconds: Per question in text mode.
        parts: By name the parts of the world: what is taught, and what is held out of training.
        probed: By mode what the score depends on, in English.
    """

    pairs: JudgePairs
    scores: dict[Condition, np.ndarray]
    controls: dict[str, tuple[float, float]]
    seconds: float
    parts: dict[str, PartScores]
    probed: dict[ScoreMode, Probed]


@dataclass(frozen=True)
class RankAgreement:
    """How well a judge orders candidates.

    Attributes:
        count: Candidates that both scored.
        spearman: Rank correlation with the oracle; NaN where the oracle's scores hardly differ.
        pairs: Share of pairs in the oracle's order, ties counted half.
        same_edit: The same of pairs of one edit.
        ties: Share of pairs that the oracle tells apart and the judge does not.
    """

    count: int
    spearman: float
    pairs: float
    same_edit: float
    ties: float


def rank_agreement(truth: np.ndarray, judged: np.ndarray, edits: np.ndarray) -> RankAgreement:
    """Compares scores; candidates without a judge's score are left out.

    Args:
        truth: The oracle's scores, (n,).
        judged: The judge's, (n,), NaN where it gave none.
        edits: For each candidate the edit that it belongs to, (n,).
    """
    from scipy.stats import spearmanr

    known = np.isfinite(judged)
    truth, judged, edits = truth[known], judged[known], edits[known]
    oracle, ours = (np.sign(scores[:, None] - scores[None]) for scores in (truth, judged))
    ordered = np.triu(oracle != 0, 1)
    alike = ordered & (edits[:, None] == edits[None])
    right = 0.5 * (1.0 + oracle * ours)
    spread = len(truth) > 2 and truth.std() >= LEAST_SPREAD and judged.std() > 0
    return RankAgreement(
        count=len(truth),
        spearman=float(spearmanr(truth, judged).statistic) if spread else float("nan"),
        pairs=_mean(right[ordered]),
        same_edit=_mean(right[alike]),
        ties=_mean(ours[ordered] == 0),
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
