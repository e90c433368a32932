"""Measures a miniature token editor on held-out edits, beside the diffusion editor, and writes its model card.

Run as `python -m src.miniature.tokens.evaluate_editor`.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from src.miniature.editor.batches import FOREIGN_SHARE, NEUTRAL_SHARE, SIBLINGS
from src.miniature.editor.evaluate_editor import (
    ASKED,
    COLUMNS,
    Scores,
    evaluate,
    held_out_edits,
    reference_scores,
    scores_table,
)
from src.miniature.editor.opposites import PairShares, pair_shares, pairs_table
from src.miniature.editor.pairs import draw_pairs
from src.miniature.editor.sampling import MiniatureEditor, PipelineEditor
from src.miniature.model_card import card_arguments, card_parser, markdown_table, megabytes, training_facts, write_card
from src.miniature.tokens.codebook import CHANGED_SHARE
from src.miniature.tokens.reconstruction import TokenEditor, reconstruction_table, with_interval
from src.miniature.tokens.sheet import draw_sheet, sheet_edits
from src.miniature.trainer import start_command
from src.miniature.world.benchmark import HELD_OUT_SEEDS
from src.miniature.world.edits import CATEGORIES, families
from src.miniature.world.split import HELD_OUT_FAMILIES
from src.models.diffusion.implementations.token_edit import TokenEditModel

BATCH = 30
TEMPERATURE = 0.0
"""The likeliest codes: on this size every draw beside the likeliest is a likely mistake."""
TOKENIZER_PICTURES = 100
"""Held-out pictures with all their changes by which the tokenizer is measured."""
NO_EDIT, DIFFUSION = "no_edit", "diffusion"
BESIDE = {NO_EDIT: "no edit by codes", DIFFUSION: "diffusion editor"}
"""What the card shows beside the token editor's own columns."""

Groups = dict[tuple[str, str], Scores]

logger = logging.getLogger(__name__)

CARD = """\
# The miniature token editor

An image editor with transformers' own Emu3 classes at {total:.1f} million parameters ({sizes}; {megabytes:.0f} MB, half
precision on disk, loaded in single precision). It reads a 64×64 picture of EditLoop's procedural world as 8×8 tokens of
{codes:,}, and an English or Chinese instruction, and writes the edited picture as 8×8 tokens.
`Emu3ForConditionalGeneration.from_pretrained` and `Emu3Processor.from_pretrained` load the folder; EditLoop runs it as
`TokenEditModel` with `instruction_first: true` (`configs/evaluation/miniature_tokens.yaml`).

It is a scientific instrument: the policy of the miniature reinforcement learning on tokens. It is useless outside its
world, and **no number here is a claim about real editors**.

- **Tokenizer**: `Emu3VQVAE`. Its encoder is not trained: its stock layers hold the principal directions of cells of
  8×8 pixels, one cell at a time (`src/miniature/tokens/picture_tokens.py`), and k-means over {cells:,} cells,
  {changed:.0%} of them changed by an edit, made the codebook. So an edit changes no code of a cell whose pixels it
  leaves alone. The decoder sees all codes; it was trained for {decoder_steps:,} steps of {decoder_batch} pictures by
  absolute error, which counts more where an edit changes the picture.
- **Data**: {pictures:,} procedural pictures (training seeds from 1,000,000), each with every change that can be asked
  of it, about five, in explicit, medium and hard wordings of both languages. No outside picture, text or weight was
  used. A batch holds {siblings} edits of each of its pictures; {foreign:.0%} of the samples speak of things that the
  picture does not show, {neutral:.0%} ask for nothing, and both leave the picture as it is. No text of the families
  {untaught}
  and no held-out wording (`src/miniature/world/split.py`) was in them.
- **Training**: {steps:,} steps of {batch} edits by cross-entropy of the answer's codes, more where the edits of a
  picture change it; the first {first_lesson:,} on a few shapes. Muon stepped the matrices of the layers (peak rate
  {peak_rate:g}), AdamW all else. The embeddings of codes began as a random map of the codebook, those of words near the
  codes that their edits exchange. {remark}
- **Sampling**: the likeliest codes (temperature {temperature:g}), {seconds_per_edit:.2f} s per edit in batches of
  {sampling_batch} on the machine that measured.
- **Made by** `python -m src.miniature.tokens.train_editor`,
  **measured by** `python -m src.miniature.tokens.evaluate_editor --count {count}`.

## Reconstruction

Targets of all changes of {tokenizer_pictures} held-out pictures through the tokenizer: peak signal-to-noise ratio, and
the reference score (`src/models/reward/reference_formula.py`, 0–10), above which no edit can come. *Kept* is the share
of the cells that an edit leaves alone in every pixel, and whose code it leaves alone.

{reconstruction}

## Held-out scores

Mean reference score with its 95 % interval, of held-out edits (seeds from 500,000, in no training set and no shipped
benchmark). The rows are the columns on the card of the diffusion editor (`assets/miniature/editor`): *English* and
*Chinese* of taught families in taught wordings, *reworded* in wordings that training never read, *untaught wish* of
families that no training read a word of and *its explicit wording* of the same edits, *neutral* asks for nothing,
*unrelated* for something that the picture does not show. *Picture alone* makes one of the changes that the picture
allows at random, exactly. *Round trip* sends the exact target through the tokenizer, *no edit by codes* the source; the
untouched source scores 0. *Diffusion editor* makes the edits of *English*.

{intervals}

By difficulty:

{table}

## Contrary edits of one picture

Pairs of edits of one held-out picture that are the contrary of each other, as on the card of the diffusion editor.

{pairs}
"""


