"""Checks that go wrong in every way that a check can; for `test_gpu_check.py`."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from benchmarks.gpu.check import DoesNotApply, Finding, Setting


def holds(setting: Setting) -> list[Finding]:
    return [Finding("process", str(os.getpid()), "one", True, {"pid": os.getpid()})]


def misses(setting: Setting) -> list[Finding]:
    return [Finding("difference", "9", "≤ 2", False, {"levels": 9.0})]


def raises(setting: Setting) -> list[Finding]:
    raise RuntimeError("the device\nhas gone")


def not_a_number(setting: Setting) -> list[Finding]:
    return [Finding("seconds", "nan", figures={"seconds": float("nan")})]


def does_not_apply(setting: Setting) -> list[Finding]:
    raise DoesNotApply("there is one GPU")


def kills_its_process(setting: Setting) -> list[Finding]:
    print("a last word", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def says_something(setting: Setting) -> list[Finding]:
    print("all is well", file=sys.stderr)
    return holds(setting)


def kills_its_process_in_silence(setting: Setting) -> list[Finding]:
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def finds_nothing(setting: Setting) -> list[Finding]:
    return []


def leaves_a_child_and_hangs(setting: Setting) -> list[Finding]:
    child = os.fork()
    if child:
        Path(os.environ["CHILD_FILE"]).write_text(str(child), encoding="utf-8")
    time.sleep(600)
    return []
