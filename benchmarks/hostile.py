"""Hostile files, configurations, judges, kills and requests: no traceback, no crash, no hang, and memory within bounds.

Each case runs in a process of its own, of which the peak memory and the time are measured. Names as arguments run only
these cases; `--seed` throws other dice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import close, command_line, console, show

ROOT = Path(__file__).resolve().parents[1]
HANG = 30.0
"""Seconds of one trial."""
LONGEST_CASE = 3600
RUN = "from benchmarks.hostile_cases import run_case; run_case()"


@dataclass(frozen=True)
class Case:
    """What is tried, how often, and how much memory it may take."""

    name: str
    what: str
    """For `--help`."""
    most: int
    """MiB."""
    count: int = 1
    quick: int = 1


CASES = (
    Case("digits", "an integer of 100,000 digits", 250),
    Case("brackets", "`[` × 200,000", 250),
    Case("deep", "an unused field nested 20,000 deep", 250),
    Case("base64_text", "20 MB of base64 with a bad byte", 250),
    Case("frames", "a TIFF of 100,000 frames", 250),
    Case("flat", "flat 8000×8000 pictures, slow judge", 1200, 24, 6),
    Case("served", "requests of 8000×8000 at once", 1200, 16, 4),
    Case("rgba", "one transparent picture of 64 MP", 700),
    Case("parquet", "60 rows of 40 MB in kilobytes", 700),
    Case("bodies", "judge's answers of 500 MB, gzip bomb", 350, 3, 3),
    Case("files", "mutated benchmark files", 500, 2000, 90),
    Case("configs", "mutated configurations", 500, 700, 60),
    Case("faults", "runs with a judge at fault", 500, 60, 6),
    Case("kills", "kill -9, then --resume", 500, 30, 3),
    Case("requests", "requests to the edit server", 500, 2000, 100),
    Case("secrets", "names of secrets in params", 500),
)


@dataclass(frozen=True)
class Measured:
    """What came of a case."""

    row: list[str]
    """Of the table."""
    broken: int
    """In how many ways it broke its goals."""
    trials: int
    reason: str = ""
    """Of the first of them, where there is one."""


def measured(case: Case, count: int, seed: int) -> Measured:
    """Runs a case in an empty folder, and sees that nothing but its own folder has changed afterwards."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        (place := Path(folder) / "case").mkdir()
        (aside := Path(folder) / "aside").mkdir()
        command = [sys.executable, "-c", RUN, case.name, str(count), str(seed), str(place)]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "no_proxy": "127.0.0.1"}
        try:
            ended = subprocess.run(
                command, cwd=aside, env=environment, capture_output=True, text=True, timeout=LONGEST_CASE, check=False
            )
        except subprocess.TimeoutExpired:
            return Measured([case.name, str(count), "hangs", "", ""], 1, count, f"no end in {LONGEST_CASE} s")
        outside = len([*aside.rglob("*"), *(path for path in Path(folder).iterdir() if path not in (place, aside))])
    seconds = time.perf_counter() - started
    if ended.returncode != 0:
        return Measured(
            [case.name, str(count), "crash", "", ""], 1, count, ended.stderr[-600:] or str(ended.returncode)
        )
    found = json.loads(ended.stdout.splitlines()[-1])
    faults = (found["tracebacks"], found["lost"], found["escaped"] + outside)
    row = [
        *(case.name, str(found["trials"]), " / ".join(map(str, faults))),
        f"{found['peak']:,.0f} of {case.most:,}",
        f"{found['slowest']:.1f} of {seconds:.0f}",
    ]
    broken = sum(faults) + (found["slowest"] > HANG) + (found["peak"] > case.most)
    return Measured(row, broken, found["trials"], found["first"])


def main() -> None:
    """The value is the number of broken goals."""
    parser = command_line(__doc__)
    parser.add_argument("cases", nargs="*", help="; ".join(f"{case.name}: {case.what}" for case in CASES))
    parser.add_argument("--quick", action="store_true", help="fewer trials")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if unknown := set(options.cases) - {case.name for case in CASES}:
        parser.error(f"there is no case {', '.join(sorted(unknown))}")
    done: list[Measured] = []
    for case in CASES:
        if not options.cases or case.name in options.cases:
            done.append(measured(case, case.quick if options.quick else case.count, options.seed))
            if done[-1].reason:
                console.print(f"{case.name}: {done[-1].reason}", markup=False, highlight=False)
    columns = ["case", "trials", "tracebacks / wrong / outside", "peak MiB", "slowest of all, s"]
    show("Hostile input", columns, [one.row for one in done])
    trials = sum(one.trials for one in done)
    unit = f"tracebacks, crashes, hangs, wrong results, files outside and memory over its bound in {trials} trials"
    close("hostile", sum(one.broken for one in done), unit, "== 0")


if __name__ == "__main__":
    main()
