"""Kill -9 at 20 random moments, resume each time: what was finished is never redone, and the report is the same."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.harness import close, config_of, show, write_benchmark
from src.reporting.report import comparable

KILLS, SAMPLES = 20, 400

Finished = set[tuple[str, str, int]]


def finished(record: Path) -> Finished:
    """Every finished edit and verdict with the attempt that made it."""
    if not record.exists():
        return set()
    with sqlite3.connect(record) as database:
        try:
            edits = database.execute("SELECT 'edit', edit_key, attempt FROM edits WHERE reason IS NULL").fetchall()
            verdicts = database.execute("SELECT 'verdict', verdict_key, attempt FROM verdicts").fetchall()
        except sqlite3.OperationalError:  # killed before the tables were there
            return set()
    return {tuple(row) for row in edits + verdicts}


def run(config: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Starts the command line on a config file."""
    command = [sys.executable, "main.py", "--config", str(config), *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def report_of(output: Path) -> dict[str, Any]:
    """What must be equal of the newest report."""
    return comparable(json.loads(max((output / "results").glob("*.json")).read_text()))


def main() -> None:
    """Counts the finished pieces of work that a later attempt did again."""
    redone = kept = 0
    dice = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        data = write_benchmark(Path(folder) / "benchmark.json", SAMPLES)
        paths = {}
        for name in ("unbroken", "killed"):
            config = config_of(data, Path(folder) / name, {"seconds": 0.02}, {})
            paths[name] = Path(folder) / f"{name}.yaml"
            paths[name].write_text(yaml.safe_dump(config.redacted(), allow_unicode=True))
        assert run(paths["unbroken"]).wait() == 0
        output = Path(folder) / "killed"
        before: Finished = set()
        for _ in range(KILLS):
            process = run(paths["killed"], "--resume")
            time.sleep(dice.uniform(0.3, 1.6))
            process.kill()
            process.wait()
            after = finished(output / "record.sqlite")
            redone += len(before - after)
            before = after
            kept = len(after)
        assert run(paths["killed"], "--resume").wait() == 0
        redone += len(before - finished(output / "record.sqlite"))
        same = report_of(output) == report_of(Path(folder) / "unbroken")
    rows = [["kills", str(KILLS)], ["finished before the last resume", f"{kept} of {2 * SAMPLES}"]]
    rows += [["finished work done again", str(redone)], ["report equals the unbroken run's", str(same)]]
    show("Kill -9 and resume", ["what", "count"], rows)
    close("kill_resume", redone + (not same), "pieces of work redone or reports unequal", "== 0")


if __name__ == "__main__":
    main()
