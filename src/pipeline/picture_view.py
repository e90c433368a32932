"""`images/<category>/<sample id>.png`: the edits of the latest run under readable names, there for people."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from src.data.names import CONTROL, MAX_NAME_BYTES
from src.errors import OutputError

_UNSAFE = re.compile(rf"[/\\{CONTROL}]")


def folder_name(category: str) -> str:
    """A category as the name of one folder, whatever text it is: no path, no control characters, not too long."""
    name = _UNSAFE.sub("_", category).lstrip(".").encode(errors="replace")[:MAX_NAME_BYTES]
    return name.decode(errors="ignore") or "_"


class PictureView:
    """Hard links to stored edits; whoever deletes them loses nothing.

    Raises:
        OutputError: from its methods, when a picture cannot be written or removed.
    """

    def __init__(self, images_dir: Path) -> None:
        self._images_dir = images_dir

    def show(self, stored: Path, category: str, sample_id: str) -> None:
        """Shows a stored edit, atomically and without copying if possible."""
        target = self._path(category, sample_id)
        try:
            try:
                os.link(stored, target)
            except FileNotFoundError:
                target.parent.mkdir(parents=True, exist_ok=True)
                _replace(stored, target)
            except OSError:  # it is there already, or the file system has no hard links
                _replace(stored, target)
        except OSError as error:
            raise OutputError(
                f"the picture {target} cannot be written: {error.strerror or error}; then --resume"
            ) from error

    def clear(self, samples: Iterable[tuple[str, str]]) -> None:
        """Takes the pictures of these samples (category and id) away, and folders that are empty then."""
        paths = [self._path(category, sample_id) for category, sample_id in samples]
        try:
            for path in paths:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"the picture {path} cannot be removed: {error.strerror or error}") from error
        for folder in {path.parent for path in paths}:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _path(self, category: str, sample_id: str) -> Path:
        return self._images_dir / folder_name(category) / f"{sample_id}.png"


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
