"""What the harness itself costs per sample (zero-cost models), and how fast the command line answers.

Each sample becomes a file, and creating one can cost more than all else on a slow disk. So the harness is measured
in memory (`/dev/shm`, where there is one) and, beside it, on the disk of the temporary folder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import close, command_line, config_of, show, write_benchmark
from src.pipeline.evaluation import evaluate

SAMPLES = (100, 2100)
MEMORY = Path("/dev/shm")
REPEATS = 3


def cost_per_sample(parent: Path | None) -> float:
    """Milliseconds: the slope between a short and a long run, best of three each, so that start-up cancels out."""
    walls = []
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        for samples in SAMPLES:
            data = write_benchmark(Path(folder) / f"{samples}.json", samples)
            outputs = [Path(folder) / f"{samples}_{repeat}" for repeat in range(REPEATS)]
            walls.append(min(_run_seconds(data, output) for output in outputs))
    return (walls[1] - walls[0]) / (SAMPLES[1] - SAMPLES[0]) * 1000


def file_cost(parent: Path | None) -> float:
    """Milliseconds to create one file of the size of an edit."""
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        started = time.perf_counter()
        for index in range(1000):
            (Path(folder) / f"{index}.png").write_bytes(bytes(12_000))
        return time.perf_counter() - started


def main() -> None:
    """Shows both places; the value is that of the harness alone."""
    command_line(__doc__).parse_args()
    places: dict[str, Path | None] = {"memory": MEMORY, "disk": None} if MEMORY.is_dir() else {"disk": None}
    costs = {name: cost_per_sample(parent) for name, parent in places.items()}
    rows = [[name, f"{costs[name]:.2f} ms", f"{file_cost(parent):.2f} ms"] for name, parent in places.items()]
    show("Harness cost per sample, 64×64 pictures", ["output in", "a sample", "of which creating a file"], rows)
    help_seconds = min(_command_seconds([sys.executable, "main.py", "--help"]) for _ in range(5))
    show("Command line", ["command", "seconds"], [["python main.py --help", f"{help_seconds:.2f}"]])
    close("overhead", next(iter(costs.values())), "ms per sample", "< 1")


def _run_seconds(data: Path, output: Path) -> float:
    config = config_of(data, output, {}, {})
    started = time.perf_counter()
    evaluate(config)
    return time.perf_counter() - started


def _command_seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
