"""The model card of the miniature judge: what it is, how it was made, and how far it agrees with the oracle."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.miniature.judge.agreement import MAIN, Condition, Measured, RankAgreement, rank_agreement
from src.miniature.judge.batches import LONG_EVERY
from src.miniature.judge.drawing import CHUNK
from src.miniature.judge.pairs import EDITOR_KINDS, WRONG_QUESTIONS
from src.miniature.judge.probes import CLEAR_DIFFERENCE, NEAR, Share, result_order
from src.miniature.judge.prompts import LONGEST_RUBRIC
from src.miniature.judge.questions import RATIONALE_SHARE, UNSEEN_SHARE
from src.miniature.model_card import markdown_table, megabytes, training_facts
from src.miniature.world.edits import CATEGORIES
from src.miniature.world.split import HELD_OUT_FAMILIES

FIGURES = ("n", "Spearman", "pairs", "same edit", "ties")
"""Columns of the tables: the fields of `RankAgreement`."""

SHIPPED_EDITOR = Path("assets/miniature/editor")
STATES = """
  (a name alone is an earlier state of the editor's own training, which is not shipped: a copy of the folder that
  `python -m src.miniature.editor.train_editor --out` replaces every 1,000 steps, taken at the step of the name)"""
CARD = """\
# The miniature judge

A vision-language judge with the real Qwen3-VL architecture at {total:.1f} million parameters (vision tower
{vision:.1f} M, language model {language:.1f} M; {megabytes:.0f} MB: half precision on disk, single when loaded).
It scores edits of the 64×64 pictures of EditLoop's procedural world, asked with the shipped prompts in
`prompts/category`, in English or Chinese, and answers `Score: X.X`. `AutoModelForImageTextToText.from_pretrained` loads
the folder.

It is a scientific instrument: the default judge on a machine without GPU or network, and the reward of the miniature
reinforcement-learning runs. It is useless outside its world, and **no number here is a claim about real judges**.

- **Data**: {pictures:,} procedural pictures (training seeds from which no editor learned) with every change that can be
  asked of them, about five; for each change {candidates} made-up candidates (right, partial, weak, wrong, damaged …),
  in all {outputs:,} outputs of the miniature editor and as many mended ones, each with the oracle's score
  (`src/models/reward/reference_formula.py`); besides swapped pictures, foreign sources and foreign wishes, which score
  0. No outside picture, text or weight was used. No instruction of the families
  {untaught}
  and no held-out wording (`src/miniature/world/split.py`) was in them; of their rationales about a tenth was, word for
  word, because a taught family gives the same reason for the same change.
- **Training**: {steps:,} steps of {batch} questions from scratch. Half of the questions come in blocks of two wishes of
  one picture with two results: only wish and pictures together tell the score. Most others compare four results of one
  wish. The loss is the cross-entropy to an ordered distribution over the digits of the score, the mean squared distance
  of the possible digits, and the order within blocks; auxiliary heads, dropped afterwards, learned to see where
  pictures differ and what the wish demands. {rationales:.0%} of the questions have a rationale, half of these a foreign
  one: the wish alone decides. {unseen:.0%} of the results bear a difference that nobody sees, with an unchanged score.
  Every {long_every}th step reads a foreign rubric of up to {longest:,} tokens. {remark}
- **Reads**: each fixed text of the prompts is one token, so a question has about a hundred. Rubrics of other protocols
  are legible to it only as pieces and bytes; it scores by pictures and wish then. A changed category prompt needs a new
  training.
- **Limits**: it never says 10.0 (the exact target gets 9.9 at most). {limits}
- **Made by** `python -m src.miniature.judge.train_judge --steps {plain_steps} --editor {editors}`{states},
  **measured by** `python -m src.miniature.judge.evaluate_judge --chunks {measured_chunks}`.

## What is held out

