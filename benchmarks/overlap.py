"""How much of the judge hides behind the editor: wall time of a whole run ÷ the time of the slower side alone."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path

from benchmarks.harness import close, config_of, show, write_benchmark
from benchmarks.models import judge_server
from src.pipeline.evaluation import evaluate

SAMPLES, EDIT_SECONDS, CONCURRENCY = 100, 0.05, 16


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


def main() -> None:
    """Measures a judge that is faster than the editor and one that is slower."""
    rows, ratios = [], []
    with tempfile.TemporaryDirectory() as folder:
        data = write_benchmark(Path(folder) / "benchmark.json", SAMPLES)
        wall(data, 0.0)  # the first run of a process imports scipy for its report, 0.3 s once
        for judge_seconds in (0.2, 2.0):
            seconds = wall(data, judge_seconds)
            ideal = max(SAMPLES * EDIT_SECONDS, SAMPLES * judge_seconds / CONCURRENCY)
            # Calls cannot be split: the first edit, then whole rounds of the judge; or all edits, then the last call.
            rounds = math.ceil(SAMPLES / CONCURRENCY)
            attainable = max(EDIT_SECONDS + rounds * judge_seconds, SAMPLES * EDIT_SECONDS + judge_seconds)
            serial = SAMPLES * (EDIT_SECONDS + judge_seconds)
            ratios.append(seconds / ideal)
            row = [judge_seconds * 1000, seconds, ideal, seconds / ideal, attainable, seconds / attainable, serial]
            rows.append([f"{value:.2f}" for value in row])
    columns = ["judge ms", "wall s", "ideal s", "÷ ideal", "whole calls s", "÷ whole calls", "one by one s"]
    show(f"{SAMPLES} samples, editor {EDIT_SECONDS * 1000:.0f} ms, {CONCURRENCY} judge calls at once", columns, rows)
    close("overlap", ratios[0], "wall / ideal, 200 ms judge", "<= 1.05")


if __name__ == "__main__":
    main()