def load_editor(folder: Path, temperature: float = TEMPERATURE) -> TokenEditor:
    """The editor in a folder that `train_editor` has written."""
    settings: dict[str, Any] = {
        "model_name": str(folder),
        "device": "cpu",
        "dtype": "float32",
        "batch_size": BATCH,
        "instruction_first": True,
        "temperature": temperature,
        "top_k": 0,
    }
    return TokenEditor(TokenEditModel(settings))


def add_columns_beside(groups: Groups, editor: MiniatureEditor, diffusion: MiniatureEditor) -> None:
    """Adds to each group what comes of no edit at all, and of the diffusion editor, for the edits of *English*."""
    for (category, difficulty), scores in groups.items():
        edits = held_out_edits(category, difficulty, len(scores["english"]), families(category, "training"), "training")
        sources = [edit.source for edit in edits]
        scores[NO_EDIT] = reference_scores(edits, editor.round_trips(sources))
        made = diffusion.edit(sources, [edit.instruction_en for edit in edits])
        scores[DIFFUSION] = reference_scores(edits, made)


def intervals_table(groups: Groups) -> str:
    """Means with 95 % intervals by category, as a Markdown table with wordings and controls in rows."""
    columns = {name: _pooled(groups, name) for name in CATEGORIES} | {"**all**": list(groups.values())}
    rows = []
    for name, title in (COLUMNS | BESIDE).items():
        found = ([score for scores in pooled for score in scores[name]] for pooled in columns.values())
        rows.append([title, *(with_interval(scores) for scores in found)])
    return markdown_table(("", *columns), rows)


def _pooled(groups: Groups, category: str) -> list[Scores]:
    return [scores for (name, _), scores in groups.items() if name == category]


def model_card(
    folder: Path,
    editor: TokenEditor,
    groups: Groups,
    pairs: PairShares,
    reconstruction: str,
    seconds_per_edit: float,
    remark: str,
) -> str:
    """The text of the editor's README.md: what it is, how it was made, and the measured scores."""
    facts = training_facts(folder)
    tokens, recipe = facts["tokenizer"], facts["recipe"]
    parts = {"language model": editor.model.model.model.text_model, "VQ-VAE": editor.model.codec.vqvae}
    millions = {name: sum(weight.numel() for weight in part.parameters()) / 1e6 for name, part in parts.items()}
    return CARD.format(
        sizes=", ".join(f"{name} {count:.1f} M" for name, count in millions.items()),
        total=sum(millions.values()),
        megabytes=megabytes(folder),
        codes=tokens["size"]["codes"],
        cells=tokens["cells"],
        changed=CHANGED_SHARE,
        decoder_steps=tokens["decoder_steps"],
        decoder_batch=tokens["batch"],
        pictures=tokens["pictures"],
        siblings=SIBLINGS,
        foreign=FOREIGN_SHARE,
        neutral=NEUTRAL_SHARE,
        untaught=", ".join(f"`{name}`" for name in sorted(HELD_OUT_FAMILIES)),
        steps=facts["steps_done"],
        batch=recipe["batch"],
        first_lesson=recipe["first_lesson"],
        peak_rate=recipe["peak_rate"],
        temperature=TEMPERATURE,
        sampling_batch=BATCH,
        seconds_per_edit=seconds_per_edit,
        count=len(next(iter(groups.values()))["english"]),
        tokenizer_pictures=TOKENIZER_PICTURES,
        reconstruction=reconstruction,
        intervals=intervals_table(groups),
        table=scores_table(groups),
        pairs=pairs_table(pairs),
        remark=remark,
    )


def main() -> None:
    """The command line."""
    parser = card_parser("token_editor")
    parser.add_argument("--count", type=int, default=20, help="held-out edits of each category and difficulty")
    parser.add_argument("--diffusion", type=Path, default=Path("assets/miniature/editor"), help="the editor beside it")
    parser.add_argument("--sheet", type=Path, help="writes a picture of two edits of each category to this file")
    chosen = card_arguments(parser)
    from diffusers import QwenImageEditPipeline

    start_command()
    editor = load_editor(chosen.model)
    reconstruction = reconstruction_table(editor, draw_pairs(HELD_OUT_SEEDS, TOKENIZER_PICTURES))
    began = time.perf_counter()
    groups = evaluate(editor, chosen.count)
    edits = sum(len(scores[column]) for scores in groups.values() for column in ASKED)
    seconds_per_edit = (time.perf_counter() - began) / edits
    pairs = pair_shares(editor, chosen.count)
    add_columns_beside(groups, editor, PipelineEditor(QwenImageEditPipeline.from_pretrained(chosen.diffusion)))
    if chosen.sheet is not None:
        draw_sheet(editor, sheet_edits(2)).save(chosen.sheet)
    card = model_card(chosen.model, editor, groups, pairs, reconstruction, seconds_per_edit, chosen.remark)
    write_card(chosen.model, card)


if __name__ == "__main__":
    main()