Questions in English without rationale about held-out pictures (seeds from 500,000, in no training set and no shipped
benchmark) of three parts of the world: taught families in taught wordings, taught families in wordings that training
never read, and families of which it read no instruction. *Guess without words* is the best guess of someone who sees
both pictures and everything that can be asked of the first, but not the wish. *Wishes* is how often a result scores
higher for the wish that it grants than for another wish of the same picture, *results* how often the better one of two
results of one wish scores higher, *outputs* the same of two outputs of the editor; all where the oracle's scores differ
by {clear:g} or more, ties counted half (chance: 50%). *All outputs* counts every pair that the oracle tells apart.
Brackets hold 95 % intervals, robust to several questions about one picture, and numbers of pairs.

{parts}

## What the score depends on

The exact result of a held-out edit under right and wrong questions (English). The other change is one for which the
shown result is worth less than {clear:g}. *Δ* is the mean distance from the first row, question by question.

{dependence}

## What it does not depend on

How often a result scores within {near:g} of its score when it is changed in a way that nobody sees. *Apart* is the mean
difference of both pictures in grey levels.

{stability}

## Agreement with the oracle

{rows:,} candidates of {held_out} held-out edits of taught families in taught wordings,
asked through `CategoryScorer` and `Qwen3VLRewardModel`. *Pairs* is the share of pairs of candidates that the judge puts
in its order, ties counted half; *same edit* takes only pairs of one edit; *ties* is the share of pairs that the
oracle tells apart and the judge does not. *Expected* is `score_mode: expected`. {seconds:.3f} s a question in text mode
on the machine that measured.

{agreement}

## By category and by kind of candidate

English, with rationale, expected mode{kinds_note}.

{groups}

## Controls

Mean scores of held-out edits under the same conditions.

{controls}
"""


def agreement_table(measured: Measured) -> str:
    """All candidates, then the editor's outputs alone, under every condition."""
    pairs, rows = measured.pairs, []
    for name, chosen in (("all", np.full(len(pairs), True)), ("editor's outputs", np.isin(pairs.kinds, EDITOR_KINDS))):
        for condition, judged in measured.scores.items():
            found = rank_agreement(pairs.scores[chosen], judged[chosen], pairs.rows[chosen, 0])
            how = (condition.language, "yes" if condition.rationale else "no", condition.mode)
            rows.append((name, *how, *_figures(found)))
    return markdown_table(("candidates", "language", "rationale", "mode", *FIGURES), rows)


def _figures(found: RankAgreement) -> tuple[str, ...]:
    """The cells below `FIGURES`."""
    shown = (found.spearman, found.pairs, found.same_edit, found.ties)
    return str(found.count), *("–" if np.isnan(value) else f"{value:.3f}" for value in shown)


def group_table(measured: Measured, condition: Condition) -> str:
    """One row for each category, then for each kind of candidate: mean scores and agreement."""
    pairs, judged = measured.pairs, measured.scores[condition]
    categories = np.array([pairs.rules[about][0] for about in pairs.rows[:, 0]])
    groups = [(category, categories == category) for category in CATEGORIES]
    groups += [(f"*{kind}*", pairs.kinds == kind) for kind in sorted(set(pairs.kinds))]
    rows = []
    for name, chosen in groups:
        found = rank_agreement(pairs.scores[chosen], judged[chosen], pairs.rows[chosen, 0])
        means = f"{pairs.scores[chosen].mean():.2f}", f"{np.nanmean(judged[chosen]):.2f}"
        rows.append((name, *means, *_figures(found)))
    return markdown_table(("group", "oracle's mean", "judge's mean", *FIGURES), rows)


def control_table(measured: Measured) -> str:
    """The ladders of damage: the judge should fall with the oracle."""
    rows = [(name, f"{oracle:.2f}", f"{judge:.2f}") for name, (judge, oracle) in measured.controls.items()]
    return markdown_table(("exact target with", "oracle", "judge"), rows)


