"""Launches of several processes that leave none behind, also where a test is broken off."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil


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
