"""Measures a miniature judge on held-out edits, as a benchmark run asks it, and writes its model card.

Run as `python -m src.miniature.judge.evaluate_judge`.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from src.miniature.judge.agreement import CONDITIONS, MAIN, Condition, Measured, PartScores, Probed, rank_agreement
from src.miniature.judge.asking import Asked, HeldOutJudge, questions_of
from src.miniature.judge.candidates import blurred, compressed
from src.miniature.judge.card import model_card
from src.miniature.judge.drawing import PairSettings, draw_judge_pairs
from src.miniature.judge.pairs import EDITOR_KINDS, JudgePairs
from src.miniature.judge.probes import dependence, picture_guess, stability, wish_order
from src.miniature.model_card import add_limits, card_arguments, card_parser, write_card
from src.miniature.trainer import start_command
from src.miniature.world.benchmark import HELD_OUT_SEEDS

CANDIDATES, OUTPUTS = 2, 60
"""Made-up candidates for each edit, and outputs of the editor for each chunk."""
MOST_OF_A_KIND = 80
"""Rows of each kind that are asked about; the editor's own outputs are all."""
BLUR_RADII = (0.0, 0.5, 1.0, 2.0, 4.0)
JPEG_QUALITIES = (95, 50, 20, 5)
CONTROL_EDITS = 100
TEXT = replace(MAIN, rationale=False, mode="text")
EXPECTED = replace(TEXT, mode="expected")
"""How probes ask: as `MAIN`, but without a rationale where they name none."""

logger = logging.getLogger(__name__)


def evaluate(folder: Path, parts: dict[str, JudgePairs]) -> Measured:
    """Asks the judge in `folder` everything that its card tells.

    Args:
        folder: The judge.
        parts: Rows of taught families in taught wordings, and of parts of the world that training leaves out; the first
            part is asked under every condition.
    """
    pairs = next(iter(parts.values()))
    scores = {}
    seconds = 0.0
    for condition in CONDITIONS:
        began = time.perf_counter()
        scores[condition] = judged(folder, pairs, condition)
        if condition.mode == "text":
            seconds = (time.perf_counter() - began) / len(pairs)
        logger.info("%s: %s", condition, rank_agreement(pairs.scores, scores[condition], pairs.rows[:, 0]))
    probed = {condition.mode: probe(folder, pairs, condition) for condition in (TEXT, EXPECTED)}
    known = {TEXT: scores[TEXT], EXPECTED: scores[EXPECTED]}
    told = {name: part_scores(folder, part, known if part is pairs else {}) for name, part in parts.items()}
    return Measured(pairs, scores, _controls(folder, pairs), seconds, told, probed)


def probe(folder: Path, pairs: JudgePairs, condition: Condition) -> Probed:
    """What the score depends on, and how stable it is."""
    judge = HeldOutJudge(folder, condition.language, condition.mode)
    return Probed(dependence(judge, pairs), stability(judge, pairs))


def part_scores(folder: Path, pairs: JudgePairs, known: dict[Condition, np.ndarray]) -> PartScores:
    """The scores of a part of the world without rationales, its order of wishes, and the guess without words."""
    scores = {
        condition.mode: known[condition] if condition in known else judged(folder, pairs, condition)
        for condition in (TEXT, EXPECTED)
    }
    wishes = {
        condition.mode: wish_order(HeldOutJudge(folder, condition.language, condition.mode), pairs)
        for condition in (TEXT, EXPECTED)
    }
    return PartScores(pairs, scores, wishes, picture_guess(pairs))


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
    return judge(pairs, questions_of(pairs, condition.rationale))


def _controls(folder: Path, pairs: JudgePairs) -> dict[str, tuple[float, float]]:
    """Measures the mean scores that judge and oracle give to exact targets under growing damage."""
    judge = HeldOutJudge(folder, MAIN.language, MAIN.mode)
    edits = np.random.default_rng(0).permutation(len(pairs.words))[:CONTROL_EDITS].tolist()
    sources, targets = (pairs.pictures[places[edits]] for places in (pairs.sources, pairs.targets))
    ladders = {f"blur, radius {radius:g}": [blurred(target, radius) for target in targets] for radius in BLUR_RADII}
    ladders |= {
        f"JPEG, quality {quality}": [compressed(target, quality) for target in targets] for quality in JPEG_QUALITIES
    }
    means = {}
    for name, shown in ladders.items():
        asked = [
            Asked(edit, source, picture, edit) for edit, source, picture in zip(edits, sources, shown, strict=True)
        ]
        oracle = [pairs.oracle(edit, picture) for edit, picture in zip(edits, shown, strict=True)]
        means[name] = float(np.nanmean(judge(pairs, asked))), float(np.mean(oracle))
    return means


def held_out_parts(editor: Path, chunks: int) -> dict[str, JudgePairs]:
    """Draws held-out pictures: of taught families and wordings, in held-out wordings, and of held-out families."""
    taught = PairSettings(HELD_OUT_SEEDS, CANDIDATES, OUTPUTS, (editor,), seed=1)
    drawn = {
        "taught": taught,
        "held-out wordings": replace(taught, wordings="held_out"),
        "held-out families": replace(taught, held_out=True),
    }
    return {name: thinned(draw_judge_pairs(settings, chunks)) for name, settings in drawn.items()}


def main() -> None:
    """The command line."""
    parser = card_parser("judge")
    parser.add_argument("--editor", type=Path, default=Path("assets/miniature/editor"), help="whose outputs are judged")
    parser.add_argument("--chunks", type=int, default=5, help="held-out pictures of each part, in twenties")
    add_limits(parser)
    chosen = card_arguments(parser)
    start_command()
    measured = evaluate(chosen.model, held_out_parts(chosen.editor, chosen.chunks))
    write_card(chosen.model, model_card(chosen.model, measured, chosen.chunks, chosen.remark, chosen.limits))


if __name__ == "__main__":
    main()
