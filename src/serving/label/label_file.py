"""The file into which one rater's labels go, a line each; other raters may write into it at the same time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from src.errors import ConfigError, OutputError
from src.reporting.calibration.labels import UNDONE, Label, stored_labels

SUFFIXES = (".jsonl", ".ndjson")
LOCK_SECONDS = 10.0
"""Seconds for which a line waits for those of other raters."""


class LabelFile:
    """Labels of one rater, to be used as a context.

    A line is on the disk (fsync) before `add` or `undo` return: a killed process loses nothing that the rater was told
    to be stored. Half a line that a power cut left at the end is removed on opening.

    Args:
        path: The file; made on opening.
        rater: Whose labels are written.

    Raises:
        ConfigError: on opening, when the path is no JSON-lines file.
        OutputError: on opening and writing, when the file cannot be written or the rater is writing to it already.
        DataError: on opening, when the file holds something else than labels.
    """

    def __init__(self, path: Path, rater: str) -> None:
        if path.suffix.lower() not in SUFFIXES:
            raise ConfigError(f"labels are kept as JSON lines: --labels {path} must end in .jsonl")
        self.path = path
        self.rater = rater
        self._resources = ExitStack()
        self._lock = FileLock(f"{path}.lock")

    def __enter__(self) -> LabelFile:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._resources.enter_context(self._only_once())
            self._mend()
        except OSError as error:
            self._resources.close()
            raise self._unwritable(error) from error
        except BaseException:
            self._resources.close()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        self._resources.close()

    def _only_once(self) -> AbstractContextManager[object]:
        """Holds the rater's place for as long as the file is open."""
        name = hashlib.sha256(self.rater.encode()).hexdigest()[:16]
        try:
            return FileLock(f"{self.path}.{name}.lock").acquire(timeout=0)
        except Timeout:
            raise OutputError(
                f"rater {self.rater!r} is labelling into {self.path} already: end that command, or name another --rater"
            ) from None

    def _mend(self) -> None:
        """Removes half a line at the end, and ends a whole one."""
        with self._lock.acquire(timeout=LOCK_SECONDS), self.path.open("ab+") as file:
            file.seek(0)
            data = file.read()
            if not data or data.endswith(b"\n"):
                return
            last = data.rpartition(b"\n")[2]
            try:
                json.loads(last)
            except ValueError:
                file.truncate(len(data) - len(last))
            else:
                file.write(b"\n")
            file.flush()
            os.fsync(file.fileno())

    def labels(self) -> list[Label]:
        """All labels of the file that were not taken back, of any rater, in the order in which they came."""
        return stored_labels(self.path) if self.path.stat().st_size else []

    def add(self, sample_id: str, answer: Mapping[str, Any], edit_keys: Sequence[str | None]) -> None:
        """Stores a label."""
        self._append({"sample_id": sample_id, **answer, "rater": self.rater, "edit_keys": list(edit_keys)})

    def undo(self, sample_id: str) -> None:
        """Takes the rater's label of a sample back; the line stays, and another one says so."""
        self._append({"sample_id": sample_id, UNDONE: True, "rater": self.rater})

    def _append(self, line: Mapping[str, Any]) -> None:
        data = json.dumps(line, ensure_ascii=True, allow_nan=False).encode() + b"\n"
        try:
            with self._lock.acquire(timeout=LOCK_SECONDS):
                file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
                try:
                    size = os.fstat(file).st_size
                    if os.write(file, data) < len(data):
                        os.ftruncate(file, size)
                        raise OutputError(f"{self.path}: the disk is full; free space and give the answer again")
                    os.fsync(file)
                finally:
                    os.close(file)
        except Timeout:
            raise OutputError(f"{self.path} is held by another process; the answer is not stored: try again") from None
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> OutputError:
        reason = error.strerror or error
        return OutputError(f"labels cannot be written to {self.path}: {reason}; name another place by --labels FILE")
