"""The output directory: usable, and ours alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from src.errors import OutputError

LOCK_NAME = ".lock"


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
