"""Measures a miniature judge on held-out edits, as a benchmark run asks it, and writes its model card.

Run as `python -m src.miniature.judge.evaluate_judge`.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from src.config import ModelConfig
from src.miniature.judge.judge_batches import as_sample
from src.miniature.judge.judge_candidates import blurred, compressed
from src.miniature.judge.judge_pairs import CHUNK, WORDS, Drawing, JudgePairs, draw_judge_pairs
from src.miniature.world.benchmark import HELD_OUT_SEEDS
from src.miniature.world.edits import CATEGORIES
from src.models.reward.reference_formula import compare_with_reference
from src.models.vlm.prompts import Language
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import EditedSample, ScorerSetting
from src.rewards.scorers.category import CategoryScorer

JUDGE_CLASS = "src.models.reward.implementations.qwen3_vl_reward.Qwen3VLRewardModel"
CANDIDATES, OUTPUTS = 6, 200
MOST_OF_A_KIND = 80
"""Rows of each kind that are asked about; the editor's own outputs are all."""
EDITOR_KINDS = ("editor", "misled editor")
BLUR_RADII = (0.0, 0.5, 1.0, 2.0, 4.0)
JPEG_QUALITIES = (95, 50, 20, 5)
LEAST_SPREAD = 0.5
"""Standard deviation of the oracle's scores below which a rank correlation says nothing."""

ScoreMode = Literal["text", "expected"]

logger = logging.getLogger(__name__)

CARD = """\
# The miniature judge

A vision-language judge with the real Qwen3-VL architecture at {total:.1f} million parameters (vision tower
{vision:.1f} M, language model {language:.1f} M; {megabytes:.0f} MB: half precision on disk, single when loaded).
It scores edits of the 64×64 pictures of EditLoop's procedural world, asked with the shipped prompts in
`prompts/category`, in English or Chinese, and answers `Score: X.X`. `AutoModelForImageTextToText.from_pretrained` loads
the folder.

It is a scientific instrument: the default judge on a machine without GPU or network, and the reward of the miniature
reinforcement-learning runs. It is useless outside its world, and **no number here is a claim about real judges**.

- **Data**: {edits:,} procedural edits (training seeds from which no editor learned), {candidates} made-up candidates
  for each (right, partial, weak, wrong, damaged …) and {outputs:,} outputs of the miniature editor, each with the
  oracle's score (`src/models/reward/reference_formula.py`); besides swapped pictures, foreign sources and
  instructions of
  other edits, which score 0. No outside picture, text or weight was used.
- **Training**: {steps:,} steps of {batch} questions from scratch, by cross-entropy to an ordered distribution over the
  digits of the score; auxiliary heads, dropped afterwards, learned to see where pictures differ. {remark}
- **Reads**: each fixed text of the prompts is one token, so a question has about a hundred. Prompts of other protocols
  are legible to it only as pieces and bytes: it was trained for none. A changed category prompt needs a new training.
- **Limits**: it never says 10.0 (the exact target gets 9.9 at most). {limits}
- **Made by** `python -m src.miniature.judge.train_judge`,
  **measured by** `python -m src.miniature.judge.evaluate_judge`.

## Agreement with the oracle

{rows:,} candidates of {held_out} held-out edits (seeds from 500,000, in no training set and no shipped benchmark),
asked through `CategoryScorer` and `Qwen3VLRewardModel`. *Pairs* is the share of pairs of candidates that the judge puts
in its order, ties counted half; *same edit* takes only pairs of one edit; *ties* is the share of pairs that the
oracle tells apart and the judge does not. *Expected* is `score_mode: expected`. {seconds:.3f} s a question in text mode
on the machine that measured.

{agreement}

## By category and by kind of candidate

English, with rationale, expected mode{kinds_note}.

{groups}

## Controls

Mean scores of {held_out} held-out edits under the same conditions.

{controls}
"""


