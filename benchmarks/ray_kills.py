"""Kill -9 of actors, nodes and the driver at random moments of a run on two nodes of Ray: what is lost or done again.

Both nodes are on this machine. Between two kills lie the end of all work that the first one may have hit, and a random
number of edits. A killed node is replaced, a killed driver is started again with --resume. An edit is done again when
the editor's own log names a sample after a kill before which the record held it.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from benchmarks.harness import close, command_line, show, write_benchmark
from benchmarks.kill_resume import run
from benchmarks.ray_nodes import Nodes, contents, made, recorded, two_nodes, wait_for_what_was_read, wait_until
from src.config import parse_config

KILLS, SAMPLES = 20, 900
QUICK_KILLS, QUICK_SAMPLES = 4, 180
EDIT_SECONDS = 1.0
EDITORS = 4
TARGETS = ("actor", "actor", "actor", "node", "driver")
BETWEEN = (4, 12)
"""Edits that are recorded, at least and at most, from the moment when the work that a kill may have hit is done."""
PATIENCE = 300.0


class Driver:
    """The process of the run, which is started again when it is killed."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self.start()

    def start(self) -> None:
        """Starts or resumes the run."""
        self.process = run(self._config, "--resume")

    def kill(self) -> None:
        """Kills the run and resumes it."""
        self.process.kill()
        self.process.wait()
        self.start()


def kill(target: str, driver: Driver, nodes: Nodes, log: Path) -> None:
    """Kills an actor that has worked last, the node that was added last, or the driver."""
    if target == "driver":
        driver.kill()
    elif target == "node":
        nodes.lose()
        nodes.add()
    else:
        os.kill(made(log)[-1][1], signal.SIGKILL)


def killed_run(kills: int, samples: int, config: Path, output: Path, log: Path, nodes: Nodes) -> Counter[str]:
    """Runs to the end through all kills; how many there were of each kind, and edits made again."""
    dice = random.Random(0)
    counts: Counter[str] = Counter()
    driver = Driver(config)
    for _ in range(kills):
        pieces = len(recorded(output)) + dice.randint(*BETWEEN)
        wait_until(lambda pieces=pieces: len(recorded(output)) >= pieces, PATIENCE)  # type: ignore[misc]
        time.sleep(dice.uniform(0, EDIT_SECONDS))
        before, lines = recorded(output), len(made(log))
        target = dice.choice(TARGETS)
        kill(target, driver, nodes, log)
        counts[f"kills of {'an' if target == 'actor' else 'a'} {target}"] += 1
        wait_for_what_was_read(output, lambda: driver.process.poll() is not None, PATIENCE)
        counts["recorded edits made again"] += len(before & {name for name, _ in made(log)[lines:]})
        assert driver.process.poll() is None, f"the run ended after {counts.total()} kills; it needs more samples"
    assert driver.process.wait() == 0, f"the run ended with {driver.process.returncode}"
    counts["edits lost"] = samples - len(recorded(output))
    return counts


def main() -> None:
    """The value is the number of edits that were lost, or made again although they were recorded."""
    parser = command_line(__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_KILLS} kills and {QUICK_SAMPLES} samples")
    kills, samples = (QUICK_KILLS, QUICK_SAMPLES) if parser.parse_args().quick else (KILLS, SAMPLES)
    with tempfile.TemporaryDirectory() as place, two_nodes() as nodes:
        folder = Path(place)
        data, log = write_benchmark(folder / "benchmark.json", samples), folder / "log"
        engines: dict[str, dict[str, Any]] = {
            "local": {"engine": "local"},
            "ray": {"engine": "ray", "ray": {"address": nodes.address, "editors": EDITORS, "editor_gpus": 0}},
        }
        configs = {name: _config(folder, data, name, log, runtime) for name, runtime in engines.items()}
        counts = killed_run(kills, samples, configs["ray"], folder / "ray", log, nodes)
        assert run(configs["local"]).wait() == 0
        same = contents(folder / "local") == contents(folder / "ray")
    rows = [[what, str(count)] for what, count in sorted(counts.items())]
    show("Kill -9 on a cluster", ["what", "count"], [*rows, ["record equals the local engine's", str(same)]])
    wasted = counts["recorded edits made again"] + counts["edits lost"]
    unit = f"edits lost or made again in {kills} kills of actors, nodes and drivers, and the local engine's record"
    close("ray_kills", wasted, unit, "== 0", besides=same)


def _config(folder: Path, data: Path, name: str, log: Path, runtime: dict[str, Any]) -> Path:
    params = {"log": str(log), "seconds": EDIT_SECONDS} if name == "ray" else {}
    config = parse_config(
        {
            "benchmark": {"data_path": str(data)},
            "diffusion_model": {"class_path": "benchmarks.ray_nodes.FatalEditor", "params": params},
            "reward_model": {"class_path": "benchmarks.models.BrightnessJudge"},
            "evaluation": {"output_dir": str(folder / name)},
            "runtime": runtime,
        },
        "benchmark",
    )
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config.redacted(), allow_unicode=True))
    return path


if __name__ == "__main__":
    main()
