"""A sheet of edits by a miniature token editor, for its page in the documentation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from src.miniature.editor.evaluate_editor import held_out_edits
from src.miniature.editor.sampling import MiniatureEditor
from src.miniature.world.edits import CATEGORIES, MiniatureEdit, families

_EDGE = 4
_SCALE = 2


def sheet_edits(each: int) -> list[MiniatureEdit]:
    """The first held-out edits of every category with explicit instructions: taught families and wordings."""
    return [
        edit
        for category in CATEGORIES
        for edit in held_out_edits(category, "easy", each, families(category, "training"), "training")
    ]


def draw_sheet(editor: MiniatureEditor, edits: Sequence[MiniatureEdit]) -> Image.Image:
    """From above: sources, what the editor makes of them, targets through its tokenizer, targets."""
    sources, targets = [edit.source for edit in edits], [edit.target for edit in edits]
    rows = [
        sources,
        editor.edit(sources, [edit.instruction_en for edit in edits]),
        editor.round_trips(targets),
        targets,
    ]
    framed = [
        [np.pad(picture, ((0, _EDGE), (0, _EDGE), (0, 0)), constant_values=255) for picture in row] for row in rows
    ]
    sheet = Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in framed]))
    return sheet.resize((sheet.width * _SCALE, sheet.height * _SCALE), Image.Resampling.NEAREST)
