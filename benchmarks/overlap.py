"""How much of the judge hides behind the editor: wall time of a whole run ÷ the floor of calls that cannot be split.

A judge that is faster than the editor and one that is slower. The floor is the first edit and then whole rounds of the
judge, or all edits and then the last call, whichever is longer; beside it stands the slower side alone.
"""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path

from benchmarks.harness import close, command_line, config_of, show, write_benchmark
from benchmarks.models import judge_server
from src.pipeline.evaluation import evaluate

SAMPLES, EDIT_SECONDS, CONCURRENCY = 100, 0.05, 16
JUDGE_SECONDS = (0.2, 2.0)


def wall(data: Path, judge_seconds: float) -> float:
    """Seconds of a complete run, from config to reports."""
    with judge_server(judge_seconds) as port, tempfile.TemporaryDirectory() as folder:
        judge = {"port": port, "concurrency": CONCURRENCY}
        config = config_of(data, Path(folder), {"seconds": EDIT_SECONDS}, judge)
        started = time.perf_counter()
        outcome = evaluate(config)
        seconds = time.perf_counter() - started
    assert outcome.report["overall_statistics"]["num_samples"] == SAMPLES, outcome.report["statuses"]
    return seconds


def whole_calls(judge_seconds: float) -> float:
    """The least that a run can take when no call can be split."""
    rounds = math.ceil(SAMPLES / CONCURRENCY)
    return max(EDIT_SECONDS + rounds * judge_seconds, SAMPLES * EDIT_SECONDS + judge_seconds)


def main() -> None:
    """The value is the worse of the two cases."""
    command_line(__doc__).parse_args()
    rows, ratios = [], []
    with tempfile.TemporaryDirectory() as folder:
        data = write_benchmark(Path(folder) / "benchmark.json", SAMPLES)
        wall(data, 0.0)  # the first run of a process imports scipy for its report, 0.3 s once
        for judge_seconds in JUDGE_SECONDS:
            seconds, floor = wall(data, judge_seconds), whole_calls(judge_seconds)
            plain = max(SAMPLES * EDIT_SECONDS, SAMPLES * judge_seconds / CONCURRENCY)
            serial = SAMPLES * (EDIT_SECONDS + judge_seconds)
            ratios.append(seconds / floor)
            row = [judge_seconds * 1000, seconds, floor, seconds / floor, plain, seconds / plain, serial]
            rows.append([f"{value:.2f}" for value in row])
    columns = ["judge ms", "wall s", "whole calls s", "÷ whole calls", "slower side s", "÷ slower side", "one by one s"]
    show(f"{SAMPLES} samples, editor {EDIT_SECONDS * 1000:.0f} ms, {CONCURRENCY} judge calls at once", columns, rows)
    close("overlap", max(ratios), "wall / floor of whole calls, judges of 200 ms and 2 s, the worse", "<= 1.03")


if __name__ == "__main__":
    main()
