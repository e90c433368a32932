"""Measures a miniature editor on held-out edits and writes its model card.

Run as `python -m src.miniature.evaluate_editor`.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.benchmark import HELD_OUT_SEEDS
from src.miniature.edits import CATEGORIES, DIFFICULTIES, MiniatureEdit, families, make_edit
from src.miniature.sampling import SAMPLING_STEPS, edit_pictures
from src.miniature.train_vae import as_frames
from src.rewards.reference_formula import compare_with_reference

if TYPE_CHECKING:
    from diffusers import AutoencoderKLQwenImage, QwenImageEditPipeline

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GroupScores:
    """Mean reference scores (0–10) of the held-out edits of one category and difficulty.

    Attributes:
        category: Their category.
        difficulty: Their difficulty.
        count: How many edits.
        english: With the English instruction.
        chinese: With the Chinese instruction.
        explicit: With the wording that says what to draw, in both languages in turn: what a perfect rewriter would reach.
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
    no_edit: float
    exact: float
    round_trip: float


def held_out_edits(category: str, difficulty: str, count: int) -> list[MiniatureEdit]:
    """The first `count` held-out edits of a group; the rules of the category take turns."""
    names = families(category)
    return [
        make_edit(category, difficulty, HELD_OUT_SEEDS.start + index, names[index % len(names)])
        for index in range(count)
    ]


def evaluate(pipeline: QwenImageEditPipeline, count: int, steps: int = SAMPLING_STEPS) -> list[GroupScores]:
    """Scores `count` held-out edits of every category and difficulty with every wording and control."""
    groups = []
    for category in CATEGORIES:
        for difficulty in DIFFICULTIES:
            edits = held_out_edits(category, difficulty, count)
            groups.append(_evaluate_group(pipeline, edits, steps))
            logger.info("%s", groups[-1])
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
        no_edit=_mean_score(edits, sources),
        exact=_mean_score(edits, targets),
        round_trip=_mean_score(edits, _round_trip(pipeline.vae, np.stack(targets))),
    )


def _mean_score(edits: list[MiniatureEdit], pictures: Sequence[np.ndarray] | np.ndarray) -> float:
    scores = [
        compare_with_reference(edit.source, picture, edit.target).score
        for edit, picture in zip(edits, pictures, strict=True)
    ]
    return float(np.mean(scores))


def _round_trip(vae: AutoencoderKLQwenImage, pictures: np.ndarray) -> np.ndarray:
    import torch

    with torch.inference_mode():
        frames = vae.decode(vae.encode(as_frames(pictures)).latent_dist.mode()).sample[:, :, 0]
    return ((frames.permute(0, 2, 3, 1).numpy() + 1.0) * 127.5).round().clip(0, 255).astype(np.uint8)


def scores_table(groups: list[GroupScores]) -> str:
    """The groups as a Markdown table, with the mean of each difficulty at the end."""
    lines = [
        "| category | difficulty | English | Chinese | explicit wording | no edit | exact target | round trip |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(group.category, group.difficulty, [group]) for group in groups]
    for difficulty in DIFFICULTIES:
        lines.append(_row("**all**", difficulty, [group for group in groups if group.difficulty == difficulty]))
    return "\n".join(lines)


def _row(category: str, difficulty: str, groups: list[GroupScores]) -> str:
    columns = ("english", "chinese", "explicit", "no_edit", "exact", "round_trip")
    means = (np.mean([getattr(group, column) for group in groups]) for column in columns)
    return f"| {category} | {difficulty} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |"
