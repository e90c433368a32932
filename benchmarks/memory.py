"""Peak memory of a run against the number of samples: pictures of 2 MB, models without torch.

Once with all pictures inside the benchmark file (base64), and once in files beside it, which are hard links to a few.
Edits are dropped when they are judged, so that the benchmark file is all that takes disk: 2.7 GB at 1,000 samples.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import close, command_line, noise_picture, show, write_benchmark

INSIDE, BESIDE = (250, 1000), (250, 1000, 4000)
"""Samples; the fewest are enough to fill every channel of the pipeline."""
QUICK = (250, 500)
SIDE = 816
DISTINCT = 16
"""Different pictures among those beside the file; each sample has an instruction of its own."""
FLAT = 1.25
"""A few decoded pictures more or less at the same moment make a fifth; what stays of each sample makes far more."""
MOST = 350
"""MiB at any size."""

RUN = """
import resource, sys
from pathlib import Path
from benchmarks.harness import config_of
from src.pipeline.evaluation import evaluate
config = config_of(Path(sys.argv[1]), Path(sys.argv[2]), {}, {"concurrency": 4}, save_generated_images=False)
outcome = evaluate(config)
assert outcome.report["overall_statistics"]["num_samples"] == int(sys.argv[3]), outcome.report["statuses"]
assert "torch" not in sys.modules
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def write_beside(path: Path, samples: int) -> Path:
    """A benchmark file whose pictures lie in the folder beside it."""
    pictures = path.parent / "pictures"
    pictures.mkdir()
    items = []
    for index in range(samples):
        picture = pictures / f"{index:06d}.png"
        if index < DISTINCT:
            picture.write_bytes(noise_picture(index, SIDE))
        else:
            os.link(pictures / f"{index % DISTINCT:06d}.png", picture)
        items.append(
            {
                "subset": "物理",
                "edit_instruction_en": f"make it {index}",
                "src_img": f"pictures/{picture.name}",
                "id": picture.stem,
            }
        )
    path.write_text(json.dumps(items, ensure_ascii=False), encoding="utf-8")
    return path


def peak(samples: int, *, inside: bool) -> tuple[float, float]:
    """MiB that a run in a process of its own holds at most, and GB of disk that its benchmark takes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "benchmark.json"
        data = write_benchmark(path, samples, SIDE) if inside else write_beside(path, samples)
        disk = {file.stat().st_ino: file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()}
        command = [sys.executable, "-c", RUN, str(data), f"{folder}/out", str(samples)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return float(done.stdout.split()[-1]), sum(disk.values()) / 1e9


def main() -> None:
    """The value is the highest peak ÷ the peak at the smallest size, the larger of both kinds."""
    parser = command_line(__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} samples (1.4 GB of disk)")
    quick = parser.parse_args().quick
    rows, growths, peaks = [], [], []
    for where, inside, sizes in (("inside the file", True, INSIDE), ("beside it", False, BESIDE)):
        measured = {samples: peak(samples, inside=inside) for samples in (QUICK if quick else sizes)}
        of_kind = [memory for memory, _ in measured.values()]
        growths.append(max(of_kind) / of_kind[0])
        peaks += of_kind
        rows += [
            [where, str(samples), f"{disk:.2f} GB", f"{memory:.0f} MiB"] for samples, (memory, disk) in measured.items()
        ]
    show("Peak memory", ["pictures", "samples", "disk", "peak resident memory"], rows)
    unit = f"highest peak / peak at the fewest samples, and {max(peaks):.0f} MiB of at most {MOST}"
    close("memory", max(growths), unit, f"<= {FLAT}", besides=max(peaks) <= MOST)


if __name__ == "__main__":
    main()
