"""`images/<category>/<sample id>.png`: the edits of the latest run under readable names, there for people.

Samples beyond the first few thousand of the benchmark file lie in sub-folders: `images/<category>/from_4096/…`. The
place in the file decides, which is the same in every order of work and in every shard.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from src.data.names import CONTROL, MAX_NAME_BYTES
from src.errors import OutputError
from src.record.file import FREE_SPACE

logger = logging.getLogger(__name__)

MANIFEST = ".editloop-pictures.jsonl"
"""Whose pictures the folder shows (first line), and their names (one a line)."""

IN_ONE_FOLDER = 4096
"""Samples of the file, one after the other, whose pictures lie side by side in the folders of their categories."""

Shown = tuple[str, str, int]
"""Category and id of a sample, and its place in the file."""

_json = json.JSONEncoder(ensure_ascii=False).encode
_NAME = re.compile(r"[^/.][^/]*/(from_\d+/)?[^/]+\.png")
_UNSAFE = re.compile(rf"[/\\{CONTROL}]")


@lru_cache(maxsize=1024)
def folder_name(category: str) -> str:
    """A category as the name of one folder, whatever text it is: no path, no control characters, not too long."""
    name = _UNSAFE.sub("_", category).lstrip(".").encode(errors="replace")[:MAX_NAME_BYTES]
    return name.decode(errors="ignore") or "_"


class PictureView:
    """Hard links to stored edits; whoever deletes them loses nothing. A hidden file lists them and says whose they are.

    What is not listed was put there by somebody else, and is never removed.

    Args:
        images_dir: Where the pictures are shown.
        output_dir: Of the run that shows them.

    Raises:
        OutputError: from its methods, when a picture cannot be written or removed.
    """

    def __init__(self, images_dir: Path, output_dir: Path) -> None:
        self._images_dir = images_dir
        self._output_dir = output_dir
        self._manifest = images_dir / MANIFEST
        self._listed: set[str] = set()
        self._unshown: set[str] = set()
        """Listed names of an earlier attempt that this one has not come to yet."""
        self._lock = threading.Lock()

    def refuse_others(self) -> None:
        """Refuses a folder that shows the pictures of another output directory.

        Raises:
            OutputError: that directory is still there.
        """
        if (other := self._other_owner()) is not None:
            raise OutputError(
                f"{self._images_dir} shows the pictures of the run in {other}: choose another evaluation.images_dir, "
                "or leave it out (each output directory then has its own images/)"
            )

    def clear(self, samples: Callable[[], Iterable[tuple[str, str]]], keep: Iterable[Shown] = ()) -> None:
        """Takes the listed pictures away, and folders that are empty then; those of another run are left alone.

        Args:
            samples: Gives category and id of what may be there if nothing is listed, as versions without a list left
                it.
            keep: The samples whose pictures stay, until `clear_unshown` unless they are shown.
        """
        if not self._images_dir.is_dir() or self._other_owner() is not None:
            return
        names = self._read()[1] if self._manifest.is_file() else {_name(*sample, 0) for sample in samples()}
        kept = names & {_name(*sample) for sample in keep}
        if names != kept or not kept:
            self._take_away(names - kept, kept)
        self._listed, self._unshown = kept, set(kept)

    def clear_unshown(self) -> None:
        """Takes the pictures away that `clear` has kept and this run has not shown."""
        if self._unshown:
            self._take_away(self._unshown, self._listed - self._unshown)
            self._unshown = set()

    def _take_away(self, names: set[str], listed: set[str]) -> None:
        """Removes pictures, and lists those that stay."""
        paths = [self._images_dir / name for name in names]
        try:
            for path in paths:
                path.unlink(missing_ok=True)
            _remove_empty(self._images_dir, paths)
            self._listed = listed
            self._begin_list()
        except OSError as error:
            raise OutputError(
                f"the pictures of an earlier run in {self._images_dir} cannot be removed: {error.strerror or error}"
            ) from error

    def warn_of_strangers(self) -> None:
        """Counts the pictures that are there although no run of EditLoop has listed them."""
        _, *folders = os.walk(self._images_dir) if self._images_dir.is_dir() else [("", [], [])]
        found = {
            f"{os.path.relpath(folder, self._images_dir)}/{name}"
            for folder, _, names in folders
            for name in names
            if name.endswith(".png")
        }
        if strangers := sorted(found - self._listed):
            logger.warning(
                "%s holds %d pictures that this run did not put there; they are left (the first: %s)",
                *(self._images_dir, len(strangers), strangers[0]),
            )

    def show(self, stored: Path, category: str, sample_id: str, index: int) -> None:
        """Shows a stored edit, atomically and without copying if possible.

        Args:
            stored: The picture.
            category: The sample's.
            sample_id: The sample's.
            index: Its place in the file.
        """
        name = _name(category, sample_id, index)
        target = self._images_dir / name
        try:
            self._list(name, target)
            try:
                os.link(stored, target)
            except OSError:  # there is no folder yet, it is there already, or the file system has no hard links
                target.parent.mkdir(parents=True, exist_ok=True)
                _replace(stored, target)
        except OSError as error:
            raise OutputError(
                f"the picture {target} cannot be written: {error.strerror or error}; {FREE_SPACE}"
            ) from error

    def _list(self, name: str, target: Path) -> None:
        """Before the picture is there, so that no picture is without its line; a stranger of its name makes way."""
        with self._lock:
            self._unshown.discard(name)
            if name in self._listed:
                return
            if target.exists():
                target.rename(target.with_name(f"{target.stem}.{time.time_ns()}.kept.png"))
            try:
                self._append(name)
            except FileNotFoundError:
                self._begin_list()
                self._append(name)
            self._listed.add(name)

    def _append(self, name: str) -> None:
        file = os.open(self._manifest, os.O_WRONLY | os.O_APPEND)  # three times as fast as a text file of Python's
        try:
            os.write(file, f"{_json(name)}\n".encode())
        finally:
            os.close(file)

    def _begin_list(self) -> None:
        """The owner is named from here, so that both can be moved or copied together; then come the names."""
        self._images_dir.mkdir(parents=True, exist_ok=True)
        owner = os.path.relpath(self._output_dir.resolve(), self._images_dir.resolve())
        part = self._manifest.with_name(f"{MANIFEST}.part")
        lines = [{"output_dir": owner}, *sorted(self._listed)]
        part.write_text("".join(f"{_json(line)}\n" for line in lines), encoding="utf-8")
        os.replace(part, self._manifest)

    def _other_owner(self) -> Path | None:
        owner = self._read()[0] if self._manifest.is_file() else None
        if owner is None:
            return None
        path = (self._images_dir.resolve() / owner).resolve()
        return path if path != self._output_dir.resolve() and path.is_dir() else None

    def _read(self) -> tuple[str | None, set[str]]:
        """The owner and the names of the list; lines that a crash or a person has damaged say nothing."""
        owner, names = None, set()
        for entry in _entries(self._manifest.read_text(encoding="utf-8", errors="replace").split("\n")):
            if isinstance(entry, dict) and isinstance(entry.get("output_dir"), str):
                owner = entry["output_dir"]
            elif isinstance(entry, str) and _NAME.fullmatch(entry):
                names.add(entry)
        return owner, names


def _entries(lines: Sequence[str]) -> list[Any]:
    """The lines as JSON, read at once: a list of a hundred thousand takes long line by line."""
    try:
        entries: list[Any] = json.loads(f"[{','.join(filter(None, lines))}]")
    except ValueError:
        return [entry for half in _halves(lines) for entry in _entries(half)]
    return entries


def _halves(lines: Sequence[str]) -> list[Sequence[str]]:
    """Both halves of the lines, one of which is damaged; nothing of a single one."""
    middle = len(lines) // 2
    return [lines[:middle], lines[middle:]] if middle else []


def _name(category: str, sample_id: str, index: int) -> str:
    first = index // IN_ONE_FOLDER * IN_ONE_FOLDER
    return f"{folder_name(category)}/{f'from_{first}/' if first else ''}{sample_id}.png"


def _remove_empty(root: Path, removed: Iterable[Path]) -> None:
    """Removes the folders below a root that have become empty without these files."""
    folders = {folder for path in removed for folder in path.parents if folder.is_relative_to(root) and folder != root}
    for folder in sorted(folders, key=lambda one: len(one.parts), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


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
