"""`runtime.engine: ray` on a cluster of two nodes on this machine: the same record as with the local engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from src.config import Config
from src.pipeline.evaluation import evaluate
from tests.ray_cluster import TwoNodes, contents, two_nodes

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[TwoNodes]:
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture
def config(make_config: Callable[..., Config], cluster: TwoNodes, tmp_path: Path) -> Callable[..., Config]:
    """A config by the name of its output directory and of its engine."""

    def make(data: Path, name: str, engine: str = "ray", **sections: Any) -> Config:
        places = {"address": cluster.address, "editors": 2, "editor_gpus": 0, "judge_gpus": 0}
        runtime = {"engine": engine, "ray": places | sections.pop("ray", {})} | sections.pop("runtime", {})
        out = {"output_dir": str(tmp_path / name)}
        return make_config(data, evaluation=out, runtime=runtime, **sections)

    return make


def test_the_record_is_that_of_the_local_engine(
    write_benchmark: Callable[..., Path], config: Callable[..., Config]
) -> None:
    data = write_benchmark(12)
    for engine in ("local", "ray"):
        evaluate(config(data, engine, engine, diffusion_model={"class_path": "tests.plugins.SeedEditor"}))
    here, there = (contents(config(data, name).evaluation.output_dir) for name in ("local", "ray"))
    assert len(here["edits"]) == len(here["verdicts"]) == 12
    assert there == here
