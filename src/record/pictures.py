"""Where the pictures of edits lie: in sub-folders that are named by the first two digits of their keys.

File systems, file managers and `ls` have a hard time with a hundred thousand files in one folder. The place follows
from the key alone, so that it does not depend on the order in which edits were stored, nor on the machine.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path


class EditPictures:
    """Says where the picture of an edit is, or will be. Safe to use from several threads and processes.

    Args:
        folder: The folder of edits, which need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = str(folder)

    def find(self, edit_key: str) -> Path | None:
        """The picture of an edit, also in the folder itself, where records of before have it; None without one."""
        name = self.name(edit_key)
        return None if name is None else self.folder / name

    def name(self, edit_key: str) -> str | None:
        """As `find`, but as a path from the folder on: a report asks for it a hundred thousand times."""
        for name in (_name(edit_key), f"{edit_key}.png"):
            if os.path.isfile(f"{self._root}/{name}"):
                return name
        return None

    def path(self, edit_key: str) -> Path:
        """The file of an edit: where it is, else where it would be written."""
        return self.folder / (self.name(edit_key) or _name(edit_key))

    def place(self, edit_key: str) -> Path:
        """As `path`, for a picture that is written now: its folder is there.

        Raises:
            OSError: the folder cannot be made.
        """
        path = self.path(edit_key)
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


def _name(edit_key: str) -> str:
    return f"{edit_key[:2]}/{edit_key}.png"
