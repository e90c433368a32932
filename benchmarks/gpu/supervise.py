"""Runs checks in processes of their own, each within its time: what crashes or hangs is a row, and the rest go on."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path

from benchmarks.gpu.check import LONGEST_REASON, Check, Outcome, Row, Setting, run_check, said

POLL_SECONDS = 0.1
LEAST_SECONDS = 5.0
"""With less time left, no further check is begun."""
WORKER = "benchmarks.gpu.worker"


def supervised(checks: Sequence[Check], setting: Setting, seconds: float, folder: Path) -> Generator[Row]:
    """Yields the rows of all checks, as they come.

    Args:
        checks: In their order; those of one group that follow each other share a process until one breaks it.
        setting: What they are given.
        seconds: How long all of them may take together; what is left then is listed as not run.
        folder: Where `log.txt` gets what they print.
    """
    end = time.monotonic() + seconds
    for _, members in groupby(checks, key=lambda check: check.group):
        todo = list(members)
        while todo:
            if end - time.monotonic() < LEAST_SECONDS:
                reason = f"the {seconds / 60:.3g} minutes of --minutes were over"
                yield from (Row(one.name, Outcome.NOT_RUN, one.proves, reason=reason) for one in todo)
                break
            worker = _Worker(todo, setting, end, folder)
            yield from worker.rows()
            todo = todo[worker.done :]


class _Worker:
    """One process with the checks that are still to do in a group; it ends with the first that breaks it."""

    def __init__(self, todo: Sequence[Check], setting: Setting, end: float, folder: Path) -> None:
        self.done = 0
        self._todo = todo
        self._setting = setting
        self._end = end
        self._results = folder / "results.jsonl"
        self._log = folder / "log.txt"
        self._log_began = 0

    def rows(self) -> Iterator[Row]:
        """Yields the rows of each check that comes to an end, whatever end."""
        self._results.unlink(missing_ok=True)
        functions = [check.function for check in self._todo]
        command = [
            sys.executable,
            "-u",
            "-m",
            WORKER,
            str(self._results),
            json.dumps(dataclasses.asdict(self._setting)),
        ]
        with self._log.open("ab") as log:
            self._log_began = log.tell()
            process = None
            try:
                with _signals_wait():
                    process = subprocess.Popen([*command, *functions], stdout=log, stderr=log, start_new_session=True)
                yield from self._watched(process)
            finally:
                if process is not None:
                    _kill(process)

    def _watched(self, process: subprocess.Popen[bytes]) -> Iterator[Row]:
        began, read = time.monotonic(), 0
        while self.done < len(self._todo):
            ended = process.poll() is not None  # asked first: what it wrote before its end is then all there
            lines = finished_lines(self._results)
            for line in lines[read:]:
                yield from rows_from(line)
                self.done += 1
                began = time.monotonic()
            read = len(lines)
            if self.done == len(self._todo):
                return
            check, now = self._todo[self.done], time.monotonic()
            if ended:
                self.done += 1
                yield self._broken(
                    check, Outcome.FAILED, f"its process ended with {_status(process)}: {self._last(check)}"
                )
                return
            if now - began > check.seconds or now > self._end:
                self.done += 1
                limit = "its limit" if now - began > check.seconds else "the end of all checks (--minutes)"
                yield self._broken(check, Outcome.STOPPED, f"stopped after {now - began:.0f} s, at {limit}")
                return
            time.sleep(POLL_SECONDS)

    def _broken(self, check: Check, outcome: Outcome, reason: str) -> Row:
        return Row(check.name, outcome, said(check.name), reason=reason)

    def _last(self, check: Check) -> str:
        """The last line of a check's own part of the log; before that part, its process was still starting."""
        text = self._log.read_bytes()[self._log_began :].decode(errors="replace")
        lines = text.rpartition(_heading(check.function))[2].strip().splitlines()
        return lines[-1][:LONGEST_REASON] if lines else "it said nothing"


def finished_lines(path: Path) -> list[str]:
    """The lines of a file that is being written, without the one that is not complete."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return text[: text.rfind("\n") + 1].splitlines()


def rows_from(line: str) -> list[Row]:
    """The rows of one check, as its process wrote them."""
    return [Row(**{**row, "outcome": Outcome(row["outcome"])}) for row in json.loads(line)]


def _status(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    names = {one.value: one.name for one in signal.Signals}
    return f"signal {names.get(-code, -code)}" if code < 0 else f"exit code {code}"


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Lets what would end this process wait: within the block it would lose sight of the worker that it starts."""
    arrived: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda got, frame: arrived.append(got)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for late in arrived:
        signal.raise_signal(late)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends the process with all that it started, such as the workers of a compiler."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _heading(function: str) -> str:
    """What stands in the log before all that a check says."""
    return f"\n=== {function} ===\n"


def work(results: Path, setting: Setting, functions: Sequence[str]) -> None:
    """In a worker: runs the checks one after the other, and writes the rows of each as one line."""
    with results.open("w", encoding="utf-8") as file:
        for function in functions:
            sys.stderr.write(_heading(function))
            rows = run_check(function, setting)
            file.write(json.dumps([dataclasses.asdict(row) for row in rows], allow_nan=False) + "\n")
            file.flush()
