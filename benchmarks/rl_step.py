"""What a training step costs: its reward phase against pure editing and the serial recipe, the cache, and the split."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import fmean

from benchmarks.harness import close, command_line, show, write_benchmark
from benchmarks.models import judge_server
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.training.config import load_training_config, parse_training_config
from src.training.grpo.edit_pipeline import EditPipeline, RewardRequest
from src.training.storage.record import TrainingRecord
from src.training.train import train

PROMPTS, GROUP = 16, 8
EDIT_SECONDS, JUDGE_SECONDS, CONCURRENCY = 0.05, 0.2, 16
LATE_DISTINCT = 2
"""Different instructions that a group of eight still holds when the policy has become sure of itself."""
REAL = Path("configs/training/miniature_rewrite.yaml")


def requests(samples: Sequence[EditSample], distinct: int) -> list[RewardRequest]:
    """One generation: `GROUP` instructions a sample, of which `distinct` differ."""
    return [
        RewardRequest(sample, sample.given_source, f"instruction {place % distinct}")
        for sample in samples
        for place in range(GROUP)
    ]


def reward_seconds(data: Path, distinct: int) -> float:
    """Seconds from the instructions of one generation to its verdicts."""
    with judge_server(JUDGE_SECONDS) as port, tempfile.TemporaryDirectory() as folder:
        judge = {"port": port, "concurrency": CONCURRENCY}
        config = {
            "policy": {"model": "unused"},
            "data": {"train": str(data)},
            "diffusion_model": {"class_path": "benchmarks.models.SleepingEditor", "params": {"seconds": EDIT_SECONDS}},
            "reward_model": {"class_path": "benchmarks.models.ServerJudge", "params": judge},
        }
        samples = [item for item in load_samples(str(data), Selection()) if isinstance(item, EditSample)]
        pipeline = EditPipeline(parse_training_config(config, "benchmark"))
        with closing(TrainingRecord(Path(folder))) as record:
            pipeline.load(record)
            started = time.perf_counter()
            outcomes, _ = pipeline.edit_and_judge(requests(samples, distinct))
            seconds = time.perf_counter() - started
    assert all(outcome.verdict.score == 7.5 for outcome in outcomes), outcomes
    return seconds


def step_split(steps: int) -> dict[str, float]:
    """Mean seconds of the parts of a step of the miniature training, without the first, which warms up."""
    with tempfile.TemporaryDirectory() as folder:
        changes = [f"training.output_dir={folder}", f"training.grpo.max_steps={steps}", "training.grpo.logging_steps=1"]
        outcome = train(load_training_config(REAL, [*changes, "evaluation.enabled=false", "training.show_every=0"]))
        assert outcome is not None, "one process alone is the first"
        logged = [entry for entry in json.loads(outcome.history.read_text(encoding="utf-8")) if "step_time" in entry]
    names = ("step_time", "seconds/rollout", "seconds/edit", "seconds/judge", "seconds/reward", "seconds/update")
    return {name: fmean(entry[name] for entry in logged[1:] if name in entry) for name in names}


def main() -> None:
    """Measures the reward phase with stand-in models, then a few steps of the real miniature training."""
    parser = command_line(__doc__)
    parser.add_argument("--steps", type=int, default=8, help="steps of the miniature training; 0 leaves it out")
    steps = parser.parse_args().steps
    with tempfile.TemporaryDirectory() as folder:
        data = write_benchmark(Path(folder) / "benchmark.json", PROMPTS)
        reward_seconds(data, 1)  # the first call of a process imports what it needs
        early, late = reward_seconds(data, GROUP), reward_seconds(data, LATE_DISTINCT)
    completions = PROMPTS * GROUP
    editing = completions * EDIT_SECONDS
    staged = editing + completions * JUDGE_SECONDS / CONCURRENCY
    serial = completions * (EDIT_SECONDS + JUDGE_SECONDS)
    rows = [
        ["reward phase, all instructions different", f"{early:.2f}", f"{early / editing:.3f}"],
        ["pure editing", f"{editing:.2f}", "1"],
        ["edit all, then judge all (computed)", f"{staged:.2f}", f"{staged / editing:.3f}"],
        ["edit and judge one by one (computed)", f"{serial:.2f}", f"{serial / editing:.3f}"],
        [f"reward phase, {LATE_DISTINCT} instructions of {GROUP} different", f"{late:.2f}", f"{late / editing:.3f}"],
    ]
    title = f"{completions} completions, editor {EDIT_SECONDS * 1000:.0f} ms, judge {JUDGE_SECONDS * 1000:.0f} ms"
    show(f"{title}, {CONCURRENCY} at once", ["", "s", "÷ pure editing"], rows)
    if steps:
        split = step_split(steps)
        cells = [[name, f"{seconds:.2f}", f"{seconds / split['step_time']:.0%}"] for name, seconds in split.items()]
        show(f"a step of {REAL.stem}", ["part", "s", "of the step"], cells)
    close("rl_step", early / editing, "reward phase / pure edit time, 200 ms judge", "<= 1.05")


if __name__ == "__main__":
    main()
