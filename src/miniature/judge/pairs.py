"""The training set of the miniature judge: drawn in chunks from the world's training seeds, kept in the work folder.

A row of it is a question (whose words, which picture before, which picture after) with the oracle's score.
"""

from __future__ import annotations

import functools
import itertools
import json
import logging
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.sampling import edit_pictures
from src.miniature.editor.train_vae import round_trips
from src.miniature.judge.candidates import Scene, make_candidates, mended
from src.miniature.model_folder import written_whole
from src.miniature.world.benchmark import TRAINING_SEEDS
from src.miniature.world.edits import CATEGORIES, MiniatureEdit, make_edit
from src.models.reward.reference_formula import compare_with_reference

if TYPE_CHECKING:
    from diffusers import QwenImageEditPipeline

JUDGE_SEEDS = TRAINING_SEEDS[100_000:]
"""Training seeds after those that the miniature editor learned from: it meets these edits as it meets a benchmark."""

CHUNK = 100
"""Edits that are drawn, edited and scored together, by one process."""
WORDS = (
    *("instruction_en", "explicit_en", "description_en", "rationale_en"),
    *("instruction_zh", "explicit_zh", "description_zh", "rationale_zh"),
)
"""The texts kept of every edit, in the order of `JudgePairs.words`: four English, then four Chinese."""
ROUND_TRIP_SHARE = 0.2
"""How many made-up candidates go through the editor's autoencoder, so that its traces betray no kind."""
SAMPLING_STEPS = (2, 3, 4, 6, 6, 8)
"""Denoising steps of the editor's outputs, each equally likely."""
EDITOR_BATCH = 25
RIGHT_SHARE = 0.65
"""How many of the editor's outputs follow their own instruction; the others follow that of another edit."""
SHUFFLED_ROWS = 3
"""Rows with another edit's words for each edit."""

