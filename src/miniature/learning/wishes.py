"""The wishes of the learning proof: those that GRPO practises on, and those that it is measured on.

Run `python -m src.miniature.learning.wishes` to re-create `assets/miniature/rewrite_tasks.json`, the wishes of the
families that neither editors nor supervised policy were taught, in the wordings that training may read;
`assets/miniature/token_tasks.json`, more of them, for policies that meet many in a step; and
`assets/miniature/rewrite_held_out.json`, such wishes of other pictures.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from src.command_line import only_help
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.miniature.world.benchmark import write_benchmark
from src.miniature.world.edits import MiniatureEdit, Part, make_edit
from src.miniature.world.split import Wordings

TASKS_PATH = Path("assets/miniature/rewrite_tasks.json")
TASKS_PER_CATEGORY = 64
TOKEN_TASKS_PATH = Path("assets/miniature/token_tasks.json")
TOKEN_TASKS_PER_CATEGORY = 192
TOKEN_TASKS_SEED = 213_000
"""Some kinds of picture have few variants: of the 960 from this seed none is among those that are measured on."""
TASKS_SEED = 200_000
HELD_OUT_PATH = Path("assets/miniature/rewrite_held_out.json")
HELD_OUT_PER_CATEGORY = 40
MEASURED_SEED = 300_000
"""The first seed of the wishes that are measured on; no training has these seeds."""
IMPLICIT = ("medium", "hard")
"""Difficulties whose wording leaves something to infer; the easy wording belongs to the change, which is taught."""


@dataclass(frozen=True)
class WishSet:
    """Which wishes are measured together.

    Attributes:
        title: For tables.
        part: Of which families.
        wordings: In which wordings.
    """

    title: str
    part: Part
    wordings: Wordings


SETS = {
    "new_wordings": WishSet("untaught families, wordings that no training read", "held_out", "held_out"),
    "new_pictures": WishSet("untaught families, wordings that GRPO read, new pictures", "held_out", "training"),
    "taught": WishSet("families that editor and policy were taught, new pictures", "training", "training"),
}
"""The sets by name. None is selected by what editor or policy make of it."""


@dataclass(frozen=True)
class Wish:
    """One wish with its exact result, as the world and as the benchmark have it, in English."""

    edit: MiniatureEdit
    sample: EditSample


def write_tasks(path: Path, per_category: int = TASKS_PER_CATEGORY, seed: int = TASKS_SEED) -> None:
    """Writes wishes that GRPO practises on, as a benchmark file."""
    write_benchmark(path, per_category, seed, IMPLICIT, part="held_out", wordings="training")


def write_held_out(path: Path, name: str = "new_pictures", per_category: int = HELD_OUT_PER_CATEGORY) -> None:
    """Writes the wishes of one of SETS as a benchmark file."""
    chosen = SETS[name]
    write_benchmark(path, per_category, MEASURED_SEED, IMPLICIT, chosen.part, chosen.wordings)


def measured_wishes(name: str, folder: Path, per_category: int) -> list[Wish]:
    """The wishes of a set, categories in turn; pictures are the same for the same number, set by set.

    Args:
        name: One of SETS.
        folder: Where the benchmark file of the set is written, `<name>.json`.
        per_category: Wishes of each category.
    """
    chosen = SETS[name]
    path = folder / f"{name}.json"
    write_held_out(path, name, per_category)
    items = json.loads(path.read_text(encoding="utf-8"))
    samples = load_samples(str(path), Selection())
    wishes = []
    for item, sample in zip(items, samples, strict=True):
        assert isinstance(sample, EditSample), f"{path} is written by the world itself"
        edit = make_edit(item["subset"], item["difficulty"], item["seed"], item["family"], chosen.wordings)
        wishes.append(Wish(edit, sample))
    return wishes


if __name__ == "__main__":
    only_help(__doc__)
    write_tasks(TASKS_PATH)
    write_tasks(TOKEN_TASKS_PATH, TOKEN_TASKS_PER_CATEGORY, TOKEN_TASKS_SEED)
    write_held_out(HELD_OUT_PATH)
