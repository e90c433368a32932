"""Launches of several processes that leave none behind, also where a test is broken off."""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent


def run_launcher(
    command: Sequence[str | os.PathLike[str]],
    folder: Path,
    environment: Mapping[str, str],
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a command as `subprocess.run` does, and ends the processes below it as well when it is broken off.

    `subprocess.run` kills the launcher alone, which can then end its workers no more; and those of torchrun are in
    sessions of their own, so that they are not in its process group either.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, env=dict(environment), text=True, **pipes) as launcher:  # type: ignore[call-overload]
        try:
            output, errors = launcher.communicate(timeout=timeout)
        except BaseException:  # a limit of time of the whole test as well, and Ctrl-C
            _end(launcher.pid)
            raise
    return subprocess.CompletedProcess(list(command), launcher.returncode, output, errors)


def _end(pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        launcher = psutil.Process(pid)
        launcher.suspend()  # so that it starts no other
        for process in (*launcher.children(recursive=True), launcher):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def run_warm(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs `python ARGUMENTS` in the repository's root, by an interpreter that has torch loaded (`warm_python`)."""
    warm = _warm_python()
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        asked = {"arguments": arguments, "output": str(output), "errors": str(errors), "environment": dict(environment)}
        try:
            print(json.dumps(asked), file=warm.stdin, flush=True)
            code = warm.stdout.readline()  # type: ignore[union-attr]
        except BaseException:
            _end(warm.pid)
            warm.wait()
            _warm_python.cache_clear()
            raise
        return subprocess.CompletedProcess(list(arguments), int(code), output.read_text(), errors.read_text())


@functools.cache
def _warm_python() -> subprocess.Popen[str]:
    """Started by the first who needs it, for all tests of this process."""
    own = {"PYTHONPATH": ".", "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}
    command = [sys.executable, "tests/warm_python.py"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **own}, text=True, **pipes)  # type: ignore[call-overload]
    atexit.register(started.communicate)
    return started