def parts_table(measured: Measured) -> str:
    """Each part of the world in both modes and by the guess without words."""
    columns = ("questions", "scored by", "n", "Spearman", "wishes", "results", "outputs", "all outputs")
    rows = []
    for name, part in measured.parts.items():
        scored = [(f"judge, {mode}", judged, cell(part.wishes[mode], 100)) for mode, judged in part.scores.items()]
        ordinary = ~np.isin(part.pairs.kinds, WRONG_QUESTIONS)
        for by, judged, wishes in [*scored, ("guess without words", part.guess, "50%")]:
            found = rank_agreement(part.pairs.scores[ordinary], judged[ordinary], part.pairs.rows[ordinary, 0])
            orders = [
                result_order(part.pairs, judged, least, kinds)
                for least, kinds in ((CLEAR_DIFFERENCE, None), (CLEAR_DIFFERENCE, EDITOR_KINDS), (0.0, EDITOR_KINDS))
            ]
            figures = str(found.count), f"{found.spearman:.3f}", wishes, *(cell(order, 100) for order in orders)
            rows.append((name, by, *figures))
    return markdown_table(columns, rows)


def cell(found: Share, scale: int = 1) -> str:
    """A mean with its interval and count, as a number or (with a `scale` of 100) in per cent."""
    if not found.count:
        return "–"

    def shown(value: float) -> str:
        return f"{value:.0%}" if scale == 100 else f"{value:.2f}"

    ends = "" if found.interval is None else f"{shown(found.interval[0])} to {shown(found.interval[1])}; "
    return f"{shown(found.mean)} [{ends}{found.count}]"


def dependence_table(measured: Measured) -> str:
    """Each question about exact results: mean score and distance from the first question, in both modes."""
    modes = list(measured.probed)
    rows = []
    for lines in zip(*(measured.probed[mode].dependence for mode in modes), strict=True):
        rows.append([lines[0][0].name, *(text for score, distance in lines for text in (cell(score), cell(distance)))])
    return markdown_table(("question", *(name for mode in modes for name in (mode, f"Δ {mode}"))), rows)


def stability_table(measured: Measured) -> str:
    """Each difference that nobody sees: how far pictures are apart, and how often scores are near, in both modes."""
    modes = list(measured.probed)
    rows = []
    for lines in zip(*(measured.probed[mode].stability for mode in modes), strict=True):
        rows.append([lines[0][0].name, f"{lines[0][1]:.2f}", *(cell(found, 100) for found, _ in lines)])
    return markdown_table(("difference", "apart", *modes), rows)


def model_card(folder: Path, measured: Measured, measured_chunks: int, remark: str, limits: str) -> str:
    """The text of the judge's README.md: what it is, how it was made, and the measured agreement."""
    from safetensors import safe_open

    facts = training_facts(folder)
    with safe_open(folder / "model.safetensors", "np") as weights:
        sizes = {name: int(np.prod(weights.get_slice(name).get_shape())) / 1e6 for name in weights.keys()}  # noqa: SIM118
    vision = sum(size for name, size in sizes.items() if ".visual." in name)
    coverage = np.isfinite(measured.scores[MAIN]).mean()
    return CARD.format(
        total=sum(sizes.values()),
        vision=vision,
        language=sum(sizes.values()) - vision,
        megabytes=megabytes(folder),
        pictures=CHUNK * facts["recipe"]["chunks"],
        candidates=facts["recipe"]["candidates"],
        outputs=facts["recipe"]["chunks"] * facts["recipe"]["outputs"],
        untaught=", ".join(f"`{name}`" for name in sorted(HELD_OUT_FAMILIES)),
        rationales=RATIONALE_SHARE,
        unseen=UNSEEN_SHARE,
        long_every=LONG_EVERY,
        longest=LONGEST_RUBRIC,
        editors=" ".join(str(SHIPPED_EDITOR) if name == SHIPPED_EDITOR.name else name for name in facts["editors"]),
        states="" if facts["editors"] == [SHIPPED_EDITOR.name] else STATES,
        measured_chunks=measured_chunks,
        clear=CLEAR_DIFFERENCE,
        near=NEAR,
        parts=parts_table(measured),
        dependence=dependence_table(measured),
        stability=stability_table(measured),
        batch=facts["recipe"]["batch"],
        steps=facts["steps_done"],
        plain_steps=facts["steps_done"],
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
