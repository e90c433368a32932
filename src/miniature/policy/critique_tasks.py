"""Writes tasks for a second pass: edits that the miniature editor failed at, each with its failed first attempt.

Run `python -m src.miniature.policy.critique_tasks` to re-create `assets/miniature/critique_tasks.jsonl`.
"""

from __future__ import annotations

import base64
import itertools
import json
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from src.command_line import only_help
from src.data.image import encode_png
from src.miniature.editor.sampling import BATCH, edit_pictures
from src.miniature.model_folder import written_whole
from src.miniature.trainer import start_command
from src.miniature.world.edits import CATEGORIES, MiniatureEdit, families, make_edit
from src.models.reward.reference_formula import compare_with_reference

if TYPE_CHECKING:
    from diffusers import QwenImageEditPipeline

SHIPPED_PATH = Path("assets/miniature/critique_tasks.jsonl")
SHIPPED_COUNT = 160
EDITOR = Path("assets/miniature/editor")
FIRST_SEED = 400_000
"""The first seed of the world that is tried, far from the seeds of the other shipped files and below those that model
cards measure on."""
FAILED = 5.0
"""The oracle gives a failed first attempt less than this, of 10."""
WORTHWHILE = 3.0
"""Points that the editor gains on its failed attempt when it is told exactly what to draw: less teaches nothing."""
LARGEST_SHARE = 0.25
"""The share of a file's tasks that one rule of the world may give: the editor fails at some rules far more often."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FailedEdit:
    """An edit whose first attempt failed, and could be mended."""

    edit: MiniatureEdit
    seed: int
    """The seed from which the world makes the edit again."""
    attempt: np.ndarray
    """The picture that the editor made of the user's own words: uint8 (64, 64, 3)."""


def failed_edits(pipeline: QwenImageEditPipeline, first_seed: int) -> Iterator[FailedEdit]:
    """Draws edits without end and yields those at which the editor fails at first, but not when told what to draw.

    All have hard wordings of families that the editor was never taught: at the other wordings a second pass of this
    editor does more harm than good.
    """
    rules = [(category, name) for category in CATEGORIES for name in families(category, "held_out")]
    drawn = zip(itertools.count(first_seed), itertools.cycle(rules), strict=False)
    while True:
        seeds, edits = [], []
        for seed, (category, family) in itertools.islice(drawn, BATCH):
            seeds.append(seed)
            edits.append(make_edit(category, "hard", seed, family))
        attempts = edit_pictures(pipeline, [edit.source for edit in edits], [edit.instruction_en for edit in edits])
        corrected = edit_pictures(pipeline, list(attempts), [edit.explicit_en for edit in edits])
        for seed, edit, attempt, second in zip(seeds, edits, attempts, corrected, strict=True):
            before, after = _score(edit, attempt), _score(edit, second)
            if before < FAILED and after >= before + WORTHWHILE:
                yield FailedEdit(edit, seed, attempt)


def _score(edit: MiniatureEdit, picture: np.ndarray) -> float:
    return compare_with_reference(edit.source, picture, edit.target).score


def write_critique_tasks(path: Path, pipeline: QwenImageEditPipeline, count: int, first_seed: int = FIRST_SEED) -> None:
    """Writes a benchmark file of English tasks, each with its first attempt as `preliminary_img_b64`.

    Args:
        path: A `.jsonl` file, replaced once all tasks are drawn; its folder is made.
        pipeline: The miniature editor.
        count: Number of tasks.
        first_seed: The first seed of the world; the drawn edits have the seeds that follow.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tasks = itertools.islice(_balanced(failed_edits(pipeline, first_seed), round(LARGEST_SHARE * count)), count)
    with written_whole(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        for number, failed in enumerate(tasks, 1):
            file.write(json.dumps(_item(failed), ensure_ascii=False) + "\n")
            logger.info("task %d of %d, seed %d", number, count, failed.seed)


def _balanced(found: Iterator[FailedEdit], most: int) -> Iterator[FailedEdit]:
    seen: Counter[str] = Counter()
    for failed in found:
        seen[failed.edit.family] += 1
        if seen[failed.edit.family] <= most:
            yield failed


def _item(failed: FailedEdit) -> dict[str, Any]:
    edit = failed.edit
    return {
        "id": f"critique_{failed.seed}",
        "subset": edit.category,
        "original_description_en": edit.description_en,
        "edit_instruction_en": edit.instruction_en,
        "src_img_b64": _base64(edit.source),
        "preliminary_img_b64": _base64(failed.attempt),
        "rationale_short_en": edit.rationale_en,
        "difficulty": edit.difficulty,
        "tags": list(edit.tags),
        "family": edit.family,
        "seed": failed.seed,
    }


def _base64(pixels: np.ndarray) -> str:
    return base64.b64encode(encode_png(Image.fromarray(pixels))).decode("ascii")


def main() -> None:
    """Writes the shipped file."""
    only_help(__doc__)
    from diffusers import QwenImageEditPipeline

    start_command()
    write_critique_tasks(SHIPPED_PATH, QwenImageEditPipeline.from_pretrained(EDITOR), SHIPPED_COUNT)


if __name__ == "__main__":
    main()
