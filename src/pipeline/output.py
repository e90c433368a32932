"""The output directory: usable, ours alone, and the readable view of the edited pictures."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from src.errors import OutputError

LOCK_NAME = ".lock"
MAX_FOLDER_BYTES = 150
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\u2028\u2029]")


@contextmanager
def exclusive(output_dir: Path) -> Iterator[None]:
    """Creates the directory, proves that it can be written, and holds it against other runs.

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
            f"output directory {output_dir} cannot be written: {error.strerror or error}; "
            "choose another with --output-dir"
        ) from error
    lock = FileLock(output_dir / LOCK_NAME)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OutputError(
            f"another run is writing to {output_dir}; wait for it, or choose another directory with --output-dir"
        ) from error
    try:
        yield
    finally:
        lock.release()


def folder_name(category: str) -> str:
    """A category as the name of one folder, whatever text it is: no path, no control characters, not too long."""
    name = _UNSAFE.sub("_", category).lstrip(".").encode(errors="replace")[:MAX_FOLDER_BYTES]
    return name.decode(errors="ignore") or "_"


def show_picture(stored: Path, images_dir: Path, category: str, sample_id: str) -> None:
    """Shows a stored edit as `images_dir/<category>/<sample_id>.png`, atomically and without copying if possible."""
    folder = images_dir / folder_name(category)
    target = folder / f"{sample_id}.png"
    try:
        try:
            os.link(stored, target)
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
            _replace(stored, target)
        except OSError:  # it is there already, or the file system has no hard links
            _replace(stored, target)
    except OSError as error:
        raise OutputError(
            f"the picture {target} cannot be written: {error.strerror or error}; then --resume"
        ) from error


def _replace(stored: Path, target: Path) -> None:
    if target.exists() and target.samefile(stored):
        return
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        os.link(stored, part)
    except OSError:
        shutil.copyfile(stored, part)
    os.replace(part, target)
