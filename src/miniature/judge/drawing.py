"""Draws the questions of the miniature judge in chunks from the world's seeds; the work folder keeps them."""

from __future__ import annotations

import functools
import logging
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.pairs import FOREIGN_SETTINGS, draw_picture
from src.miniature.editor.sampling import edit_pictures
from src.miniature.editor.train_vae import round_trips
from src.miniature.judge.candidates import Scene, make_candidates, mended
from src.miniature.judge.pairs import JudgePairs, joined, keep, load
from src.miniature.world.benchmark import TRAINING_SEEDS
from src.miniature.world.edits import DIFFICULTIES, MiniatureEdit
from src.miniature.world.split import Wordings
from src.models.reward.reference_formula import compare_with_reference

if TYPE_CHECKING:
    from diffusers import QwenImageEditPipeline

JUDGE_SEEDS = TRAINING_SEEDS[100_000:]
"""Training seeds after those that the miniature editor learned from: it meets these edits as it meets a benchmark."""

CHUNK = 20
"""Pictures that are drawn, edited and scored together with all their changes, by one process."""
ROUND_TRIP_SHARE = 0.15
"""How many made-up candidates go through the editor's autoencoder, so that its traces betray no kind."""
SAMPLING_STEPS = (2, 3, 4, 6, 6, 8)
"""Denoising steps of the editor's outputs, each equally likely."""
OUTPUTS_OF_AN_EDIT = 3
"""An editor's outputs for each of the edits chosen for it, with other noise and in other words: a group of rollouts."""
RIGHT_SHARE = 0.8
"""How many of the editor's outputs follow their own wish; the others follow that of another change of the picture."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PairSettings:
    """What decides a set of pairs, besides the world.

    Attributes:
        seeds: The seeds of the pictures.
        candidates: Made-up candidates for each edit.
        outputs: Outputs of the editor for each chunk; as many mended ones come with them.
        editors: Folders of miniature editors, the final one and earlier states of it, which take turns; none leaves
            their outputs and the autoencoder's traces out.
        seed: Decides the candidates.
        wordings: Which wordings are allowed.
        held_out: Whether the families are those that no model learns from.
    """

    seeds: range
    candidates: int
    outputs: int
    editors: tuple[Path, ...] = ()
    seed: int = 0
    wordings: Wordings = "training"
    held_out: bool = False


@dataclass(frozen=True)
class _Asked:
    """One change of one picture, in the words of every difficulty, within its chunk."""

    picture: int
    told: tuple[MiniatureEdit, ...]

    @property
    def edit(self) -> MiniatureEdit:
        return self.told[0]


Made = tuple[int, str, np.ndarray]
"""The place of an edit in its chunk, a kind, and a candidate for this edit."""


def draw_chunk(settings: PairSettings, chunk: int) -> JudgePairs:
    """Draws and scores the `chunk`-th `CHUNK` pictures of a set with all their changes and candidates of every kind."""
    rng = np.random.default_rng([settings.seed, chunk])
    drawn = [
        draw_picture(settings.seeds, index, settings.wordings, settings.held_out)
        for index in range(chunk * CHUNK, (chunk + 1) * CHUNK)
    ]
    drawn = [changes for changes in drawn if len(changes) > 1]
    edits = [_Asked(picture, told) for picture, changes in enumerate(drawn) for told in changes]
    made = [one for place in range(len(edits)) for one in _made_up(rng, edits, place, settings.candidates)]
    if settings.editors:
        pipelines = [load_editor(folder) for folder in settings.editors]
        made = [*_some_round_trips(rng, pipelines[0], made), *_editor_outputs(rng, pipelines, edits, settings.outputs)]
    scores = [
        compare_with_reference(edits[place].edit.source, picture, edits[place].edit.target).score
        for place, _, picture in made
    ]
    sources = np.array([edit.picture for edit in edits], np.int32)
    targets = len(drawn) + np.arange(len(edits), dtype=np.int32)
    first = len(drawn) + len(edits)
    rows = [(place, sources[place], first + index) for index, (place, _, _) in enumerate(made)]
    free = _rows_without_new_pictures(rng, edits, sources, targets)
    return JudgePairs(
        pictures=np.stack(
            [
                *(changes[0][0].source for changes in drawn),
                *(edit.edit.target for edit in edits),
                *(picture for _, _, picture in made),
            ]
        ),
        words=[words_of(edit.told) for edit in edits],
        rules=[
            [edit.edit.category, edit.edit.setting, edit.edit.family, str(rng.choice(_asked_difficulties(settings)))]
            for edit in edits
        ],
        sources=sources,
        targets=targets,
        rows=np.array(rows + [row for _, _, row in free], np.int32),
        scores=np.array(scores + [score for _, score, _ in free], np.float32),
        kinds=np.array([kind for _, kind, _ in made] + [kind for kind, _, _ in free]),
    )


def _asked_difficulties(settings: PairSettings) -> tuple[str, ...]:
    """Explicit wordings belong to the change and are taught for every family."""
    return DIFFICULTIES[1:] if settings.held_out else DIFFICULTIES


def words_of(told: Sequence[MiniatureEdit]) -> list[str]:
    """The `WORDS` of an edit, told once in each difficulty."""
    return [
        text
        for language in ("en", "zh")
        for text in (
            *(getattr(edit, f"instruction_{language}") for edit in told),
            getattr(told[0], f"description_{language}"),
            getattr(told[0], f"rationale_{language}"),
        )
    ]


def _made_up(rng: np.random.Generator, edits: list[_Asked], place: int, count: int) -> list[Made]:
    own = edits[place]
    sibling = edits[_sibling(rng, edits, place)].edit
    near = [edit for edit in edits if edit.picture != own.picture and edit.edit.category == own.edit.category]
    donor = near[rng.integers(len(near))].edit
    scene = Scene(own.edit.source, own.edit.target, sibling.target, donor.source, donor.target)
    return [(place, kind, picture) for kind, picture in make_candidates(rng, scene, count)]


def _sibling(rng: np.random.Generator, edits: list[_Asked], place: int) -> int:
    """Another change of the same picture."""
    own = edits[place].picture
    return int(rng.choice([other for other, edit in enumerate(edits) if edit.picture == own and other != place]))


def _editor_outputs(
    rng: np.random.Generator, pipelines: list[QwenImageEditPipeline], edits: list[_Asked], count: int
) -> list[Made]:
    chosen = rng.permutation(len(edits))[: count // OUTPUTS_OF_AN_EDIT].tolist()
    made: list[Made] = []
    for _ in range(OUTPUTS_OF_AN_EDIT if chosen else 0):
        heard = [place if rng.random() < RIGHT_SHARE else _sibling(rng, edits, place) for place in chosen]
        told = [edits[place].told[rng.integers(len(DIFFICULTIES))] for place in heard]
        texts = [edit.instruction_zh if rng.random() < 0.5 else edit.instruction_en for edit in told]
        pipeline = pipelines[rng.integers(len(pipelines))]
        steps, noise = int(rng.choice(SAMPLING_STEPS)), int(rng.integers(2**31))
        edited = edit_pictures(pipeline, [edits[place].edit.source for place in chosen], texts, steps, noise)
        for place, heard_place, picture in zip(chosen, heard, edited, strict=True):
            made.append((place, "editor" if place == heard_place else "misled editor", picture))
            made.append((place, "mended editor", mended(rng, picture, edits[place].edit.target)))
    return made


def _some_round_trips(rng: np.random.Generator, pipeline: QwenImageEditPipeline, made: list[Made]) -> list[Made]:
    chosen = np.flatnonzero(rng.random(len(made)) < ROUND_TRIP_SHARE)
    passed = dict(zip(chosen.tolist(), round_trips(pipeline.vae, [made[index][2] for index in chosen]), strict=True))
    return [(place, kind, passed.get(index, picture)) for index, (place, kind, picture) in enumerate(made)]


def _rows_without_new_pictures(
    rng: np.random.Generator, edits: list[_Asked], sources: np.ndarray, targets: np.ndarray
) -> list[tuple[str, float, tuple[int, int, int]]]:
    """Kind, score and row of exact and absent edits, of another change's exact result, and of `WRONG_QUESTIONS`."""
    found = []
    for place, asked in enumerate(edits):
        edit, before, target = asked.edit, sources[place], targets[place]
        sibling = _sibling(rng, edits, place)
        score = compare_with_reference(edit.source, edits[sibling].edit.target, edit.target).score
        stranger = rng.choice(np.unique(sources[sources != before]))
        found += [
            ("exact", 10.0, (place, before, target)),
            ("no edit", 0.0, (place, before, before)),
            ("sibling", score, (place, before, targets[sibling])),
            ("wrong source", 0.0, (place, stranger, target)),
        ]
        if "swap" not in edit.tags:  # changing places is right backwards as well
            found.append(("swapped", 0.0, (place, target, before)))
        if foreign := _foreign(edits, edit):
            found.append(("shuffled", 0.0, (int(rng.choice(foreign)), before, target)))
    return found


