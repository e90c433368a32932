"""`runtime.engine: ray` on two nodes of one machine: the same record as with the local engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.ray_nodes import Nodes, contents, made
from src.config import Config
from src.errors import ModelError
from src.pipeline.evaluation import evaluate
from tests.conftest import item

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

MakeConfig = Callable[..., Config]
WriteBenchmark = Callable[..., Path]


def both(make: MakeConfig, data: Path, **sections: Any) -> list[dict[str, dict[str, Any]]]:
    """What the record holds after a run with each engine."""
    found = []
    for engine in ("local", "ray"):
        config = make(data, engine, engine, **{name: dict(section) for name, section in sections.items()})
        evaluate(config)
        found.append(contents(config.evaluation.output_dir))
    return found


def test_the_record_is_that_of_the_local_engine(write_benchmark: WriteBenchmark, ray_config: MakeConfig) -> None:
    seeds = {"class_path": "tests.plugins.SeedEditor"}
    here, there = both(ray_config, write_benchmark(12), diffusion_model=seeds, ray={"judges": 2})
    assert len(here["pictures"]) == len(here["verdicts"]) == 12
    assert there == here


def test_batches_and_every_way_to_fail_are_recorded_as_by_the_local_engine(
    write_benchmark: WriteBenchmark, ray_config: MakeConfig
) -> None:
    ways = ["raise", "none", "text", "closed", "exit", "interrupt", "generator", "mutate", "skip", "nan", "eleven"]
    ways.append("judge exit")
    items = [item(place, edit_instruction_en=way) for place, way in enumerate([*ways, "paint"])]
    data = write_benchmark([*items, item(20, src_img_b64="bm8gcGljdHVyZQ==")])
    faulty: dict[str, Any] = {
        "diffusion_model": {"class_path": "tests.plugins.FaultyEditor"},
        "reward_model": {"class_path": "tests.plugins.FaultyJudge"},
        "ray": {"judges": 1},
    }
    here, there = both(ray_config, data, **faulty)
    assert {row[0] for row in here["verdicts"].values()} == {"scored", "judge_failed", "not_applicable"}
    reasons = {row[0] for row in here["edits"].values() if row[0]}
    assert len(reasons) == 7
    assert reasons >= {f"{name}: 3" for name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit")}
    assert "ValueError: Operation on closed image" in reasons
    assert "SystemExit: 3" in {row[3] for row in here["verdicts"].values()}
    assert there == here


def test_a_judge_that_is_asked_in_words_says_the_same(write_benchmark: WriteBenchmark, ray_config: MakeConfig) -> None:
    judge = {"class_path": "tests.ray_cluster.WordyJudge"}
    here, there = both(ray_config, write_benchmark(6), reward_model=judge, ray={"judges": 2})
    assert len({row[1] for row in here["verdicts"].values()}) > 1, "scores depend on pictures"
    assert there == here


@pytest.mark.parametrize("engines", [("local", "ray"), ("ray", "local")])
def test_one_engine_goes_on_where_the_other_has_stopped(
    engines: tuple[str, str], write_benchmark: WriteBenchmark, ray_config: MakeConfig, tmp_path: Path
) -> None:
    data, log = write_benchmark(8), tmp_path / "log"
    editor = {"class_path": "benchmarks.ray_nodes.FatalEditor", "params": {"log": str(log)}}
    for engine, limit in zip(engines, (5, 8), strict=True):
        config = ray_config(data, engine=engine, diffusion_model=editor, benchmark={"limit": limit})
        resumed = config.evaluation.model_copy(update={"resume_from_checkpoint": True})
        evaluate(config.model_copy(update={"evaluation": resumed}))
    names = [name for name, _ in made(log)]
    assert len(names) == len(set(names)) == 8


@pytest.mark.skipif(
    not os.environ.get("EDITLOOP_RAY_CLIENT"),
    reason="Ray's proxy for ray:// hangs in some of its starts; EDITLOOP_RAY_CLIENT=1 runs it nevertheless",
)
def test_a_driver_outside_of_the_cluster_makes_the_same_record(
    write_benchmark: WriteBenchmark, ray_config: MakeConfig, cluster: Nodes, tmp_path: Path
) -> None:
    data, seeds = write_benchmark(6), {"class_path": "tests.plugins.SeedEditor"}
    evaluate(ray_config(data, "local", "local", diffusion_model=seeds))
    installed = {"env_vars": {"PYTHONPATH": str(Path.cwd())}}
    outside = {"address": cluster.from_outside, "judges": 1, "runtime_env": installed}
    config = ray_config(data, "outside", diffusion_model=seeds, ray=outside)
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(config.redacted(), allow_unicode=True))
    command = [sys.executable, "main.py", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert contents(tmp_path / "outside") == contents(tmp_path / "local")


def test_an_editor_that_cannot_be_loaded_is_named_with_its_machine(
    write_benchmark: WriteBenchmark, ray_config: MakeConfig
) -> None:
    config = ray_config(write_benchmark(2), diffusion_model={"class_path": "tests.plugins.UnloadableEditor"})
    with pytest.raises(ModelError, match=r"on \S+: UnloadableEditor could not be loaded: OSError: no such weights"):
        evaluate(config)


def test_an_editor_that_would_make_other_edits_than_its_keys_say_is_refused(
    write_benchmark: WriteBenchmark, ray_config: MakeConfig
) -> None:
    config = ray_config(write_benchmark(2), diffusion_model={"class_path": "tests.ray_cluster.PickyEditor"})
    with pytest.raises(ModelError, match=r"would make other results here than its keys say.*params\.process"):
        evaluate(config)
