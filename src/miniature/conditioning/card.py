"""The model card of the text encoder that writes: what it is, how it was made, and what its completions are worth.

Run `python -m src.miniature.conditioning.card MEASURED [MEASURED …]` with folders of
`src.miniature.conditioning.measure`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.miniature.conditioning.measure import OWN, TAUGHT, TRAINED
from src.miniature.conditioning.teach_encoder import PAINT_EVERY
from src.miniature.editor.sampling import SAMPLING_STEPS
from src.miniature.learning.wishes import SETS
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
from src.miniature.world.edits import CATEGORIES
from src.miniature.world.split import HELD_OUT_FAMILIES

EXAMPLES = 6
CARD = """\
# The miniature editor's text encoder, taught to write

The text encoder of the miniature editor (`assets/miniature/editor`: the real Qwen2.5-VL architecture at
{millions:.1f} million parameters, {megabytes:.0f} MB, half precision on disk, loaded in single precision), which writes
what is to be drawn before the editor's frozen transformer paints. It is the starting point of
`configs/training/miniature_conditioning.yaml`, and an entry of the benchmark by `think: {{policy: {folder}}}`. Plain
diffusers loads it as `text_encoder`.

It is a scientific instrument. It is useless outside EditLoop's procedural world, and **no number here is a claim about
real editors**.

- **Data**: {pictures:,} procedural pictures with all their changes (training seeds from 1,000,000). A completion is the
  explicit wording of the wish, in its language. No text of the families
  {untaught}
  and no held-out wording (`src/miniature/world/split.py`) was among them. No outside picture, text or weight was used.
- **Training**: {steps:,} steps of {batch} wishes; every {every} steps, {painted} of them are painted from by the
  frozen transformer of the editor. {remark}
- **Losses on held-out pictures**: {losses}.
- **What it is not**: the stock text encoder (see *no completion*). {limits}
- **Made by** `python -m src.miniature.conditioning.teach_encoder`, **measured by**
  {measured}, written by
  `python -m src.miniature.conditioning.card outputs/miniature_conditioning/measured`.

## What it paints

Scores of 0–10, English wishes on new pictures (seeds from 300,000), medium and hard wordings, {sampling} steps. In
brackets the paired difference from the user's words through the stock path of the shipped editor, with its 95 %
interval.

{tables}

## What it writes

The first wishes of the first set, unselected.

{examples}
"""


def model_card(folder: Path, measured: Sequence[Path], remark: str, limits: str) -> str:
    """The model card of the encoder in `folder`.

    Args:
        folder: The encoder's.
        measured: Folders with a `measured.json` each.
        remark: What the recipe does not say of how these weights came about.
        limits: What the tables show that a user must know.
    """
    from transformers import AutoModelForImageTextToText

    facts, found = training_facts(folder), [json.loads((one / "measured.json").read_text("utf-8")) for one in measured]
    recipe = facts["recipe"]
    return CARD.format(
        millions=AutoModelForImageTextToText.from_pretrained(folder).num_parameters() / 1e6,
        megabytes=megabytes(folder),
        folder=folder.as_posix(),
        untaught=", ".join(f"`{name}`" for name in sorted(HELD_OUT_FAMILIES)),
        steps=facts["steps_done"],
        every=PAINT_EVERY,
        sampling=SAMPLING_STEPS,
        losses=", ".join(f"{name} {value:.3f}" for name, value in facts["held_out_losses"].items()),
        tables="\n\n".join(map(scores_table, found)),
        examples="\n".join(f"- {text}" for text in found[0]["texts"][OWN.format(TAUGHT)][:EXAMPLES]),
        measured=" and ".join(_command(folder, one) for one in found),
        remark=remark,
        limits=limits,
        **{name: recipe[name] for name in ("pictures", "batch", "painted")},
    )


def _command(folder: Path, measured: dict[str, Any]) -> str:
    each = measured["rows"][0]["wishes"] // len(CATEGORIES)
    asked = f"{folder.as_posix()} --set {measured['set']} --per-category {each}"
    return f"`python -m src.miniature.conditioning.measure {asked}`"


def scores_table(measured: dict[str, Any]) -> str:
    """The table of a set: a row for each way of painting but those after GRPO, a column for each instrument."""
    rows: dict[str, list[str]] = {}
    for row in measured["rows"]:
        if row["way"].startswith(TRAINED):
            continue
        between = "" if row["ci95"] is None else " [{:+.2f}, {:+.2f}]".format(*row["ci95"])
        rows.setdefault(row["way"], []).append(f"{row['mean']:.2f} ({row['difference']:+.2f}{between})")
    instruments = list(dict.fromkeys(row["instrument"] for row in measured["rows"]))
    count = measured["rows"][0]["wishes"]
    lines = markdown_table(("painted from", *instruments), [(way, *cells) for way, cells in rows.items()])
    return f"### {SETS[measured['set']].title}: {count} wishes\n\n{lines}"


def main() -> None:
    """The command line."""
    parser = card_parser("thinking_encoder")
    parser.add_argument("measured", type=Path, nargs="+", help="folders of src.miniature.conditioning.measure")
    add_limits(parser)
    chosen = card_arguments(parser)
    start_command()
    write_card(chosen.model, model_card(chosen.model, chosen.measured, chosen.remark, chosen.limits))


if __name__ == "__main__":
    main()
