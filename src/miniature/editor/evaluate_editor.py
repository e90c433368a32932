"""Measures a miniature editor on held-out edits and writes its model card.

Run as `python -m src.miniature.editor.evaluate_editor`.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.batches import FOREIGN_SHARE, NEUTRAL_SHARE, SIBLINGS
from src.miniature.editor.goals import missed_goals
from src.miniature.editor.opposites import PairShares, pair_shares, pairs_table
from src.miniature.editor.pairs import FOREIGN_SETTINGS
from src.miniature.editor.sampling import SAMPLING_STEPS, MiniatureEditor, PipelineEditor
from src.miniature.model_card import (
    add_limits,
    card_arguments,
    card_parser,
    markdown_table,
    megabytes,
    training_facts,
    write_card,
)
from src.miniature.trainer import start_command
from src.miniature.world.benchmark import HELD_OUT_SEEDS
from src.miniature.world.edits import (
    CATEGORIES,
    DIFFICULTIES,
    MiniatureEdit,
    families,
    make_edit,
    make_siblings,
    setting_families,
)
from src.miniature.world.split import HELD_OUT_FAMILIES, Wordings
from src.models.reward.reference_formula import compare_with_reference

if TYPE_CHECKING:
    from diffusers import QwenImageEditPipeline

NEUTRAL_INSTRUCTIONS = ("Describe the picture.", "描述这幅画。")
"""Words that ask for nothing; none of them is in the training set."""

COLUMNS = {
    "english": "English",
    "chinese": "Chinese",
    "reworded": "reworded",
    "untaught": "untaught wish",
    "untaught_explicit": "its explicit wording",
    "neutral": "neutral",
    "unrelated": "unrelated",
    "picture_only": "picture alone",
    "round_trip": "round trip",
}
"""The scores of a group, and what the card calls them."""

ASKED = ("english", "chinese", "reworded", "untaught", "untaught_explicit", "neutral", "unrelated")
"""The columns for which the editor makes edits."""

Scores = dict[str, list[float]]
"""Reference scores (0–10) of single edits, for each of `COLUMNS`; none where a column means nothing."""

logger = logging.getLogger(__name__)

CARD = """\
# The miniature editor

An image editor with the real Qwen-Image-Edit architecture at {total:.1f} million parameters ({sizes};
{megabytes:.0f} MB, half precision on disk, loaded in single precision). It edits the 64×64 pictures of EditLoop's
procedural world by an English or Chinese instruction. `QwenImageEditPipeline.from_pretrained` loads the folder.

It is a scientific instrument: the default editor on a machine without GPU, and the frozen environment of the miniature
reinforcement-learning runs. It is useless outside its world, and **no number here is a claim about real editors**.

- **Data**: {pictures:,} procedural pictures (training seeds from 1,000,000), each with every change that can be asked
  of it, about five, in explicit, medium and hard wordings of both languages. No outside picture, text or weight was
  used. A batch holds {siblings} edits of each of its pictures, so that their words alone tell them apart.
  {foreign:.0%} of the samples speak of things that the picture does not show, {neutral:.0%} ask for nothing; both leave
  the picture as it is. No text of the families
  {untaught}
  and no held-out wording (`src/miniature/world/split.py`) was in them. It reads no rationales.
- **Training**: autoencoder {vae_steps:,} steps of 16 pictures; then transformer and text encoder together, from
  scratch, {steps:,} steps of {batch} edits by flow matching, the source's tokens learning the change itself. {remark}
- **Goals that it misses**: {missed}. {limits}
- **Sampling**: Euler with a fixed shift of {shift:g}, {sampling_steps} steps, no guidance (`true_cfg_scale` 1.0),
  condition images at 64×64. `prompt_template_encode_start_idx` must be computed from the tokenizer
  (`src.models.diffusion.prompt_template`); EditLoop's editor classes do both.
- **Made by** `python -m src.miniature.editor.train_editor`,
  **measured by** `python -m src.miniature.editor.evaluate_editor --count {count}`.

## Held-out scores

