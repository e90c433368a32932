"""A launch that is broken off ends with all that it has started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.launched import run_launcher

LAUNCHER = "setsid sleep 600 & echo $! > worker; wait"
"""Starts a worker in a session of its own, as torchrun does."""


def runs(process: int) -> bool:
    """Whether there is such a process; one that has ended and that nobody has waited for is none."""
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_launch_that_is_broken_off_leaves_no_worker_behind(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run_launcher(["sh", "-c", LAUNCHER], tmp_path, os.environ, timeout=2)
    worker = int((tmp_path / "worker").read_text(encoding="utf-8"))
    deadline = time.monotonic() + 5
    while runs(worker) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not runs(worker)


def test_a_launch_that_ends_by_itself_is_told_with_its_code_and_its_words(tmp_path: Path) -> None:
    code = "import sys; print('done'); sys.stderr.write('alas'); sys.exit(3)"
    ended = run_launcher([sys.executable, "-c", code], tmp_path, os.environ)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "done\n", "alas")
