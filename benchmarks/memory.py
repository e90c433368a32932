"""Peak memory of a run against the number of samples: pictures of 2 MB, models without torch.

Needs about 11 GB of disk for the largest file; `--largest N` measures fewer samples.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import close, show, write_benchmark

SIZES = (100, 1000, 4000)
SIDE = 816

RUN = """
import resource, sys
from pathlib import Path
from benchmarks.harness import config_of
from src.pipeline.evaluation import evaluate
outcome = evaluate(config_of(Path(sys.argv[1]), Path(sys.argv[2]), {}, {"concurrency": 4}))
assert outcome.report["overall_statistics"]["num_samples"] == int(sys.argv[3]), outcome.report["statuses"]
assert "torch" not in sys.modules
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> None:
    """Each size runs in a process of its own; the value is the highest peak of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="leave out larger sizes")
    largest = parser.parse_args().largest
    rows, peaks = [], []
    for samples in (size for size in SIZES if size <= largest):
        with tempfile.TemporaryDirectory() as folder:
            data = write_benchmark(Path(folder) / "benchmark.json", samples, SIDE)
            command = [sys.executable, "-c", RUN, str(data), f"{folder}/out", str(samples)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks.append(float(done.stdout.split()[-1]))
            rows.append([str(samples), f"{data.stat().st_size / 1e9:.2f} GB", f"{peaks[-1]:.0f} MiB"])
    show("Peak memory", ["samples", "benchmark file", "peak resident memory"], rows)
    close("memory", max(peaks), "MiB peak", "<= 350")


if __name__ == "__main__":
    main()
