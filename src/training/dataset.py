"""Reads data files as examples, stores their images, mixes the files, and splits them so that no image leaks."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from src.counted import counted
from src.data.image import LazyImage, content_hash, decode_image
from src.data.sample import BadSample
from src.data.selection import Selection
from src.errors import DataError
from src.pipeline.keys import digest
from src.training.config import DataSettings
from src.training.tasks.base import Task
from src.training.tasks.example import Example

logger = logging.getLogger(__name__)

NAMED = 5
"""Number of items that a message names at most."""


@dataclass(frozen=True)
class ImageStore:
    """Keeps every image once, as a file named by its content, so that a dataset's images do not stay in memory.

    What is in the folder has been decoded once, whichever process or earlier start did it, and is not decoded again;
    a file whose content is no longer what its name says is written anew.
    """

    folder: Path

    def keep(self, image: LazyImage) -> LazyImage:
        """Stores an image and returns it from the folder.

        Raises:
            ImageError: when its bytes cannot be read, or are no image.
        """
        data = image.read_bytes()
        path = self.folder / f"{content_hash(data)}.image"
        if not _holds(path, data):
            decode_image(data)
            self.folder.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}.part")
            part.write_bytes(data)
            os.replace(part, path)
        return LazyImage(path=path)


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


@dataclass(frozen=True)
class Split:
    """The examples for training and the held-out examples. No source image is in both."""

    train: list[Example]
    """The examples of one epoch in file order; one that enters twice is there twice."""
    held_out: list[Example]


def read_split(task: Task, data: DataSettings, seed: int, store: ImageStore) -> Split:
    """Reads all files of a config.

    Raises:
        DataError: nothing to train on, a file that cannot be read, or source images that are in both parts.
    """
    own_file = isinstance(data.held_out, str)
    paths = [file.path for file in data.files] + ([str(data.held_out)] if own_file else [])
    selections = [file.selection(data) for file in data.files] + [Selection.of(data, limited=False)]
    parts = [_read(task, path, selection, store) for path, selection in zip(paths, selections, strict=False)]
    if len(parts) > 1:
        parts = [_prefixed(part, f"{position}-{Path(paths[position]).stem}/") for position, part in enumerate(parts)]
    if own_file:
        held_out = parts.pop()
        _refuse_overlap([one for part in parts for one in part], held_out, str(data.held_out))
    else:
        share = float(data.held_out or 0.0)
        held_out = [one for part in parts for one in part if draw(seed, one.source_sha256) < share]
        parts = [[one for one in part if draw(seed, one.source_sha256) >= share] for part in parts]
    train = [
        one
        for file, part in zip(data.files, parts, strict=True)
        for one in part
        for _ in range(copies(one.example_id, file.coefficient, seed))
    ]
    if not train:
        raise DataError(
            f"nothing is left to train on in {', '.join(paths)}: lower data.held_out or raise a coefficient"
        )
    return Split(train, held_out)


def _read(task: Task, path: str, selection: Selection, store: ImageStore) -> list[Example]:
    examples: list[Example] = []
    bad: list[str] = []
    for item in task.examples(path, selection, store.keep):
        if isinstance(item, BadSample):
            bad.append(f"{item.sample_id} (item {item.index}): {item.reason}")
        else:
            examples.append(item)
    if bad:
        logger.warning("%s: %d bad items are left out: %s", path, len(bad), "; ".join(bad[:NAMED]))
    if not examples:
        raise DataError(f"{path} holds no usable item; the first reasons: {'; '.join(bad[:NAMED])}")
    return examples


def _prefixed(examples: Sequence[Example], prefix: str) -> list[Example]:
    """Puts the prefix before all ids, since ids are unique within a file only."""
    return [replace(one, example_id=prefix + one.example_id) for one in examples]


def _refuse_overlap(train: Sequence[Example], held_out: Sequence[Example], path: str) -> None:
    trained = {one.source_sha256: one.example_id for one in train}
    shared = [f"{one.example_id} = {trained[one.source_sha256]}" for one in held_out if one.source_sha256 in trained]
    if shared:
        of = f"of data.held_out ({path})"
        have = counted(len(shared), f"sample {of} has", f"samples {of} have")
        raise DataError(
            f"{have} a source image that is trained on as well "
            f"({', '.join(shared[:NAMED])}): remove them from one of the files, or give a share instead of a file"
        )


def copies(name: str, coefficient: float, seed: int) -> int:
    """Returns the whole part of the coefficient, plus one for a random share of names as large as its fraction."""
    whole = int(coefficient)
    return whole + (draw(seed, name) < coefficient - whole)


def draw(seed: int, name: str) -> float:
    """Returns a number from 0 to 1 that depends on seed and name alone, never on an order."""
    return int(digest(["draw", seed, name])[:13], 16) / 16**13
