"""What a check is, what it finds, and the rows that the table shows of it."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

LONGEST_REASON = 300
"""Characters of an error that a row shows; the log holds the traceback."""


@dataclass(frozen=True)
class Setting:
    """Where the checks run, and how large they are.

    Attributes:
        device: `cuda`, or `cpu` for what a CPU can run of them.
        tiny: Whether models and trainings are cut down to seconds; only the code is tried then.
    """

    device: str = "cuda"
    tiny: bool = False

    @property
    def on_gpu(self) -> bool:
        """Whether there is a GPU."""
        return self.device != "cpu"


@dataclass(frozen=True)
class Check:
    """One check: a function that is called in a process of its group.

    Attributes:
        function: `module:name` of a function that takes a `Setting` and returns findings.
        proves: What it shows, for whom there is no GPU.
        seconds: How long it may take, with what its process imports and loads first.
        group: Checks of equal group that follow each other share a process, and what it has loaded.
    """

    function: str
    proves: str
    seconds: float
    group: str

    @property
    def name(self) -> str:
        """The name by which `--only` chooses it."""
        return self.function.partition(":")[2]


class Outcome(StrEnum):
    """What became of a check, or of one thing that it looked at."""

    HOLDS = "yes"
    MISSES = "NO"
    MEASURED = "measured"
    FAILED = "failed"
    STOPPED = "stopped"
    NOT_RUN = "not run"
    DOES_NOT_APPLY = "does not apply"

    @property
    def passes(self) -> bool:
        """Whether nothing is wrong and nothing is left to do."""
        return self in (Outcome.HOLDS, Outcome.MEASURED, Outcome.DOES_NOT_APPLY)


@dataclass(frozen=True)
class Finding:
    """One thing that a check looked at.

    Attributes:
        what: What was looked at.
        measured: What was found, in words.
        wanted: What it should be; empty for a figure that nothing is asked of.
        holds: Whether it is so; None for a figure that nothing is asked of, or for what `reason` says.
        figures: The numbers by name, with their unit in the name, for the JSON.
        reason: Why there is no measurement, if there is none.
        applies: Whether the reason is a failure, and not that there is nothing to measure here.
    """

    what: str
    measured: str = ""
    wanted: str = ""
    holds: bool | None = None
    figures: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    applies: bool = True

    def __post_init__(self) -> None:
        """Raises `ValueError` for a number that is none: a failure has a reason instead."""
        if wrong := [name for name, value in self.figures.items() if not math.isfinite(value)]:
            raise ValueError(f"{self.what}: {', '.join(wrong)} is no number")
        if self.reason and (self.figures or self.measured):
            raise ValueError(f"{self.what}: what was not measured has no figures")

    @property
    def outcome(self) -> Outcome:
        """What the row says."""
        if self.reason:
            return Outcome.FAILED if self.applies else Outcome.DOES_NOT_APPLY
        if self.holds is None:
            return Outcome.MEASURED
        return Outcome.HOLDS if self.holds else Outcome.MISSES


@dataclass(frozen=True)
class Row:
    """One row of the table and of the JSON."""

    check: str
    outcome: Outcome
    what: str
    measured: str = ""
    wanted: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    seconds: float | None = None
    """How long the whole check took; None where it did not come to its end."""


class DoesNotApply(Exception):
    """This machine has not what the check is about; the text says what."""


def run_check(function: str, setting: Setting) -> list[Row]:
    """Runs a check here; whatever breaks in it is a row with its reason, and a traceback on stderr."""
    name = function.partition(":")[2]
    started = time.perf_counter()
    try:
        findings = resolved(function)(setting) or [Finding(said(name), reason="it found nothing that it could look at")]
    except DoesNotApply as error:
        findings = [Finding(said(name), reason=str(error), applies=False)]
    except Exception as error:  # whatever breaks, the other checks are worth knowing
        traceback.print_exc(file=sys.stderr)
        findings = [Finding(said(name), reason=reason_of(error))]
    seconds = time.perf_counter() - started
    return [
        Row(name, one.outcome, one.what, one.measured, one.wanted, one.figures, one.reason, seconds) for one in findings
    ]


def resolved(function: str) -> Callable[[Setting], list[Finding]]:
    """The function of a check; its module is imported now."""
    module, _, name = function.partition(":")
    found: Callable[[Setting], list[Finding]] = getattr(importlib.import_module(module), name)
    return found


def said(name: str) -> str:
    """The name of a check, in words."""
    return name.replace("_", " ")


def reason_of(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:LONGEST_REASON]


def require_success(done: subprocess.CompletedProcess[str], what: str) -> None:
    """Raises `RuntimeError` with the last line that a process said, if it failed; the log gets all that it said."""
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr)
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise RuntimeError(f"{what} ended with exit code {done.returncode}: {last}")
