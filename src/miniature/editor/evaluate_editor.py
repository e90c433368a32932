"""Measures a miniature editor on held-out edits and writes its model card.

Run as `python -m src.miniature.editor.evaluate_editor`.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.pairs import UNRELATED_SHARE
from src.miniature.editor.sampling import SAMPLING_STEPS, edit_pictures
from src.miniature.editor.train_vae import round_trips
from src.miniature.model_card import card_parser, markdown_table, megabytes, training_facts, write_card
from src.miniature.trainer import start_command
from src.miniature.world.benchmark import HELD_OUT_SEEDS
from src.miniature.world.edits import CATEGORIES, DIFFICULTIES, MiniatureEdit, families, make_edit
from src.miniature.world.split import HELD_OUT_FAMILIES
from src.models.reward.reference_formula import compare_with_reference

if TYPE_CHECKING:
    from diffusers import QwenImageEditPipeline

NEUTRAL_INSTRUCTION = "Describe the picture."

COLUMNS = {
    "english": "English",
    "chinese": "Chinese",
    "explicit": "explicit",
    "neutral": "neutral",
    "unrelated": "unrelated",
    "no_edit": "no edit",
    "exact": "exact",
    "round_trip": "round trip",
}
"""The scores of `GroupScores`, and what the card calls them."""

logger = logging.getLogger(__name__)

CARD = """\
# The miniature editor

An image editor with the real Qwen-Image-Edit architecture at {total:.1f} million parameters ({sizes};
{megabytes:.0f} MB, half precision on disk, loaded in single precision). It edits the 64×64 pictures of EditLoop's
procedural world by an English or Chinese instruction. `QwenImageEditPipeline.from_pretrained` loads the folder.

It is a scientific instrument: the default editor on a machine without GPU, and the frozen environment of the miniature
reinforcement-learning runs. It is useless outside its world, and **no number here is a claim about real editors**.

- **Data**: {pairs:,} procedural edits (training seeds from 1,000,000), each with its instruction and an explicit
  wording in both languages. No outside picture, text or weight was used. {unrelated:.0%} of the samples are pictures
  with an instruction about things that they do not show, and no change. No text of the families
  {untaught} and no held-out wording (`src/miniature/world/split.py`) was in them.
- **Training**: autoencoder {vae_steps:,} steps of 16 pictures; then transformer and text encoder together, from
  scratch, {steps:,} steps of {batch} edits by flow matching. {remark}
- **Sampling**: Euler with a fixed shift of {shift:g}, {sampling_steps} steps, no guidance (`true_cfg_scale` 1.0),
  condition images at 64×64. `prompt_template_encode_start_idx` must be computed from the tokenizer
  (`src.models.diffusion.prompt_template`); EditLoop's editor classes do both.
- **Made by** `python -m src.miniature.editor.train_editor`,
  **measured by** `python -m src.miniature.editor.evaluate_editor`.

## Held-out scores

Mean reference score, 0–10 (`src/models/reward/reference_formula.py`), of {count} held-out edits for each row
(seeds from
500,000, in no training set and no shipped benchmark); {seconds_per_edit:.2f} s per edit on the machine that measured.
*Explicit wording* says what to draw: the gap to the instruction's columns is what a perfect rewriter of instructions
could gain. *Neutral* asks for nothing ("Describe the picture."), *unrelated* for an edit of another category: where
these reach the other columns, the editor acts on the picture and not on the instruction. *Round trip* sends the exact
target through the autoencoder: the highest score within this editor's reach.

