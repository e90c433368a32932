"""A record of 100,000 samples: seconds to the first work of a resumed run, seconds of its report, peak memory of both.

Editor and judge cost nothing, pictures are of 32×32 pixels in files beside the benchmark. The record is written in one
transaction, with the keys of a run, so that `--resume` finds all samples done but the last one. Commands are processes
of their own, timed with the start of Python. Ends with what `compare` and `leaderboard` take besides.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.harness import close, command_line, noise_picture, show
from src.config import Config, load_config
from src.data.image import content_hash
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.verdict import SentPrompt, Status, Verdict
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.pipeline.picture_view import PictureView
from src.pipeline.plan import RunPlan
from src.record.record import Record

SAMPLES = 100_000
QUICK = 10_000
SIDE = 32
DISTINCT = 40
"""Different source pictures; the program does not know that they are so few."""
CATEGORIES = ("物理", "环境", "社会", "因果", "指代")
GOALS = {"first work s": 2.0, "report s": 60.0, "peak MB": 400.0}
"""Of `SAMPLES` samples."""
BEGUN = "EDITLOOP_BENCHMARK_BEGUN"
"""The environment variable that names the file in which the editor notes when it was called first."""


class NotingEditor(BaseDiffusionModel):
    """Returns the source, and notes the time of its first call where a file for that is named."""

    def _initialize(self) -> None:
        self._notes = Path(os.environ[BEGUN]) if BEGUN in os.environ else None

    def edit_image(self, original_image: Image.Image, edit_instruction: str, **kwargs: Any) -> Image.Image:
        """A copy of the source."""
        if self._notes is not None:
            self._notes.write_text(str(time.time()), encoding="utf-8")
            self._notes = None
        return original_image.copy()


@dataclass(frozen=True)
class Cost:
    """What one command took."""

    seconds: float
    busy: float
    """Seconds of processor time."""
    peak: float
    """MB."""


def write_benchmark(folder: Path, samples: int) -> Path:
    """Writes the benchmark file and the pictures beside it."""
    (folder / "pictures").mkdir()
    for index in range(DISTINCT):
        (folder / "pictures" / f"{index}.png").write_bytes(noise_picture(index, SIDE))
    path = folder / "benchmark.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for index in range(samples):
            file.write(json.dumps(_item(index), ensure_ascii=False) + "\n")
    return path


def _item(index: int) -> dict[str, Any]:
    return {
        "id": f"{index:06d}",
        "subset": CATEGORIES[index % 5],
        "edit_instruction": f"把第 {index} 幅图涂成蓝色",
        "edit_instruction_en": f"Paint the object of picture {index} blue and let everything else be as it was.",
        "original_description_en": f"object {index} on a table",
        "difficulty": ("easy", "medium", "hard")[index % 3],
        "tags": ["colour", f"tag{index % 17}"],
        "src_img": f"pictures/{index % DISTINCT}.png",
    }


def write_config(folder: Path, data: Path, output: Path, seed: int) -> Path:
    """Writes the config of a run; YAML holds JSON."""
    path = folder / f"{output.name}.yaml"
    sections = {
        "benchmark": {"data_path": str(data)},
        "diffusion_model": {"class_path": "benchmarks.large_record.NotingEditor", "params": {"seed": seed}},
        "reward_model": {"class_path": "benchmarks.models.BrightnessJudge"},
        "evaluation": {"output_dir": str(output)},
    }
    path.write_text(json.dumps(sections), encoding="utf-8")
    return path


def command(*words: str, notes: Path | None = None) -> Cost:
    """Runs a command of EditLoop as a user does."""
    environment = os.environ | ({BEGUN: str(notes)} if notes else {})
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "main.py", *words], stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(words)} ended with {os.waitstatus_to_exitcode(status)}")
    seconds, busy = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
    return Cost(seconds, busy, usage.ru_maxrss * 1024 / 1e6)


def write_record(config: Config, samples: int) -> None:
    """Writes the record of a run that was killed before its last sample, with the pictures that it shows."""
    plan, places = RunPlan(config), config.evaluation
    view = PictureView(places.images, places.output_dir)
    places.output_dir.mkdir()
    with closing(Record(places.output_dir)) as record, one_transaction(record):
        record.begin_attempt(plan.info())
        for sample in load_samples(config.benchmark.data_path, plan.selection):
            if sample.index < samples - 1 and isinstance(sample, EditSample):
                source = sample.given_source.read_bytes()
                _, keys = plan.item(sample, content_hash(source))
                record.add_sample(plan.run_key, sample, keys)
                record.add_edit(keys.edit_key, source, 2.0 + sample.index % 7, ((SIDE, SIDE), (SIDE, SIDE)))
                record.add_verdict(keys.verdict_key, _verdict(sample))
                view.show(record.edit_path(keys.edit_key), sample.category, sample.sample_id, sample.index)


@contextmanager
def one_transaction(record: Record) -> Iterator[None]:
    """Makes one transaction of all that is written within the block: a commit for each row would take minutes."""
    record._database.execute("BEGIN")
    yield
    record._database.execute("COMMIT")


def _verdict(sample: EditSample) -> Verdict:
    if sample.index % 50 == 0:
        return Verdict(Status.REFUSED, reason="the judge declines")
    reply = f"The object of picture {sample.index} is blue, its shadow is not. {'Nothing else has changed. ' * 10}"
    return Verdict(
        Status.SCORED,
        sample.index * 37 % 101 / 10,
        {"change": 5.0, "rest": 7.0},
        replies=(reply,),
        usage={"calls": 1, "prompt_tokens": 800},
        seconds=0.5,
        prompts=(SentPrompt("You compare two pictures.", ("before", "after"), f"{sample.instruction}\n{reply}"),),
    )


def resume(config: Path, notes: Path) -> tuple[Cost, float]:
    """What a resumed run takes, and the seconds from its start to the first call of its editor."""
    started = time.time()
    cost = command("--config", str(config), "--resume", notes=notes)
    return cost, float(notes.read_text(encoding="utf-8")) - started


def measure(folder: Path, samples: int, others: bool) -> tuple[list[list[str]], dict[str, float]]:
    """The rows of the table, and the figures that have goals."""
    data = write_benchmark(folder, samples)
    runs = [folder / f"run{seed}" for seed in range(2 if others else 1)]
    configs = [write_config(folder, data, output, seed) for seed, output in enumerate(runs)]
    for config in configs:
        write_record(load_config(config), samples)
    resumed, first_work = resume(configs[0], folder / "begun")
    costs = {"resumed, all but the last one done": resumed, "report": command("report", str(runs[0]))}
    if others:
        written = ("--output-dir", str(folder / "compared"))
        costs["compare of two such runs"] = command("compare", *map(str, runs), *written)
        costs["leaderboard of both"] = command("leaderboard", str(folder), *written)
    rows = [[name, f"{one.seconds:.1f}", f"{one.busy:.1f}", f"{one.peak:.0f}"] for name, one in costs.items()]
    rows.insert(1, ["… to its first work", f"{first_work:.2f}", "", ""])
    peak = max(costs[name].peak for name in ("resumed, all but the last one done", "report"))
    return rows, {"first work s": first_work, "report s": costs["report"].seconds, "peak MB": peak}


def main() -> None:
    """The value is the goal that comes nearest to being missed."""
    parser = command_line(__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} samples, one run")
    chosen = parser.parse_args()
    samples = QUICK if chosen.quick else chosen.samples
    with tempfile.TemporaryDirectory() as folder:
        rows, figures = measure(Path(folder), samples, others=not chosen.quick)
    show(
        f"A record of {samples:,} samples, {os.cpu_count()} cores",
        ["command", "seconds", "of processor", "peak MB"],
        rows,
    )
    show("Goals at 100,000", list(GOALS), [[f"{figures[name]:.2f} (≤ {goal:g})" for name, goal in GOALS.items()]])
    worst = max(GOALS, key=lambda name: figures[name] / GOALS[name])
    close("large_record", figures[worst] / GOALS[worst], f"of the goal, the nearest of all ({worst})", "<= 1")


if __name__ == "__main__":
    main()