EDITOR_KINDS = ("editor", "misled editor")
"""Kinds of candidates that the editor made."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JudgePairs:
    """Pictures, texts of `n` edits, and `m` rows of both with scores.

    Attributes:
        pictures: uint8 (p, 64, 64, 3).
        words: For each edit its `WORDS`.
        rules: For each edit its category, family and difficulty.
        sources: For each edit its source, as an index of `pictures`: int32 (n,).
        targets: For each edit its exact result, likewise.
        rows: int32 (m, 3): the edit whose words are asked about, the picture before, the picture after.
        scores: float32 (m,): the oracle's, 0–10.
        kinds: For each row the kind of its candidate.
    """

    pictures: np.ndarray
    words: list[list[str]]
    rules: list[list[str]]
    sources: np.ndarray
    targets: np.ndarray
    rows: np.ndarray
    scores: np.ndarray
    kinds: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class PairSettings:
    """What decides a set of pairs, besides the world.

    Attributes:
        seeds: The seeds of the edits.
        candidates: Made-up candidates for each edit.
        outputs: Outputs of the editor for each `CHUNK` edits; as many mended ones come with them.
        editor: Folder of the miniature editor; None leaves its outputs and its autoencoder's traces out.
        seed: Decides the candidates.
    """

    seeds: range
    candidates: int
    outputs: int
    editor: Path | None
    seed: int = 0


_DIFFICULTY_CYCLE = ("easy", "medium", "easy", "hard", "medium", "easy", "medium", "easy", "hard", "easy")


def draw_edit(seeds: range, index: int) -> MiniatureEdit:
    """The `index`-th edit of a set: categories in turn, half of each easy, three in ten medium, two in ten hard."""
    difficulty = _DIFFICULTY_CYCLE[index // len(CATEGORIES) % len(_DIFFICULTY_CYCLE)]
    return make_edit(CATEGORIES[index % len(CATEGORIES)], difficulty, seeds[index])


def draw_chunk(settings: PairSettings, chunk: int) -> JudgePairs:
    """Draws and scores the `chunk`-th `CHUNK` edits of a set, with candidates of every kind."""
    rng = np.random.default_rng([settings.seed, chunk])
    edits = [draw_edit(settings.seeds, index) for index in range(chunk * CHUNK, (chunk + 1) * CHUNK)]
    made = [
        one for place, edit in enumerate(edits) for one in _made_up(rng, settings, chunk * CHUNK + place, place, edit)
    ]
    if settings.editor is not None:
        pipeline = load_editor(settings.editor)
        made = [*_some_round_trips(rng, pipeline, made), *_editor_outputs(rng, pipeline, edits, settings.outputs)]
    scores = [
        compare_with_reference(edits[place].source, picture, edits[place].target).score for place, _, picture in made
    ]
    sources, targets = np.arange(CHUNK), np.arange(CHUNK, 2 * CHUNK)
    rows = [(place, place, 2 * CHUNK + index) for index, (place, _, _) in enumerate(made)]
    free = _rows_without_new_pictures(rng, edits)
    pictures = [
        *(edit.source for edit in edits),
        *(edit.target for edit in edits),
        *(picture for _, _, picture in made),
    ]
    return JudgePairs(
        pictures=np.stack(pictures),
        words=[words_of(edit) for edit in edits],
        rules=[[edit.category, edit.family, edit.difficulty] for edit in edits],
        sources=sources.astype(np.int32),
        targets=targets.astype(np.int32),
        rows=np.array(rows + [row for _, _, row in free], np.int32),
        scores=np.array(scores + [score for _, score, _ in free], np.float32),
        kinds=np.array([kind for _, kind, _ in made] + [kind for kind, _, _ in free]),
    )


def words_of(edit: MiniatureEdit) -> list[str]:
    """The `WORDS` of an edit."""
    return [getattr(edit, name) for name in WORDS]


Made = tuple[int, str, np.ndarray]
"""The place of an edit in its chunk, a kind, and a candidate for this edit."""


def _made_up(
    rng: np.random.Generator, settings: PairSettings, index: int, place: int, edit: MiniatureEdit
) -> list[Made]:
    donor = draw_edit(settings.seeds, index + len(CATEGORIES) * int(rng.integers(1, 1_000)))  # of the same category
    scene = Scene(edit.source, edit.target, donor.source, donor.target)
    return [(place, kind, picture) for kind, picture in make_candidates(rng, scene, settings.candidates)]


def _editor_outputs(
    rng: np.random.Generator, pipeline: QwenImageEditPipeline, edits: list[MiniatureEdit], count: int
) -> list[Made]:
    made: list[Made] = []
    for start in range(0, count, EDITOR_BATCH):
        chosen = rng.integers(len(edits), size=min(EDITOR_BATCH, count - start)).tolist()
        heard = [place if rng.random() < RIGHT_SHARE else _another(rng, edits, place) for place in chosen]
        wordings = rng.choice(["instruction_en", "explicit_en", "instruction_zh", "explicit_zh"], size=len(chosen))
        texts = [getattr(edits[place], wording) for place, wording in zip(heard, wordings, strict=True)]
        steps, noise = int(rng.choice(SAMPLING_STEPS)), int(rng.integers(2**31))
        edited = edit_pictures(pipeline, [edits[place].source for place in chosen], texts, steps, noise)
        for place, told, picture in zip(chosen, heard, edited, strict=True):
            made.append((place, "editor" if place == told else "misled editor", picture))
            made.append((place, "mended editor", mended(rng, picture, edits[place].target)))
    return made


def _another(rng: np.random.Generator, edits: list[MiniatureEdit], place: int) -> int:
    """An edit of another kind of picture, in every second case of the same category if words tell the kinds apart."""
    own = edits[place]
    near = bool(rng.random() < 0.5) and own.category != "指代"  # shapes are called alike in all pictures
    places = [
        other
        for other, edit in enumerate(edits)
        if edit.setting != own.setting and near == (edit.category == own.category)
    ]
    return int(rng.choice(places))


def _some_round_trips(rng: np.random.Generator, pipeline: QwenImageEditPipeline, made: list[Made]) -> list[Made]:
    chosen = np.flatnonzero(rng.random(len(made)) < ROUND_TRIP_SHARE)
    passed = dict(zip(chosen.tolist(), round_trips(pipeline.vae, [made[index][2] for index in chosen]), strict=True))
    return [(place, kind, passed.get(index, picture)) for index, (place, kind, picture) in enumerate(made)]


def _rows_without_new_pictures(
    rng: np.random.Generator, edits: list[MiniatureEdit]
) -> list[tuple[str, float, tuple[int, int, int]]]:
    """Kind, score and row of exact and absent edits, and of questions that are wrong themselves."""
    found = []
    for place, edit in enumerate(edits):
        target, stranger = len(edits) + place, _another(rng, edits, place)
        found += [("exact", 10.0, (place, place, target)), ("no edit", 0.0, (place, place, place))]
        if "swap" not in edit.tags and edit.family != "sun_crosses":  # these are right backwards as well
            found.append(("swapped", 0.0, (place, target, place)))
        found.append(("wrong source", 0.0, (place, stranger, target)))
        found += [("shuffled", 0.0, (_another(rng, edits, place), place, target)) for _ in range(SHUFFLED_ROWS)]
    return found


def draw_judge_pairs(settings: PairSettings, chunks: int) -> JudgePairs:
    """Draws the first `chunks` chunks of a set in this process."""
    return joined([draw_chunk(settings, chunk) for chunk in range(chunks)])


def joined(parts: Sequence[JudgePairs]) -> JudgePairs:
    """Several sets of pairs as one."""
    edits, pictures = (
        np.cumsum([0, *sizes])[:-1]
        for sizes in ([len(part.words) for part in parts], [len(part.pictures) for part in parts])
    )
    return JudgePairs(
        pictures=np.concatenate([part.pictures for part in parts]),
        words=list(itertools.chain.from_iterable(part.words for part in parts)),
        rules=list(itertools.chain.from_iterable(part.rules for part in parts)),
        sources=np.concatenate([part.sources + offset for part, offset in zip(parts, pictures, strict=True)]),
        targets=np.concatenate([part.targets + offset for part, offset in zip(parts, pictures, strict=True)]),
        rows=np.concatenate(
            [part.rows + np.array(first) for part, *first in zip(parts, edits, pictures, pictures, strict=True)]
        ),
        scores=np.concatenate([part.scores for part in parts]),
        kinds=np.concatenate([part.kinds for part in parts]),
    )


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
    return joined([_load(folder / f"{chunk}.npz") for chunk in range(chunks)])


def _single_threaded() -> None:
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _draw_and_keep(folder: Path, settings: PairSettings, chunk: int) -> None:
    pairs = draw_chunk(settings, chunk)
    texts = json.dumps({"words": pairs.words, "rules": pairs.rules}, ensure_ascii=False)
    arrays = {name: getattr(pairs, name) for name in ("pictures", "sources", "targets", "rows", "scores", "kinds")}
    with written_whole(folder / f"{chunk}.npz") as partial:
        np.savez(partial, texts=np.array(texts), **arrays)


def _load(path: Path) -> JudgePairs:
    with np.load(path) as stored:
        arrays = dict(stored)
    return JudgePairs(**json.loads(str(arrays.pop("texts"))), **arrays)


@functools.cache
def load_editor(folder: Path) -> QwenImageEditPipeline:
    """The miniature editor with the faster forms of its layers."""
    from diffusers import QwenImageEditPipeline

    from src.miniature.fast_cpu_training import PlainJointAttention, use_single_frame_convolutions

    pipeline = QwenImageEditPipeline.from_pretrained(folder)
    pipeline.transformer.set_attn_processor(PlainJointAttention())
    use_single_frame_convolutions(pipeline.vae)
    return pipeline
