"""Where the pictures of edits lie: in one folder, and beyond a few thousand in sub-folders of it."""

from __future__ import annotations

import os
import threading
from itertools import islice
from pathlib import Path

MOST_IN_ONE_FOLDER = 4096
"""Pictures that lie side by side. Those that come later lie in sub-folders named by the first two digits of their keys:
file systems, file managers and `ls` have a hard time with a hundred thousand files in one folder."""


class EditPictures:
    """Says where the picture of an edit is, or will be. Safe to use from several threads and processes.

    Args:
        folder: The folder of edits, which need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._room = MOST_IN_ONE_FOLDER - _pictures_in(folder, MOST_IN_ONE_FOLDER)

    def find(self, edit_key: str) -> Path | None:
        """The picture of an edit; None where there is none."""
        for path in (self._beside(edit_key), self._below(edit_key)):
            if os.path.isfile(path):
                return Path(path)
        return None

    def path(self, edit_key: str) -> Path:
        """The file of an edit: where it is, else where it would be written."""
        return self.find(edit_key) or Path(self._beside(edit_key) if self._room > 0 else self._below(edit_key))

    def place(self, edit_key: str) -> Path:
        """As `path`, for a picture that is written now: its folder is there.

        Raises:
            OSError: the folder cannot be made.
        """
        path = self.path(edit_key)
        if path.parent == self.folder:
            self._room -= 1  # two threads may count one picture: the limit is no sharp one
        else:
            path.parent.mkdir(exist_ok=True)
        return path

    def store(self, edit_key: str, png: bytes) -> None:
        """Writes the picture of an edit, atomically.

        Raises:
            OSError: it cannot be written.
        """
        path = self.place(edit_key)
        part = path.with_suffix(f".{threading.get_ident()}.part")
        try:
            part.write_bytes(png)
            os.replace(part, path)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def drop(self, edit_key: str) -> None:
        """Deletes the picture of an edit, if there is one."""
        if (path := self.find(edit_key)) is not None:
            path.unlink(missing_ok=True)
            self._room += path.parent == self.folder

    def _beside(self, edit_key: str) -> str:
        return f"{self.folder}/{edit_key}.png"

    def _below(self, edit_key: str) -> str:
        return f"{self.folder}/{edit_key[:2]}/{edit_key}.png"


def _pictures_in(folder: Path, most: int) -> int:
    """How many pictures lie in a folder itself; counts no further than `most`."""
    try:
        with os.scandir(folder) as entries:
            return sum(1 for _ in islice((one for one in entries if one.name.endswith(".png")), most))
    except FileNotFoundError:
        return 0
