"""Actors, nodes and drivers of `runtime.engine: ray` that end: nothing is lost, and nothing recorded is done again."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.ray_nodes import Nodes, contents, lives, made, recorded, wait_for_what_was_read, wait_until
from src.cluster.actor_pool import ActorPool
from src.cluster.call_queue import WorkLost
from src.cluster.connection import connect, machine_id
from src.cluster.room import may_grow
from src.cluster.seat import ActorKind
from src.config import Config
from src.engine_config import RayConfig
from src.errors import ModelError
from src.pipeline.evaluation import evaluate
from tests.conftest import item

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

MakeConfig = Callable[..., Config]
WriteBenchmark = Callable[..., Path]


def fatal(log: Path, **params: Any) -> dict[str, Any]:
    return {"class_path": "benchmarks.ray_nodes.FatalEditor", "params": {"log": str(log)} | params}


class Run:
    """A run in a thread of its own."""

    def __init__(self, config: Config) -> None:
        self.output = config.evaluation.output_dir
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=[config])
        self._thread.start()

    def _run(self, config: Config) -> None:
        try:
            evaluate(config)
        except BaseException as error:
            self._error = error

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def finish(self) -> dict[str, dict[str, Any]]:
        self._thread.join()
        assert self._error is None, self._error
        return contents(self.output)


def test_a_sample_that_ends_its_actor_twice_has_failed_and_its_neighbours_have_not(
    write_benchmark: WriteBenchmark, ray_config: MakeConfig, tmp_path: Path
) -> None:
    items = [item(place, edit_instruction_en="die" if place in (1, 6) else f"paint {place}") for place in range(10)]
    found = Run(ray_config(write_benchmark(items), diffusion_model=fatal(tmp_path / "log"))).finish()
    reasons = [row[0] for row in found["edits"].values() if row[0]]
    assert reasons == ["given up after 2 attempts, the last: its process ended"] * 2
    assert [row[0] for row in found["verdicts"].values()] == ["scored"] * 8


def test_of_a_batch_that_ends_its_actor_only_the_culprit_is_lost(
    write_benchmark: WriteBenchmark, ray_config: MakeConfig
) -> None:
    items = [item(place, edit_instruction_en="die" if place == 2 else f"paint {place}") for place in range(8)]
    editor = {"class_path": "tests.ray_cluster.FatalBatchEditor"}
    found = Run(ray_config(write_benchmark(items), diffusion_model=editor)).finish()
    assert sum(row[0] is not None for row in found["edits"].values()) == 1
    assert [row[0] for row in found["verdicts"].values()] == ["scored"] * 7


def test_an_editor_that_hangs_is_replaced(
    write_benchmark: WriteBenchmark, ray_config: MakeConfig, tmp_path: Path
) -> None:
    items = [item(place, edit_instruction_en="hang" if place == 1 else f"paint {place}") for place in range(6)]
    limit = {"edit_timeout": 3}
    config = ray_config(write_benchmark(items), diffusion_model=fatal(tmp_path / "log"), runtime=limit)
    found = Run(config).finish()
    [reason] = [row[0] for row in found["edits"].values() if row[0]]
    assert reason == "given up after 2 attempts, the last: nothing came back within 3 s (runtime.edit_timeout)"
    assert [row[0] for row in found["verdicts"].values()] == ["scored"] * 5


def test_a_judge_that_hangs_is_replaced_and_the_reason_is_plain(
    write_benchmark: WriteBenchmark, ray_config: MakeConfig
) -> None:
    items = [item(place, edit_instruction_en="hang" if place == 1 else f"paint {place}") for place in range(4)]
    judge = {"class_path": "tests.ray_cluster.FatalJudge"}
    limits = {"judge_timeout": 3}
    config = ray_config(write_benchmark(items), reward_model=judge, runtime=limits, ray={"judges": 1})
    found = Run(config).finish()
    assert sorted(row[0] for row in found["verdicts"].values()) == ["judge_failed"] + ["scored"] * 3
    [reason] = [row[3] for row in found["verdicts"].values() if row[3]]
    assert reason == "given up after 2 attempts, the last: nothing came back within 3 s (runtime.judge_timeout)"


@pytest.mark.parametrize("editors", ["auto", 3])
def test_editors_leave_room_for_the_judges(
    editors: Any, write_benchmark: WriteBenchmark, ray_config: MakeConfig
) -> None:
    config = ray_config(write_benchmark(24), ray={"editors": editors, "judges": 1})
    found = Run(config).finish()
    assert [row[0] for row in found["verdicts"].values()] == ["scored"] * 24


def test_judges_that_have_work_before_the_editors_share_one_reservation_with_them(
    write_benchmark: WriteBenchmark, ray_config: MakeConfig
) -> None:
    items = [item(place, edit_instruction_en="raise" if place < 4 else f"paint {place}") for place in range(12)]
    judge, places = {"class_path": "tests.plugins.FaultyJudge"}, {"editors": 1, "judges": 3}
    data = write_benchmark(items)
    Run(ray_config(data, reward_model=judge, ray=places, benchmark={"limit": 4})).finish()
    config = ray_config(data, reward_model=judge, ray=places)
    again = config.evaluation.model_copy(update={"resume_from_checkpoint": True})
    found = Run(config.model_copy(update={"evaluation": again})).finish()
    assert sorted(row[0] for row in found["verdicts"].values()) == ["judge_failed"] * 4 + ["scored"] * 8


def test_editors_that_leave_no_room_for_judges_are_refused_unless_they_end_before_those_start(
    write_benchmark: WriteBenchmark, ray_config: MakeConfig
) -> None:
    from ray.experimental.internal_kv import _internal_kv_get

    data, places = write_benchmark(8), {"editors": 4, "judges": 1}
    config = ray_config(data, ray=places)
    connect(config.runtime.ray)
    wait_until(lambda: bool(_internal_kv_get(b"__autoscaling_status")))
    with pytest.raises(ModelError, match="There is room for 3 editors"):
        evaluate(config)
    staged = config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"schedule": "two_stage"})})
    found = Run(staged).finish()
    assert [row[0] for row in found["verdicts"].values()] == ["scored"] * 8


def test_of_two_runs_on_one_cluster_none_waits_for_what_the_other_holds(
    write_benchmark: WriteBenchmark, ray_config: MakeConfig, tmp_path: Path
) -> None:
    data, runs = write_benchmark(24), []
    for name in ("one", "two"):
        config = ray_config(data, name, ray={"editors": 3, "judges": 1}, diffusion_model=fatal(tmp_path / "log"))
        (path := tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(config.redacted(), allow_unicode=True))
        command = [sys.executable, "main.py", "--config", str(path)]
        runs.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said


def test_what_waits_for_room_says_what_is_asked_for_and_who_has_it(
    write_benchmark: WriteBenchmark,
    ray_config: MakeConfig,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    monkeypatch.setattr("src.cluster.actor_pool._PATIENCE", 2.0)
    config = ray_config(write_benchmark(8), ray={"editors": 2, "judges": 1})
    connect(config.runtime.ray)
    others = [ray.remote(Idle).options(num_cpus=1).remote() for _ in range(3)]
    ray.get([one.name.remote() for one in others])
    with caplog.at_level(logging.WARNING):
        run = Run(config)
        asked = "and the judges of its edits, which start together and take 2 CPUs"
        found = "the cluster has 4 CPUs in all, of which this run holds 0 and others hold 3"
        wait_until(lambda: f"{asked}; {found}" in caplog.text)
    for one in others:
        ray.kill(one)
    assert [row[0] for row in run.finish()["verdicts"].values()] == ["scored"] * 8


class Idle:
    """Holds room."""

    def name(self) -> str:
        return "idle"


def test_a_call_with_which_two_machines_were_lost_is_to_blame_for_nothing(cluster: Nodes, tmp_path: Path) -> None:
    connect(RayConfig(address=cluster.address))
    pool = ActorPool(ActorKind("an actor", Sleeper, (str(tmp_path / "log"),)), 1)
    try:
        call = pool.submit("work", 60.0)
        for losses in (1, 2):
            wait_until(lambda losses=losses: len(begun(tmp_path / "log")) == losses)  # type: ignore[misc]
            node = begun(tmp_path / "log")[-1]
            cluster.workers.sort(key=lambda one, node=node: one.node_id == node)  # type: ignore[misc]
            cluster.lose()
            cluster.add()
        wait_until(lambda: len(begun(tmp_path / "log")) == 3)
        assert not call.done()
    finally:
        pool.close()


def begun(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").split() if log.exists() else []


class Sleeper:
    """Notes where it sleeps."""

    def __init__(self, log: str) -> None:
        self.log = Path(log)

    def load(self) -> dict[str, Any]:
        return {"in_flight": 1, "node": machine_id()}

    def work(self, seconds: float) -> None:
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"{machine_id()}\n")
        time.sleep(seconds)


def test_a_call_that_has_ended_an_actor_is_tried_again_without_company(cluster: Nodes) -> None:
    connect(RayConfig(address=cluster.address))
    pool = ActorPool(ActorKind("an actor", Mortal, ()), 1)
    try:
        suspect = pool.submit("die", attempts=1)
        innocent = pool.submit("work", most_attempts=1)
        assert innocent.result(timeout=120) == "done"
        with pytest.raises(WorkLost, match="given up after 2 attempts"):
            suspect.result(timeout=120)
    finally:
        pool.close()


class Mortal:
    """Takes two calls at once, and ends with one of them."""

    def load(self) -> dict[str, Any]:
        return {"in_flight": 2, "node": machine_id()}

    def die(self) -> None:
        os._exit(1)

    def work(self) -> str:
        return "done"


def test_the_console_is_spared_what_ray_reports_of_processes_that_end(
    write_benchmark: WriteBenchmark, ray_config: MakeConfig, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    items = [item(place, edit_instruction_en="die" if place == 1 else f"paint {place}") for place in range(4)]
    Run(ray_config(write_benchmark(items), diffusion_model=fatal(tmp_path / "log"))).finish()
    time.sleep(2)
    shown = "".join(capfd.readouterr())
    assert "(raylet)" not in shown
    assert "A worker died" not in shown


def test_after_random_kills_nothing_is_lost_and_nothing_recorded_is_made_again(
    write_benchmark: WriteBenchmark, ray_config: MakeConfig, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    run = Run(ray_config(write_benchmark(160), diffusion_model=fatal(log, seconds=0.4)))
    for _ in range(3):
        pieces = len(recorded(run.output)) + 4
        wait_until(lambda pieces=pieces: len(recorded(run.output)) >= pieces)
        before, lines = recorded(run.output), len(made(log))
        os.kill(made(log)[-1][1], signal.SIGKILL)
        wait_for_what_was_read(run.output, lambda: run.ended)
        assert not run.ended, "the run needs more samples"
        assert not before & {name for name, _ in made(log)[lines:]}
    found = run.finish()
    assert [row[0] for row in found["verdicts"].values()] == ["scored"] * 160


def test_a_node_that_is_lost_gives_its_samples_back(
    write_benchmark: WriteBenchmark, ray_config: MakeConfig, cluster: Nodes, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    run = Run(ray_config(write_benchmark(24), diffusion_model=fatal(log, seconds=0.2)))
    try:
        wait_until(lambda: len({process for _, process in made(log)}) == 2)
        cluster.lose()
        found = run.finish()
    finally:
        cluster.add()
    assert [row[0] for row in found["verdicts"].values()] == ["scored"] * 24


def test_on_what_is_left_of_a_cluster_idle_editors_make_room_for_judges(
    write_benchmark: WriteBenchmark,
    ray_config: MakeConfig,
    cluster: Nodes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("src.cluster.actor_pool._PATIENCE", 2.0)
    log, places = tmp_path / "log", {"editors": 3, "judges": 1}
    run = Run(ray_config(write_benchmark(40), diffusion_model=fatal(log, seconds=0.5), ray=places))
    try:
        wait_until(lambda: len({process for _, process in made(log)}) == 3)
        cluster.lose()
        found = run.finish()
    finally:
        cluster.add()
    assert [row[0] for row in found["verdicts"].values()] == ["scored"] * 40


def test_a_cluster_without_nodes_is_waited_for(
    write_benchmark: WriteBenchmark,
    ray_config: MakeConfig,
    cluster: Nodes,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("src.cluster.actor_pool._PATIENCE", 2.0)
    log = tmp_path / "log"
    run = Run(ray_config(write_benchmark(16), diffusion_model=fatal(log, seconds=0.2)))
    try:
        wait_until(lambda: len(recorded(run.output)) >= 3)
        with caplog.at_level(logging.WARNING):
            cluster.lose()
            cluster.lose()
            wait_until(lambda: "no machine of the Ray cluster has room for FatalEditor" in caplog.text)
            assert not run.ended
    finally:
        cluster.add()
        cluster.add()
    found = run.finish()
    assert [row[0] for row in found["verdicts"].values()] == ["scored"] * 16


def test_a_killed_driver_leaves_no_actors_and_resume_repeats_nothing(
    write_benchmark: WriteBenchmark, ray_config: MakeConfig, tmp_path: Path
) -> None:
    log, output = tmp_path / "log", tmp_path / "out"
    config = ray_config(write_benchmark(16), diffusion_model=fatal(log, seconds=0.3))
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(config.redacted(), allow_unicode=True))
    command = [sys.executable, "main.py", "--config", str(path), "--resume"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
        wait_until(lambda: len(recorded(output)) >= 5)
        driver.kill()
    actors, before, lines = {process for _, process in made(log)}, recorded(output), len(made(log))
    assert subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0
    assert not any(map(lives, actors)), "actors of a driver that is gone"
    assert not before & {name for name, _ in made(log)[lines:]}
    assert len(recorded(output)) == 16


@pytest.mark.parametrize(
    ("address", "active", "grows"),
    [
        ("10.0.0.1:6379", {"node_fcc31fd7": 1, "node_05aa": 1}, False),
        ("10.0.0.1:6379", {"head-group": 1, "gpu-group": 2}, True),
        ("10.0.0.1:6379", None, True),  # the monitor has said nothing yet
        ("ray://head:10001", {"node_fcc31fd7": 1}, True),
        ("local", {"head-group": 1}, False),
    ],
)
def test_a_cluster_may_grow_where_an_autoscaler_or_nobody_says_what_its_machines_are(
    address: str, active: dict[str, int] | None, grows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = None if active is None else json.dumps({"autoscaler_report": {"active_nodes": active}}).encode()
    monkeypatch.setattr("ray.experimental.internal_kv._internal_kv_get", lambda key: status)
    assert may_grow(RayConfig(address=address)) is grows
