"""What the harness itself costs per sample (zero-cost models), and how fast the command line answers."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import close, config_of, show, write_benchmark
from src.pipeline.evaluation import evaluate

SAMPLES = (100, 2100)


def main() -> None:
    """The slope between a short and a long run is the cost of a sample; start-up cancels out."""
    walls = []
    with tempfile.TemporaryDirectory() as folder:
        for samples in SAMPLES:
            data = write_benchmark(Path(folder) / f"{samples}.json", samples)
            best = []
            for repeat in range(3):
                config = config_of(data, Path(folder) / f"out{samples}_{repeat}", {}, {})
                started = time.perf_counter()
                evaluate(config)
                best.append(time.perf_counter() - started)
            walls.append(min(best))
    cost = (walls[1] - walls[0]) / (SAMPLES[1] - SAMPLES[0]) * 1000
    help_seconds = min(_seconds([sys.executable, "main.py", "--help"]) for _ in range(5))
    rows = [[f"run of {count} samples", f"{wall:.2f} s"] for count, wall in zip(SAMPLES, walls, strict=True)]
    rows += [["cost per sample", f"{cost:.2f} ms"], ["python main.py --help", f"{help_seconds:.2f} s"]]
    show("Harness cost, 64×64 pictures, best of 3", ["what", "measured"], rows)
    close("overhead", cost, "ms per sample", "< 1")


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