{table}
"""


@dataclass(frozen=True)
class GroupScores:
    """Mean reference scores (0–10) of the held-out edits of one category and difficulty.

    Attributes:
        category: Their category.
        difficulty: Their difficulty.
        count: How many edits.
        english: With the English instruction.
        chinese: With the Chinese instruction.
        explicit: With the wording that says what to draw, in both languages in turn: what a perfect rewriter reaches.
        neutral: With `NEUTRAL_INSTRUCTION`, which asks for nothing: what the picture alone suggests to the editor.
        unrelated: With the explicit wording of an edit of another category, which means nothing here.
        no_edit: The untouched source.
        exact: The exact target.
        round_trip: The exact target through the autoencoder, the highest that this editor can reach.
    """

    category: str
    difficulty: str
    count: int
    english: float
    chinese: float
    explicit: float
    neutral: float
    unrelated: float
    no_edit: float
    exact: float
    round_trip: float


def held_out_edits(category: str, difficulty: str, count: int) -> list[MiniatureEdit]:
    """The first `count` held-out edits of a group; the rules of the category take turns."""
    names = families(category)
    return [
        make_edit(category, difficulty, HELD_OUT_SEEDS.start + index, names[index % len(names)], "held_out")
        for index in range(count)
    ]


def evaluate(pipeline: QwenImageEditPipeline, count: int, steps: int = SAMPLING_STEPS) -> list[GroupScores]:
    """Scores `count` held-out edits of every category and difficulty with every wording and control."""
    groups = []
    for category in CATEGORIES:
        for difficulty in DIFFICULTIES:
            edits = held_out_edits(category, difficulty, count)
            groups.append(_evaluate_group(pipeline, edits, steps))
            logger.info("%s %s: English %.2f", category, difficulty, groups[-1].english)
    return groups


def _evaluate_group(pipeline: QwenImageEditPipeline, edits: list[MiniatureEdit], steps: int) -> GroupScores:
    sources = [edit.source for edit in edits]
    targets = [edit.target for edit in edits]
    explicit = [edit.explicit_zh if index % 2 else edit.explicit_en for index, edit in enumerate(edits)]

    def edited(instructions: list[str]) -> float:
        return _mean_score(edits, edit_pictures(pipeline, sources, instructions, steps))

    return GroupScores(
        category=edits[0].category,
        difficulty=edits[0].difficulty,
        count=len(edits),
        english=edited([edit.instruction_en for edit in edits]),
        chinese=edited([edit.instruction_zh for edit in edits]),
        explicit=edited(explicit),
        neutral=edited([NEUTRAL_INSTRUCTION] * len(edits)),
        unrelated=edited(unrelated_instructions(edits[0].category, len(edits))),
        no_edit=_mean_score(edits, sources),
        exact=_mean_score(edits, targets),
        round_trip=_mean_score(edits, round_trips(pipeline.vae, targets)),
    )


def _mean_score(edits: list[MiniatureEdit], pictures: Sequence[np.ndarray] | np.ndarray) -> float:
    scores = [
        compare_with_reference(edit.source, picture, edit.target).score
        for edit, picture in zip(edits, pictures, strict=True)
    ]
    return float(np.mean(scores))


def unrelated_instructions(category: str, count: int) -> list[str]:
    """Explicit wordings of edits of other categories, which speak of things that the scenes do not show."""
    rules = [(other, name) for other in CATEGORIES if other != category for name in families(other)]
    edits = [
        make_edit(other, "easy", HELD_OUT_SEEDS.start + index, name, "held_out")
        for index, (other, name) in zip(range(count), itertools.cycle(rules), strict=False)
    ]
    return [edit.explicit_zh if index % 2 else edit.explicit_en for index, edit in enumerate(edits)]


def scores_table(groups: list[GroupScores]) -> str:
    """The groups as a Markdown table, with the mean of each difficulty at the end."""
    rows = [_row(group.category, group.difficulty, [group]) for group in groups]
    for difficulty in DIFFICULTIES:
        rows.append(_row("**all**", difficulty, [group for group in groups if group.difficulty == difficulty]))
    return markdown_table(("category", "difficulty", *COLUMNS.values()), rows)


def _row(category: str, difficulty: str, groups: list[GroupScores]) -> list[str]:
    means = (np.mean([getattr(group, column) for group in groups]) for column in COLUMNS)
    return [category, difficulty, *(f"{mean:.2f}" for mean in means)]


def model_card(
    folder: Path, pipeline: QwenImageEditPipeline, groups: list[GroupScores], seconds_per_edit: float, remark: str
) -> str:
    """The text of the editor's README.md: what it is, how it was made, and the measured scores."""
    facts = training_facts(folder)
    parts = {name: getattr(pipeline, name) for name in ("transformer", "text_encoder", "vae")}
    millions = {name: sum(weight.numel() for weight in part.parameters()) / 1e6 for name, part in parts.items()}
    return CARD.format(
        sizes=", ".join(f"{name} {count:.1f} M" for name, count in millions.items()),
        total=sum(millions.values()),
        megabytes=megabytes(folder),
        pairs=facts["recipe"]["pairs"],
        vae_steps=facts["recipe"]["vae_steps"],
        steps=facts["transformer_steps_done"],
        batch=facts["recipe"]["batch"],
        shift=pipeline.scheduler.config.shift,
        sampling_steps=SAMPLING_STEPS,
        count=groups[0].count,
        seconds_per_edit=seconds_per_edit,
        table=scores_table(groups),
        untaught=", ".join(f"`{name}`" for name in sorted(HELD_OUT_FAMILIES)),
        unrelated=UNRELATED_SHARE,
        remark=remark,
    )


def main() -> None:
    """The command line."""
    parser = card_parser("editor")
    parser.add_argument("--count", type=int, default=40, help="held-out edits of each category and difficulty")
    chosen = parser.parse_args()
    from diffusers import QwenImageEditPipeline

    start_command()
    pipeline = QwenImageEditPipeline.from_pretrained(chosen.model)
    began = time.perf_counter()
    groups = evaluate(pipeline, chosen.count)
    edits = 5 * chosen.count * len(groups)
    card = model_card(chosen.model, pipeline, groups, (time.perf_counter() - began) / edits, chosen.remark)
    write_card(chosen.model, card)


if __name__ == "__main__":
    main()
