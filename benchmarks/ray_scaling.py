"""How well `runtime.engine: ray` uses more editors: speed-up ÷ actors for sleeping editors on pictures of 2 MB.

Edits pass through the stages of a run and are stored, and none is judged. The first edits of each actor are not
counted. What the engine costs per sample is the time of one actor less that of the local engine, with the same editor
in the same process; below zero, the actor decodes and encodes beside the edit what the local engine does before it.
All actors share the cores of this machine: on fewer cores than actors, decoding and encoding slow each other down.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness import close, command_line, noise_picture, show
from src.config import ModelConfig, RuntimeConfig
from src.data.image import LazyImage
from src.data.sample import EditSample
from src.models.diffusion.batching import EditFailure
from src.pipeline.editor_plan import EditorPlan
from src.pipeline.editors import Editors
from src.pipeline.pixels import PixelBudget
from src.pipeline.stages import Observer, Stages
from src.pipeline.work_item import WorkItem, work_item
from src.record.record import Record

SIDE = 816
"""Pixels of a side: noise of that size is a PNG of 2 MB."""
PICTURES = 16
SECONDS = (0.5, 0.05)
ACTORS, QUICK_ACTORS = (1, 2, 4, 8), (1, 2)
COUNTED, QUICK_COUNTED = {0.5: 20, 0.05: 60}, {0.5: 6, 0.05: 20}
"""Edits per actor that are timed."""
NOT_COUNTED = 3
"""Edits per actor before that."""
STORE_BYTES = 500_000_000


@dataclass
class Clock(Observer):
    """When each edit was there."""

    times: list[float] = field(default_factory=list)

    def edit_tried(self, item: WorkItem, failure: EditFailure | None) -> None:
        """Notes the time."""
        assert failure is None, failure
        self.times.append(time.perf_counter())


def seconds_each(editors: Editors, actors: int, counted: int, pictures: list[bytes], folder: Path) -> float:
    """Seconds from one edit to the next, over all actors together, after the first ones."""
    skipped = NOT_COUNTED * actors

    def read(stopping: threading.Event) -> Iterator[WorkItem]:
        for number in range(skipped + counted * actors):
            sample = _sample(number, pictures[number % PICTURES])
            yield work_item(sample, f"{number:064d}", [], source_size=(SIDE, SIDE))

    clock, record, scorer = Clock(), Record(folder), Any
    try:
        stages = Stages(record, scorer, clock, PixelBudget(), load_editors=lambda: [editors])  # type: ignore[arg-type]
        stages.run(read, judges=False)
    finally:
        record.close()
    assert len(clock.times) == skipped + counted * actors, "an edit failed"
    return (clock.times[-1] - clock.times[skipped - 1]) / (counted * actors)


def _sample(number: int, picture: bytes) -> EditSample:
    return EditSample(
        sample_id=f"{number:06d}",
        index=number,
        category="noise",
        difficulty="easy",
        instruction=f"make it {number}",
        description="noise",
        source=LazyImage.from_bytes(picture),
    )


def plan(seconds: float, engine: str, actors: int = 1) -> EditorPlan:
    """A sleeping editor on an engine."""
    section = ModelConfig(class_path="benchmarks.models.SleepingEditor", params={"seconds": seconds})
    settings = {"engine": engine, "ray": {"editors": actors, "editor_gpus": 0}}
    return EditorPlan(section, RuntimeConfig.model_validate(settings))


def measured(seconds: float, engine: str, actors: int, counted: int, pictures: list[bytes]) -> float:
    """`seconds_each` of an engine with editors of its own."""
    [editors] = plan(seconds, engine, actors).load_for_stages()
    with tempfile.TemporaryDirectory() as folder:
        try:
            return seconds_each(editors, actors, counted, pictures, Path(folder))
        finally:
            editors.close()


def main() -> None:
    """The value is the speed-up ÷ actors of the most actors with edits of 500 ms."""
    parser = command_line(__doc__)
    parser.add_argument("--quick", action="store_true", help="up to two actors, few edits")
    quick = parser.parse_args().quick
    many, counts = (QUICK_ACTORS, QUICK_COUNTED) if quick else (ACTORS, COUNTED)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    ray.init(
        num_cpus=max(many),
        object_store_memory=STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        namespace="editloop",
    )
    pictures = [noise_picture(number, SIDE) for number in range(PICTURES)]
    rows, efficiency = [], {}
    for seconds in SECONDS:
        local = measured(seconds, "local", 1, counts[seconds], pictures)
        each = {actors: measured(seconds, "ray", actors, counts[seconds], pictures) for actors in many}
        for actors, wall in each.items():
            efficiency[seconds, actors] = each[1] / wall / actors
            cells = [f"{seconds * 1000:.0f}", str(actors), f"{wall * 1000:.1f}", f"{efficiency[seconds, actors]:.3f}"]
            rows.append([*cells, f"{(each[1] - local) * 1000:+.1f}" if actors == 1 else ""])
    columns = ["edit ms", "actors", "ms per sample", "speed-up ÷ actors", "one actor − local, ms per sample"]
    show(f"Edits of pictures of {len(pictures[0]) / 1e6:.1f} MB on {os.cpu_count()} cores", columns, rows)
    unit = f"speed-up / actors, {max(many)} actors, edits of 500 ms on pictures of 2 MB"
    close("ray_scaling", efficiency[0.5, max(many)], unit, ">= 0.95")


if __name__ == "__main__":
    main()
