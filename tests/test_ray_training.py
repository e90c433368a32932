"""A training whose processes share editors and judges of a Ray cluster: the rewards of local ones, and fair turns."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ray_nodes import Nodes, two_nodes
from src.cluster.actor_pool import ActorPool
from src.cluster.connection import connect
from src.cluster.seat import ActorKind, SharedPool
from src.engine_config import RayConfig
from tests.test_distributed import ROWS, STEPS, TORCHRUN, completions, trained

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    """With a CPU more than an editor and a judge take: what a training leaves running, its comparison waits for."""
    with two_nodes() as nodes:
        nodes.lose()
        nodes.add(cpus=1)
        yield nodes


def test_two_processes_with_one_shared_editor_get_the_rewards_of_local_editors_and_the_first_compares_after_it(
    cluster: Nodes, tmp_path: Path
) -> None:
    local = trained(tmp_path / "local", TORCHRUN, 2)
    places = {"address": cluster.address, "editors": 1, "editor_gpus": 0, "judge_gpus": 0}
    ray = {"training.engine": "ray", **{f"training.ray.{name}": value for name, value in places.items()}}
    shared = trained(tmp_path / "ray", TORCHRUN, 2, ray | {"evaluation.enabled": "true", "evaluation.limit": 2})
    assert len(completions(local)) == STEPS * ROWS
    assert completions(shared) == completions(local)
    assert edits(shared) == edits(local)
    gains = json.loads((shared / "gains.json").read_text(encoding="utf-8"))
    assert [gain["samples"] for gain in gains] == [2, 2], "by the training's scorer, and by that of the comparison"
    assert left_actors(cluster) == []


def edits(folder: Path) -> dict[str, bytes]:
    """Every edit by its key, over all processes."""
    return {path.stem: path.read_bytes() for path in (folder / "record").rglob("*.png")}


def left_actors(cluster: Nodes) -> list[str]:
    """The names of actors that have outlived whoever started them."""
    import ray

    connect(RayConfig(address=cluster.address))
    ends = time.monotonic() + 20
    while (names := ray.util.list_named_actors()) and time.monotonic() < ends:
        time.sleep(0.2)
    return list(names)


class SlowActor:
    """Takes so many seconds for a call; tells which process has done it."""

    def load(self) -> dict[str, Any]:
        return {"in_flight": 2}

    def work(self, seconds: float) -> int:
        time.sleep(seconds)
        return os.getpid()


def pools(cluster: Nodes, name: str, count: int, processes: int, timeout: float | None = None) -> list[ActorPool]:
    """The pools of the processes of a training, here all in one, when all their actors have loaded."""
    connect(RayConfig(address=cluster.address))
    kinds = [
        ActorKind("an actor", SlowActor, (), threads=1, shared=SharedPool(name, rank, processes))
        for rank in range(processes)
    ]
    made = [ActorPool(kind, count, timeout) for kind in kinds]
    for pool in made:
        while len({call.result() for call in [pool.submit("work", 0.05) for _ in range(2 * count)]}) < count:
            pass
    return made


def test_processes_share_the_actors_begin_with_different_ones_and_the_first_one_ends_them(cluster: Nodes) -> None:
    import ray

    first, second = pools(cluster, "shared", 2, 2)
    assert len(ray.util.list_named_actors()) == 2
    pids = [pool.submit("work", 0.5).result() for pool in (first, second)]
    assert pids[0] != pids[1], "two calls on two actors, and one of them idle"
    second.close()
    assert first.submit("work", 0.0).result() in pids
    first.close()
    assert left_actors(cluster) == []


def test_a_process_that_comes_late_waits_for_few_calls_of_one_that_has_many(cluster: Nodes) -> None:
    busy, late = pools(cluster, "fair", 1, 2)
    many = [busy.submit("work", 0.2) for _ in range(30)]
    time.sleep(0.5)
    done_before = sum(one.done() for one in many)
    wait([late.submit("work", 0.2) for _ in range(4)])
    done_meanwhile = sum(one.done() for one in many) - done_before
    assert done_meanwhile <= 8, "turn about: of those in flight, one of each process"
    wait(many)
    late.close()
    busy.close()


def test_an_actor_that_is_busy_for_others_is_not_taken_for_hung(cluster: Nodes) -> None:
    one, other = pools(cluster, "patient", 1, 2, timeout=2.0)
    pids = {call.result() for _ in range(2) for pool in (one, other) for call in [pool.submit("work", 1.2)]}
    waiting = [pool.submit("work", 1.2) for _ in range(3) for pool in (one, other)]
    assert {call.result() for call in waiting} == pids
    other.close()
    one.close()