def _foreign(edits: list[_Asked], own: MiniatureEdit) -> list[int]:
    """Edits whose words speak of things that the picture does not show."""
    return [
        place
        for place, edit in enumerate(edits)
        if edit.edit.category != own.category and edit.edit.setting in FOREIGN_SETTINGS
    ]


def draw_judge_pairs(settings: PairSettings, chunks: int) -> JudgePairs:
    """Draws the first `chunks` chunks of a set in this process."""
    return joined([draw_chunk(settings, chunk) for chunk in range(chunks)])


def load_or_draw_judge_pairs(folder: Path, settings: PairSettings, chunks: int) -> JudgePairs:
    """The first `chunks` chunks of a set, kept in `folder`; those absent are drawn on all cores and kept there."""
    folder.mkdir(parents=True, exist_ok=True)
    absent = [chunk for chunk in range(chunks) if not (folder / f"{chunk}.npz").exists()]
    if len(absent) == 1:
        _draw_and_keep(folder, settings, absent[0])
    elif absent:
        with multiprocessing.get_context("spawn").Pool(initializer=_single_threaded) as pool:
            drawn = pool.imap_unordered(functools.partial(_draw_and_keep, folder, settings), absent)
            for count, _ in enumerate(drawn, start=1):
                logger.info("drew %d of %d chunks of pairs", count, len(absent))
    return joined([load(folder / f"{chunk}.npz") for chunk in range(chunks)])


def _single_threaded() -> None:
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _draw_and_keep(folder: Path, settings: PairSettings, chunk: int) -> None:
    keep(folder / f"{chunk}.npz", draw_chunk(settings, chunk))


@functools.cache
def load_editor(folder: Path) -> QwenImageEditPipeline:
    """The miniature editor with the faster forms of its layers."""
    from diffusers import QwenImageEditPipeline

    from src.miniature.fast_cpu_training import PlainJointAttention, use_single_frame_convolutions

    pipeline = QwenImageEditPipeline.from_pretrained(folder)
    pipeline.transformer.set_attn_processor(PlainJointAttention())
    use_single_frame_convolutions(pipeline.vae)
    return pipeline
