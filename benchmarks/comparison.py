"""Seconds and memory of `python main.py compare` for two runs, by the number of samples.

The runs are made first, by an editor and a judge that cost nothing. Each comparison is a command of its own, as a user
calls it, start of Python included; the page with its pictures is timed apart, since their size decides about that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import close, command_line, show, write_benchmark
from src.config import parse_config
from src.pipeline.evaluation import evaluate

SAMPLES = (250, 1000, 4000)
GOAL_AT = 1000
SECONDS = 3.0
MEBIBYTES_A_THOUSAND = 40
"""How much a thousand samples more may take: their rows, with replies and identities, of both runs."""
SHADES = (0.30, 0.32)
"""Of the two editors."""


@dataclass(frozen=True)
class Cost:
    """What one comparison took."""

    seconds: float
    busy: float
    """Seconds of processor time: what `seconds` would be on a machine that does nothing else."""
    peak: float
    """MiB."""


def make_runs(folder: Path, samples: int) -> list[Path]:
    """Two finished runs of the same benchmark."""
    data = write_benchmark(folder / "benchmark.json", samples)
    outputs = []
    for seed, shade in enumerate(SHADES):
        output = folder / f"shade_{shade}"
        sections = {
            "benchmark": {"data_path": str(data)},
            "diffusion_model": {"class_path": "benchmarks.models.ShadingEditor", "params": {"shade": shade}},
            "reward_model": {"class_path": "benchmarks.models.BrightnessJudge"},
            "runtime": {"seed": seed},
            "evaluation": {"output_dir": str(output)},
        }
        evaluate(parse_config(sections, "benchmark"))
        outputs.append(output)
    return outputs


def compare(runs: list[Path], folder: Path, *options: str) -> Cost:
    """Calls the command once."""
    words = [sys.executable, "main.py", "compare", *map(str, runs), "--output-dir", str(folder), *options]
    started = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(words)} ended with {os.waitstatus_to_exitcode(status)}")
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    """The value is the seconds of a comparison of two runs of 1,000 samples; memory must not grow beside."""
    command_line(__doc__).parse_args()
    plain, paged = {}, {}
    for samples in SAMPLES:
        with tempfile.TemporaryDirectory() as folder:
            runs = make_runs(Path(folder), samples)
            costs = [compare(runs, Path(folder) / "written", "--no-page") for _ in range(3)]
            plain[samples] = min(costs, key=lambda one: one.seconds)
            paged[samples] = compare(runs, Path(folder) / "written")
    rows = [
        [
            *(f"{samples:,}", f"{plain[samples].seconds:.2f}", f"{plain[samples].busy:.2f}"),
            *(f"{plain[samples].peak:.0f}", f"{paged[samples].seconds:.2f}", f"{paged[samples].busy:.2f}"),
        ]
        for samples in SAMPLES
    ]
    columns = ["samples of each run", "seconds", "of processor", "peak MiB", "seconds with page", "of processor"]
    show("compare of two runs, 64×64 pictures", columns, rows)
    few, many = min(SAMPLES), max(SAMPLES)
    growth = (plain[many].peak - plain[few].peak) / (many - few) * 1000
    show("Growth of memory", ["MiB a thousand samples", "goal"], [[f"{growth:.1f}", f"<= {MEBIBYTES_A_THOUSAND}"]])
    unit = f"s for two runs of {GOAL_AT:,} samples, and at most {MEBIBYTES_A_THOUSAND} MiB more a thousand samples"
    close("comparison", plain[GOAL_AT].seconds, unit, f"<= {SECONDS:g}", besides=growth <= MEBIBYTES_A_THOUSAND)


if __name__ == "__main__":
    main()