Mean reference score, 0–10 (`src/models/reward/reference_formula.py`), of {count} held-out edits for each row
(seeds from 500,000, in no training set and no shipped benchmark); {seconds_per_edit:.2f} s per edit on the machine that
measured. *English* and *Chinese* are of taught families in taught wordings, *reworded* of the same edits in wordings
that training never read. *Untaught wish* is of families that its training read no word of; *its explicit wording* says
what to draw for the same edits: their gap is what a perfect rewriter of instructions could gain. *Neutral* asks for
nothing ("Describe the picture."), *unrelated* for something that the picture does not show. *Picture alone* makes one
of the changes that the picture allows at random, exactly: what can be had without reading. *Round trip* sends the exact
target through the autoencoder: the highest score within this editor's reach. No edit at all scores 0.

{table}

## Contrary edits of one picture

Pairs of edits of one held-out picture that are the contrary of each other (taught families and wordings, both languages
in turn). *Nearer* is the share of results that are nearer to their own target than to the contrary one (chance: 50%),
*both* the share of pairs in which both are (chance: 25%).

{pairs}
"""


def held_out_edits(
    category: str, difficulty: str, count: int, names: Sequence[str], wordings: Wordings
) -> list[MiniatureEdit]:
    """The first `count` held-out edits of a group; the families `names` take turns."""
    return [
        make_edit(category, difficulty, HELD_OUT_SEEDS.start + index, names[index % len(names)], wordings)
        for index in range(count)
    ]


def evaluate(editor: MiniatureEditor, count: int) -> dict[tuple[str, str], Scores]:
    """Scores `count` held-out edits of every category and difficulty with every wording and control."""
    groups = {}
    for category, difficulty in itertools.product(CATEGORIES, DIFFICULTIES):
        groups[category, difficulty] = _evaluate_group(editor, category, difficulty, count)
        logger.info("%s %s: English %.2f", category, difficulty, np.mean(groups[category, difficulty]["english"]))
    return groups


def _evaluate_group(editor: MiniatureEditor, category: str, difficulty: str, count: int) -> Scores:
    taught = held_out_edits(category, difficulty, count, families(category, "training"), "training")
    reworded = held_out_edits(category, difficulty, count, families(category, "training"), "held_out")
    untaught = held_out_edits(category, difficulty, count, families(category, "held_out"), "training")
    if difficulty == "easy":  # an explicit wording belongs to the change, which is taught
        untaught = []

    def scores(edits: list[MiniatureEdit], instructions: Iterable[str]) -> list[float]:
        if not edits:
            return []
        return reference_scores(edits, editor.edit([edit.source for edit in edits], list(instructions)))

    return {
        "english": scores(taught, (edit.instruction_en for edit in taught)),
        "chinese": scores(taught, (edit.instruction_zh for edit in taught)),
        "reworded": scores(reworded, in_turn((edit.instruction_en, edit.instruction_zh) for edit in reworded)),
        "untaught": scores(untaught, in_turn((edit.instruction_en, edit.instruction_zh) for edit in untaught)),
        "untaught_explicit": scores(untaught, in_turn((edit.explicit_en, edit.explicit_zh) for edit in untaught)),
        "neutral": scores(taught, in_turn([NEUTRAL_INSTRUCTIONS] * count)),
        "unrelated": scores(taught, unrelated_instructions(category, count)),
        "picture_only": [_picture_only(edit, index, difficulty) for index, edit in enumerate(taught)],
        "round_trip": reference_scores(taught, editor.round_trips([edit.target for edit in taught])),
    }


def in_turn(texts: Iterable[tuple[str, str]]) -> list[str]:
    """The English and the Chinese text of successive pairs in turn."""
    return [pair[index % 2] for index, pair in enumerate(texts)]


def _picture_only(edit: MiniatureEdit, index: int, difficulty: str) -> float:
    siblings = make_siblings(edit.category, difficulty, HELD_OUT_SEEDS.start + index, edit.family)
    targets = {sibling.target.tobytes(): sibling.target for sibling in siblings}
    return float(np.mean(reference_scores([edit] * len(targets), list(targets.values()))))


def reference_scores(edits: Sequence[MiniatureEdit], pictures: Sequence[np.ndarray]) -> list[float]:
    """The reference score (0–10) of each picture as the result of its edit."""
    return [
        compare_with_reference(edit.source, picture, edit.target).score
        for edit, picture in zip(edits, pictures, strict=True)
    ]


def unrelated_instructions(category: str, count: int) -> list[str]:
    """Explicit wordings of edits of other categories, which speak of things that the pictures do not show."""
    rules = [
        (other, name)
        for other in CATEGORIES
        if other != category
        for setting, names in setting_families(other).items()
        if setting in FOREIGN_SETTINGS
        for name in names
    ]
    edits = [
        make_edit(other, "easy", HELD_OUT_SEEDS.start + index, name)
        for index, (other, name) in zip(range(count), itertools.cycle(rules), strict=False)
    ]
    return in_turn((edit.explicit_en, edit.explicit_zh) for edit in edits)


def scores_table(groups: dict[tuple[str, str], Scores]) -> str:
    """The groups as a Markdown table, with the mean of each category and of all at the end."""
    rows = [_row(category, difficulty, [scores]) for (category, difficulty), scores in groups.items()]
    for category in CATEGORIES:
        rows.append(_row(f"**{category}**", "all", [scores for key, scores in groups.items() if key[0] == category]))
    rows.append(_row("**all**", "all", list(groups.values())))
    return markdown_table(("category", "difficulty", *COLUMNS.values()), rows)


def _row(category: str, difficulty: str, groups: list[Scores]) -> list[str]:
    found = ([score for scores in groups for score in scores[column]] for column in COLUMNS)
    return [category, difficulty, *(f"{np.mean(scores):.2f}" if scores else "–" for scores in found)]


def model_card(
    folder: Path,
    pipeline: QwenImageEditPipeline,
    groups: dict[tuple[str, str], Scores],
    pairs: PairShares,
    seconds_per_edit: float,
    remark: str,
    limits: str,
) -> str:
    """The text of the editor's README.md: what it is, how it was made, and the measured scores."""
    facts = training_facts(folder)
    parts = {name: getattr(pipeline, name) for name in ("transformer", "text_encoder", "vae")}
    millions = {name: sum(weight.numel() for weight in part.parameters()) / 1e6 for name, part in parts.items()}
    return CARD.format(
        sizes=", ".join(f"{name} {count:.1f} M" for name, count in millions.items()),
        total=sum(millions.values()),
        megabytes=megabytes(folder),
        pictures=facts["recipe"]["pictures"],
        siblings=SIBLINGS,
        foreign=FOREIGN_SHARE,
        neutral=NEUTRAL_SHARE,
        vae_steps=facts["recipe"]["vae_steps"],
        steps=facts["transformer_steps_done"],
        batch=facts["recipe"]["batch"],
        shift=pipeline.scheduler.config.shift,
        sampling_steps=SAMPLING_STEPS,
        count=len(next(iter(groups.values()))["english"]),
        seconds_per_edit=seconds_per_edit,
        table=scores_table(groups),
        pairs=pairs_table(pairs),
        untaught=", ".join(f"`{name}`" for name in sorted(HELD_OUT_FAMILIES)),
        missed=missed_goals(groups, pairs),
        remark=remark,
        limits=limits,
    )


def main() -> None:
    """The command line."""
    parser = card_parser("editor")
    parser.add_argument("--count", type=int, default=40, help="held-out edits of each category and difficulty")
    add_limits(parser)
    chosen = card_arguments(parser)
    from diffusers import QwenImageEditPipeline

    start_command()
    pipeline = QwenImageEditPipeline.from_pretrained(chosen.model)
    began = time.perf_counter()
    editor = PipelineEditor(pipeline)
    groups = evaluate(editor, chosen.count)
    edits = sum(len(scores[column]) for scores in groups.values() for column in ASKED)
    seconds_per_edit = (time.perf_counter() - began) / edits
    pairs = pair_shares(editor, chosen.count)
    told = (chosen.remark, chosen.limits)
    write_card(chosen.model, model_card(chosen.model, pipeline, groups, pairs, seconds_per_edit, *told))


if __name__ == "__main__":
    main()
