"""One process of several that share a record, as a program: `python -m tests.bench_process FOLDER WHAT NAME FELLOWS`.

WHAT is `prepare`, to make all first attempts, or `judge`, to edit and judge every sample. It starts when all FELLOWS
are there, and prints by how many megabytes its memory grew at most.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from src.data.selection import Selection
from src.training.config import parse_training_config
from src.training.dataset import ImageStore
from src.training.grpo.edit_pipeline import RewardRequest
from src.training.grpo.edit_rewards import CritiqueRewards
from src.training.grpo.reward_function import RewardSetting
from src.training.tasks.base import Example
from src.training.tasks.rewrite import CritiqueTask


def main(folder: Path, what: str, name: str, fellows: int) -> None:
    config = parse_training_config(
        {
            "policy": {"model": "unused"},
            "data": {"train": str(folder / "benchmark.json")},
            "diffusion_model": {
                "class_path": "tests.training_plugins.ToneEditor",
                "params": {"log": str(folder / "edits.log"), "batch_size": 2},
            },
            "reward_model": {
                "class_path": "tests.training_plugins.SilentJudge",
                "params": {"log": str(folder / "verdicts.log")},
            },
            "training": {"output_dir": str(folder)},
        },
        "test",
    )
    task = CritiqueTask()
    rewards = CritiqueRewards(task, RewardSetting(config))
    rewards.load()
    found = task.examples(config.data.files[0].path, Selection(), ImageStore(folder / "images").keep)
    examples = [one for one in found if isinstance(one, Example)]
    (folder / f"{name}.ready").touch()
    while len(list(folder.glob("*.ready"))) < fellows:
        time.sleep(0.01)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if what == "prepare":
        rewards.prepare(examples)
    else:
        requests = [RewardRequest(one.subject, one.images[0], f"paint {place}") for place, one in enumerate(examples)]
        outcomes, _ = rewards.pipeline.edit_and_judge(requests)
        assert len(outcomes) == len(requests)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    rewards.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
