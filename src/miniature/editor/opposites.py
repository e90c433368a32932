"""Whether an editor tells contrary edits of one picture apart: left or right, this or that, on or off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from src.miniature.editor.sampling import MiniatureEditor
from src.miniature.model_card import markdown_table
from src.miniature.world.benchmark import HELD_OUT_SEEDS
from src.miniature.world.edits import CATEGORIES, DIFFICULTIES, MiniatureEdit, make_setting, settings

PairShares = dict[str, list[tuple[bool, bool]]]
"""For each kind of contrary ("side", "which", …) and pair: whether each of both results is nearer to its own target."""


def contrary_edits(category: str, count: int) -> Iterator[tuple[MiniatureEdit, MiniatureEdit]]:
    """Pairs of contrary edits of the first `count` held-out pictures of a category, in training wordings."""
    names = settings(category)
    for index in range(count):
        difficulty = DIFFICULTIES[index % len(DIFFICULTIES)]
        edits = make_setting(category, names[index % len(names)], HELD_OUT_SEEDS.start + index, difficulty)
        labelled: dict[str, dict[bytes, MiniatureEdit]] = defaultdict(dict)
        for edit in edits:
            if edit.opposite and not edit.held_out:
                labelled[edit.opposite].setdefault(edit.target.tobytes(), edit)
        for both in labelled.values():
            one, other = both.values()
            yield one, other


def pair_shares(editor: MiniatureEditor, count: int) -> PairShares:
    """Makes both edits of all contrary pairs of `count` held-out pictures of every category and compares them."""
    pairs = [pair for category in CATEGORIES for pair in contrary_edits(category, count)]
    edits = [edit for pair in pairs for edit in pair]
    instructions = [edit.instruction_zh if index // 2 % 2 else edit.instruction_en for index, edit in enumerate(edits)]
    results = editor.edit([edit.source for edit in edits], instructions)
    shares: PairShares = defaultdict(list)
    for place, (one, other) in enumerate(pairs):
        first, second = results[2 * place : 2 * place + 2]
        right = (_nearer(first, one, other), _nearer(second, other, one))
        shares[one.opposite.partition(":")[0]].append(right)
    return dict(shares)


def _nearer(result: np.ndarray, own: MiniatureEdit, contrary: MiniatureEdit) -> bool:
    picture = result.astype(np.int32)
    to_own, to_contrary = (np.abs(picture - edit.target).sum() for edit in (own, contrary))
    return bool(to_own < to_contrary)


def pairs_table(shares: PairShares) -> str:
    """The shares of right results and pairs for every kind of contrary, and of all."""
    kinds = [*sorted(shares.items()), ("**all**", [pair for pairs in shares.values() for pair in pairs])]
    rows = [
        [name, str(len(pairs)), f"{np.mean(pairs):.0%}", f"{np.mean([all(pair) for pair in pairs]):.0%}"]
        for name, pairs in kinds
    ]
    return markdown_table(("contrary", "pairs", "nearer", "both"), rows)
