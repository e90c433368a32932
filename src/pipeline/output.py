"""The output directory: usable, ours alone, and cleared of what an earlier run left."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from src.config import EvaluationConfig
from src.errors import OutputError
from src.pipeline.picture_view import PictureView
from src.record.record import EDITS_FOLDER, RECORD_NAME, Record

logger = logging.getLogger(__name__)

LOCK_NAME = ".lock"


@contextmanager
def exclusive(output_dir: Path, option: str = "--output-dir") -> Iterator[None]:
    """Creates the directory, proves that it can be written, and holds it against other runs.

    Args:
        output_dir: The directory.
        option: By what the command chooses another one.

    Raises:
        OutputError: not a directory, not writable, or another run is using it.
    """
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output_dir) as probe:
            probe.write(b"\0" * 65536)
            probe.flush()
    except OSError as error:
        raise OutputError(
            f"output directory {output_dir} cannot be written: {error.strerror or error}; choose another with {option}"
        ) from error
    lock = FileLock(output_dir / LOCK_NAME)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OutputError(
            f"another run is writing to {output_dir}; wait for it, or choose another directory with {option}"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def opened(settings: EvaluationConfig, view: PictureView) -> Iterator[Record]:
    """The record of the output directory, which is ours alone; without `--resume`, one that was there is set aside.

    Raises:
        OutputError: the directory cannot be used, or its pictures are shown where another run shows its own.
    """
    with exclusive(settings.output_dir):
        if settings.save_generated_images:
            view.refuse_others()
        fresh = not settings.resume_from_checkpoint
        if fresh and (old := set_aside(settings.output_dir, settings.images, view)):
            logger.warning("%s held an earlier run; its record and pictures are now in %s", settings.output_dir, old)
        with closing(Record(settings.output_dir)) as record:
            yield record


def set_aside(output_dir: Path, images_dir: Path, view: PictureView) -> Path | None:
    """Moves the record, edits and pictures of earlier runs into `previous/<time>/`, so that a fresh run loses nothing.

    Pictures that are shown outside the output directory are not moved but taken away: the edits are what counts.

    Returns:
        The folder they were moved to, or None when there was nothing to move.
    """
    if not (output_dir / RECORD_NAME).exists():
        return None
    stamp = datetime.now().strftime("%Y%m%d_%H%M%S_%f")
    target = output_dir / "previous" / stamp
    target.mkdir(parents=True)
    names = [EDITS_FOLDER, f"{RECORD_NAME}-wal", f"{RECORD_NAME}-shm", RECORD_NAME]
    if images_dir.parent != output_dir:
        _clear_view(output_dir, view)
    for path in [images_dir, *(output_dir / name for name in names)]:
        if path.exists() and path.parent == output_dir:
            shutil.move(path, target / path.name)
    return target


def _clear_view(output_dir: Path, view: PictureView) -> None:
    samples: list[tuple[str, str]] = []
    try:
        with closing(Record(output_dir)) as record:
            samples = record.named_samples()
    except OutputError as error:
        logger.warning("what the earlier run showed is known from its list of pictures alone: %s", error)
    view.clear(lambda: samples)
