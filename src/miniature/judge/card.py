"""The model card of the miniature judge: what it is, how it was made, and how far it agrees with the oracle."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.miniature.judge.agreement import MAIN, Condition, Measured, RankAgreement, rank_agreement
from src.miniature.judge.pairs import CHUNK, EDITOR_KINDS
from src.miniature.model_card import markdown_table, megabytes, training_facts
from src.miniature.world.edits import CATEGORIES

FIGURES = ("n", "Spearman", "pairs", "same edit", "ties")
"""Columns of the tables: the fields of `RankAgreement`."""

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


def model_card(folder: Path, measured: Measured, remark: str, limits: str) -> str:
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