@dataclass(frozen=True)
class Condition:
    """How questions are asked.

    Attributes:
        language: Of prompts and words.
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
class Agreement:
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


def agreement(truth: np.ndarray, judged: np.ndarray, edits: np.ndarray) -> Agreement:
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
    return Agreement(
        count=len(truth),
        spearman=float(spearmanr(truth, judged).statistic) if spread else float("nan"),
        pairs=_mean(right[ordered]),
        same_edit=_mean(right[alike]),
        ties=_mean(ours[ordered] == 0),
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


@dataclass(frozen=True)
class Measured:
    """A judge's scores of all rows under every condition, and of the controls.

    Attributes:
        pairs: The held-out rows.
        scores: By condition, (rows,).
        controls: Mean score by name of the control, under `MAIN`, with the oracle's.
        seconds: Per question in text mode.
    """

    pairs: JudgePairs
    scores: dict[Condition, np.ndarray]
    controls: dict[str, tuple[float, float]]
    seconds: float


def evaluate(folder: Path, pairs: JudgePairs) -> Measured:
    """Asks the judge in `folder` about every row of `pairs` under every condition, and about the controls."""
    scores = {}
    seconds = 0.0
    for condition in CONDITIONS:
        began = time.perf_counter()
        scores[condition] = judged(folder, pairs, condition)
        if condition.mode == "text":
            seconds = (time.perf_counter() - began) / len(pairs)
        logger.info("%s: %s", condition, agreement(pairs.scores, scores[condition], pairs.rows[:, 0]))
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
    """Mean scores, the judge's and the oracle's, of the exact targets under growing damage."""
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


def agreement_table(measured: Measured) -> str:
    """All candidates, then the editor's outputs alone, under every condition."""
    lines = [
        "| candidates | language | rationale | mode | n | Spearman | pairs | same edit | ties |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    pairs = measured.pairs
    for name, chosen in (("all", np.full(len(pairs), True)), ("editor's outputs", np.isin(pairs.kinds, EDITOR_KINDS))):
        for condition, judged in measured.scores.items():
            found = agreement(pairs.scores[chosen], judged[chosen], pairs.rows[chosen, 0])
            how = f"{condition.language} | {'yes' if condition.rationale else 'no'} | {condition.mode}"
            lines.append(f"| {name} | {how} | {_figures(found)} |")
    return "\n".join(lines)


def _figures(found: Agreement) -> str:
    shown = (found.spearman, found.pairs, found.same_edit, found.ties)
    return f"{found.count} | " + " | ".join("–" if np.isnan(value) else f"{value:.3f}" for value in shown)


def group_table(measured: Measured, condition: Condition) -> str:
    """One row for each category, then for each kind of candidate: mean scores and agreement."""
    pairs, judged = measured.pairs, measured.scores[condition]
    categories = np.array([pairs.rules[about][0] for about in pairs.rows[:, 0]])
    groups = [(category, categories == category) for category in CATEGORIES]
    groups += [(f"*{kind}*", pairs.kinds == kind) for kind in sorted(set(pairs.kinds))]
    lines = [
        "| group | oracle's mean | judge's mean | n | Spearman | pairs | same edit | ties |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, chosen in groups:
        found = agreement(pairs.scores[chosen], judged[chosen], pairs.rows[chosen, 0])
        means = f"{pairs.scores[chosen].mean():.2f} | {np.nanmean(judged[chosen]):.2f}"
        lines.append(f"| {name} | {means} | {_figures(found)} |")
    return "\n".join(lines)


def control_table(measured: Measured) -> str:
    """The ladders of damage: the judge should fall with the oracle."""
    lines = ["| exact target with | oracle | judge |", "|---|---|---|"]
    lines += [f"| {name} | {oracle:.2f} | {judge:.2f} |" for name, (judge, oracle) in measured.controls.items()]
    return "\n".join(lines)


def model_card(folder: Path, measured: Measured, remark: str, limits: str) -> str:
    """The text of the judge's README.md: what it is, how it was made, and the measured agreement."""
    from safetensors import safe_open

    facts = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    with safe_open(folder / "model.safetensors", "np") as weights:
        sizes = {name: int(np.prod(weights.get_slice(name).get_shape())) / 1e6 for name in weights.keys()}  # noqa: SIM118
    vision = sum(size for name, size in sizes.items() if ".visual." in name)
    coverage = np.isfinite(measured.scores[MAIN]).mean()
    return CARD.format(
        total=sum(sizes.values()),
        vision=vision,
        language=sum(sizes.values()) - vision,
        megabytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6,
        edits=CHUNK * facts["recipe"]["chunks"],
        candidates=facts["recipe"]["candidates"],
        outputs=facts["recipe"]["chunks"] * facts["recipe"]["outputs"],
        batch=facts["recipe"]["batch"],
        steps=facts["steps_done"],
        remark=remark,
        limits=limits,
        rows=len(measured.pairs),
        held_out=len(measured.pairs.words),
        seconds=measured.seconds,
        agreement=agreement_table(measured),
        kinds_note="" if coverage == 1.0 else f"; {coverage:.1%} of the questions were answered",
        groups=group_table(measured, MAIN),
        controls=control_table(measured),
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure a miniature judge on held-out edits; writes its model card.")
    parser.add_argument("--model", type=Path, default=Path("assets/miniature/judge"), help="folder of the judge")
    parser.add_argument("--editor", type=Path, default=Path("assets/miniature/editor"), help="whose outputs are judged")
    parser.add_argument("--chunks", type=int, default=1, help="held-out edits in hundreds, each of about 20 candidates")
    parser.add_argument("--remark", default="", help="what the recipe does not say of how these weights came about")
    parser.add_argument("--limits", default="", help="what the tables show that a user must know")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    pairs = draw_judge_pairs(Drawing(HELD_OUT_SEEDS, CANDIDATES, OUTPUTS, chosen.editor, seed=1), chosen.chunks)
    card = model_card(chosen.model, evaluate(chosen.model, thinned(pairs)), chosen.remark, chosen.limits)
    (chosen.model / "README.md").write_text(card, encoding="utf-8")
    logger.info("wrote %s", chosen.model / "README.md")


if __name__ == "__main__":
    main()
