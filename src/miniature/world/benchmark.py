"""Writes benchmark files of the miniature world.

Run `python -m src.miniature.world.benchmark` to re-create `assets/miniature/benchmark.json`; what guessers would score
on it is printed by `python -m src.miniature.world.guessers`.
"""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from src.command_line import only_help
from src.errors import ConfigError
from src.miniature.world.edits import CATEGORIES, DIFFICULTIES, MiniatureEdit, Part, families, make_edit
from src.miniature.world.split import Wordings

BENCHMARK_SEEDS = range(0, 1_000_000)
"""Seeds of edits that no shipped model is trained on; the tasks for GRPO runs are among them, in files of their own."""

HELD_OUT_SEEDS = range(500_000, 1_000_000)
"""The part of BENCHMARK_SEEDS that model cards measure on; no benchmark file takes seeds from it."""

TRAINING_SEEDS = range(1_000_000, 2**31)
"""Seeds of edits that models may be trained on."""

SHIPPED_PATH = Path("assets/miniature/benchmark.json")
SHIPPED_PER_CATEGORY = 20
HELD_OUT_TAG = "held-out family"
"""A tag of the items whose family no model learns from."""
HELD_OUT_EVERY = 3
"""Of so many rounds of all difficulties one is of held-out families, where a file has families of both parts."""


def write_benchmark(
    path: Path,
    per_category: int,
    seed: int = 0,
    difficulties: Sequence[str] = DIFFICULTIES,
    part: Part = "any",
    wordings: Wordings = "held_out",
) -> int:
    """Write a benchmark file item by item; the file appears only when it is complete.

    Categories alternate, so that any first part of the file is balanced; within a category difficulties and families
    take turns, and every third round of difficulties is of held-out families. Item number i has seed `seed + i`.

    Args:
        path: The JSON file; its folder is made, an older file is replaced.
        per_category: Number of items of each category, at least 1.
        seed: Seed of the first item.
        difficulties: The difficulties to use, at least one.
        part: Which families to use.
        wordings: Which wordings to use; training for GRPO may take those that models learn from.

    Returns:
        The number of items.

    Raises:
        ConfigError: There is nothing to write, a difficulty is unknown, or a seed would lie outside BENCHMARK_SEEDS or
            inside HELD_OUT_SEEDS.
    """
    count = per_category * len(CATEGORIES)
    if per_category < 1 or not difficulties:
        raise ConfigError("a miniature benchmark needs per_category of at least 1 and at least one difficulty")
    if seed < BENCHMARK_SEEDS.start or seed + count > HELD_OUT_SEEDS.start:
        raise ConfigError(
            f"a miniature benchmark of {count} items from seed {seed} leaves the seeds {BENCHMARK_SEEDS.start} to "
            f"{HELD_OUT_SEEDS.start - 1} that are kept for benchmarks; choose a lower seed or fewer items"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8", newline="\n") as file:
            for index, item in enumerate(_items(per_category, seed, difficulties, part, wordings)):
                file.write("[\n" if index == 0 else ",\n")
                file.write(json.dumps(item, ensure_ascii=False))
            file.write("\n]\n")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def _items(
    per_category: int, seed: int, difficulties: Sequence[str], part: Part, wordings: Wordings
) -> Iterator[dict[str, Any]]:
    for turn in range(per_category):
        for place, category in enumerate(CATEGORIES):
            index = turn * len(CATEGORIES) + place
            family = _family(category, turn, len(difficulties), part)
            edit = make_edit(category, difficulties[turn % len(difficulties)], seed + index, family, wordings)
            yield _item(edit, index, seed + index)


def _family(category: str, turn: int, difficulties: int, part: Part) -> str:
    """Return the family of a category's item, such that each meets every difficulty in the course of the file."""
    kept = turn
    if part == "any":
        rounds, within = divmod(turn, difficulties)
        held_out = rounds % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
        part = "held_out" if held_out else "training"
        before = rounds // HELD_OUT_EVERY
        kept = (before if held_out else rounds - before) * difficulties + within
    names = families(category, part)
    return names[(kept + kept // len(names)) % len(names)]


def _item(edit: MiniatureEdit, index: int, seed: int) -> dict[str, Any]:
    """Return one item in the schema of benchmark files, with the exact result and the explicit wording added."""
    return {
        "subset": edit.category,
        "original_description": edit.description_zh,
        "original_description_en": edit.description_en,
        "edit_instruction": edit.instruction_zh,
        "edit_instruction_en": edit.instruction_en,
        "src_img_b64": png_base64(edit.source),
        "rationale_short": edit.rationale_zh,
        "rationale_short_en": edit.rationale_en,
        "tags": [*edit.tags, HELD_OUT_TAG] if edit.held_out else list(edit.tags),
        "difficulty": edit.difficulty,
        "original_image_path": f"miniature/{index:05d}_{edit.category}_{edit.difficulty}.png",
        "seed": seed,
        "reference_img_b64": png_base64(edit.target),
        "explicit_instruction": edit.explicit_zh,
        "explicit_instruction_en": edit.explicit_en,
        "family": edit.family,
    }


def png_base64(pixels: np.ndarray) -> str:
    """Return uint8 of shape (height, width, 3) as a base64 PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


if __name__ == "__main__":
    only_help(__doc__)
    write_benchmark(SHIPPED_PATH, SHIPPED_PER_CATEGORY)
