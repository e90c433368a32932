"""Kill -9 again and again, resume each time: no finished edit or verdict is lost or made anew, the report is the same.

The record is watched, and a process is killed when it holds as many finished pieces of work as the dice say: so the
kills are spread over the whole run on a slow machine as on a fast one.
"""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.harness import close, command_line, config_of, show, write_benchmark
from src.record.record import DONE, RECORD_NAME
from src.reporting.report import comparable

KILLS, SAMPLES = 20, 400
QUICK_KILLS, QUICK_SAMPLES = 5, 100
EDIT_SECONDS = 0.02
WATCH_SECONDS = 0.005
PATIENCE = 120.0
"""Seconds without any new piece of work after which something else is wrong."""

Finished = dict[tuple[str, str], int]
"""Kind (`edit` or `verdict`) and key of each finished piece of work, with the attempt that made it."""


def finished(output: Path) -> Finished:
    """What the record of an output directory holds."""
    path = output / RECORD_NAME
    if not path.exists():
        return {}
    with sqlite3.connect(path) as database:
        try:
            edits = database.execute("SELECT 'edit', edit_key, attempt FROM edits WHERE reason IS NULL").fetchall()
            marks = ",".join("?" * len(DONE))
            statement = f"SELECT 'verdict', verdict_key, attempt FROM verdicts WHERE status IN ({marks})"
            verdicts = database.execute(statement, tuple(DONE)).fetchall()
        except sqlite3.OperationalError:  # killed before the tables were there
            return {}
    return {(kind, key): attempt for kind, key, attempt in edits + verdicts}


def wasted(before: Mapping[tuple[str, str], int], after: Mapping[tuple[str, str], int]) -> Counter[str]:
    """How much of what was finished before is lost or made anew, by `edit lost`, `verdict redone` and so on."""
    found: Counter[str] = Counter()
    for (kind, key), attempt in before.items():
        if (kind, key) not in after:
            found[f"{kind} lost"] += 1
        elif after[kind, key] != attempt:
            found[f"{kind} redone"] += 1
    return found


def run(config: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Starts the command line on a config file."""
    command = [sys.executable, "main.py", "--config", str(config), *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_at(process: subprocess.Popen[bytes], output: Path, pieces: int, pause: float) -> Finished:
    """Kills the process `pause` seconds after the record holds that many pieces; returns what it holds then."""
    made, since = -1, time.monotonic()
    while made < pieces:
        time.sleep(WATCH_SECONDS)
        assert process.poll() is None, f"the run ended by itself with {made} of {pieces} pieces (exit {process.poll()})"
        assert time.monotonic() - since < PATIENCE, f"nothing new in {PATIENCE:.0f} s after {made} pieces of work"
        if (now := len(finished(output))) > made:
            made, since = now, time.monotonic()
    time.sleep(pause)
    process.kill()
    process.wait()
    return finished(output)


def report_of(output: Path) -> dict[str, Any]:
    """What must be equal of the newest report."""
    return comparable(json.loads(max((output / "results").glob("*.json")).read_text()))


def main() -> None:
    """The value is the number of finished pieces of work that were lost or made anew."""
    parser = command_line(__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_KILLS} kills and {QUICK_SAMPLES} samples")
    quick = parser.parse_args().quick
    kills, samples = (QUICK_KILLS, QUICK_SAMPLES) if quick else (KILLS, SAMPLES)
    dice = random.Random(0)
    waste: Counter[str] = Counter()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = write_benchmark(Path(folder) / "benchmark.json", samples)
        paths, outputs = {}, {name: Path(folder) / name for name in ("unbroken", "killed")}
        for name, output in outputs.items():
            config = config_of(data, output, {"seconds": EDIT_SECONDS}, {})
            paths[name] = Path(folder) / f"{name}.yaml"
            paths[name].write_text(yaml.safe_dump(config.redacted(), allow_unicode=True))
        assert run(paths["unbroken"]).wait() == 0
        before: Finished = {}
        # The last pieces are left out: a run that is nearly done may end before it is killed.
        for pieces in sorted(dice.sample(range(2 * samples * 9 // 10), kills)):
            pause = dice.uniform(0, EDIT_SECONDS)
            after = kill_at(run(paths["killed"], "--resume"), outputs["killed"], pieces, pause)
            waste += wasted(before, after)
            before = after
        kinds = Counter(kind for kind, _ in before)
        rows += [[f"{kind}s finished before the last resume", f"{kinds[kind]} of {samples}"] for kind in kinds]
        assert run(paths["killed"], "--resume").wait() == 0
        waste += wasted(before, finished(outputs["killed"]))
        same = report_of(outputs["killed"]) == report_of(outputs["unbroken"])
    rows.insert(0, ["kills", str(kills)])
    names = [f"{kind} {fate}" for kind in ("edit", "verdict") for fate in ("lost", "redone")]
    rows += [[f"finished {name}", str(waste[name])] for name in names]
    show("Kill -9 and resume", ["what", "count"], [*rows, ["report equals the unbroken run's", str(same)]])
    unit = f"finished edits and verdicts lost or redone in {kills} kills, and an equal report"
    close("kill_resume", waste.total(), unit, "== 0", besides=same)


if __name__ == "__main__":
    main()
