"""What is refused of `runtime.engine: ray` before anything is started; Ray need not be installed for it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from src.cluster.editor_actor import EditorActor, PlacedEdit, PlacedRequest
from src.cluster.placed_model import ModelPlace, PlacedModel
from src.config import Config
from src.data.image import encode_png
from src.errors import ConfigError, ModelError
from src.models.base import BaseModel
from src.pipeline.plan import RunPlan
from tests.plugins import SeedEditor

MakeConfig = Callable[..., Config]
WriteBenchmark = Callable[..., Path]

KEY = "sk-abcdefghijklmnopqrstuv"


@pytest.mark.parametrize(
    ("runtime", "sentence"),
    [
        ({"engine": "spark"}, "engine"),
        ({"edit_timeout": 30}, "edit_timeout needs engine: ray: a thread of this process cannot be ended"),
        ({"engine": "ray", "edit_timeout": 0}, "edit_timeout"),
        ({"engine": "ray", "ray": {"address": "here"}}, "'here' is no address: write auto, local, HOST:PORT or ray://"),
        ({"engine": "ray", "ray": {"address": "http://head:10001"}}, "is no address"),
        ({"engine": "ray", "ray": {"editors": 0}}, "editors"),
        ({"engine": "ray", "ray": {"editors": "all"}}, "editors"),
        ({"engine": "ray", "ray": {"judges": -1}}, "judges"),
        ({"engine": "ray", "ray": {"editor_gpus": 1.5}}, "1.5 GPUs: above 1 it must be a whole number"),
        ({"engine": "ray", "ray": {"judge_gpus": float("nan")}}, "judge_gpus"),
        ({"engine": "ray", "ray": {"workers": 3}}, "workers"),
    ],
)
def test_what_can_lead_nowhere_is_refused(
    runtime: dict[str, Any], sentence: str, write_benchmark: WriteBenchmark, make_config: MakeConfig
) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        make_config(write_benchmark(1), runtime=runtime)


@pytest.mark.parametrize("address", ["auto", "local", "ray://head.cluster:10001", "10.0.0.1:6379", "[::1]:6379"])
def test_addresses_of_clusters_are_taken(
    address: str, write_benchmark: WriteBenchmark, make_config: MakeConfig
) -> None:
    made = make_config(write_benchmark(1), runtime={"engine": "ray", "ray": {"address": address}})
    assert made.runtime.ray.address == address


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"env_vars": {"HF_HOME": "/models", "OPENAI_API_KEY": KEY}}, "OPENAI_API_KEY"),
        ({"env_vars": {"EXTRA": KEY}, "pip": ["numpy"]}, "EXTRA"),
        ({"pip": [f"--extra-index-url=https://me:{KEY}@packages.example/simple", "numpy"]}, "pip"),
    ],
)
def test_secrets_have_no_place_in_a_runtime_environment_which_ray_writes_into_its_logs(
    environment: dict[str, Any], name: str, write_benchmark: WriteBenchmark, make_config: MakeConfig
) -> None:
    with pytest.raises(ConfigError, match=rf"{name} holds what looks like a secret") as refused:
        make_config(write_benchmark(1), runtime={"engine": "ray", "ray": {"runtime_env": environment}})
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (
            {"device_ids": [0, 1]},
            "diffusion_model.params.device_ids: with runtime.engine: ray, Ray chooses the devices",
        ),
        ({"device": "cuda:1"}, "diffusion_model.params.device: cuda:1 names one GPU"),
    ],
)
def test_devices_by_number_are_refused(
    params: dict[str, Any], sentence: str, write_benchmark: WriteBenchmark, make_config: MakeConfig
) -> None:
    config = make_config(write_benchmark(1), diffusion_model={"params": params}, runtime={"engine": "ray"})
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        RunPlan(config)


def test_without_ray_the_plan_says_how_to_get_it(
    write_benchmark: WriteBenchmark, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "ray" else found(name, *rest))
    with pytest.raises(
        ModelError, match=r"needs the package ray, which is not installed: pip install 'editloop\[ray\]'"
    ):
        RunPlan(make_config(write_benchmark(1), runtime={"engine": "ray"}))


def test_the_engine_is_no_part_of_any_key(
    write_benchmark: WriteBenchmark, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.pipeline.placement.require_ray", lambda: None)
    data = write_benchmark(1)
    engines: list[dict[str, Any]] = [{}, {"engine": "ray", "edit_timeout": 9, "ray": {"editors": 3, "judges": 1}}]
    plans = [RunPlan(make_config(data, runtime=runtime)) for runtime in engines]
    assert plans[0].run_key == plans[1].run_key
    assert plans[0].editor.keys("a", "f00", "x") == plans[1].editor.keys("a", "f00", "x")
    assert plans[0].scoring.digest == plans[1].scoring.digest


def test_an_actor_refuses_a_model_that_is_another_one_on_its_machine(tmp_path: Path) -> None:
    class Actor(PlacedModel[BaseModel]):
        base = BaseModel

    path = "tests.plugins.InvertEditor"
    identity = {"class": path, "version": "1", "params": {"dtype": "float32"}}
    with pytest.raises(ModelError, match=r"would make other results here than its keys say.*params\.dtype come to"):
        Actor(ModelPlace(path, {"dtype": "bfloat16"}, identity, "")).load()


def test_a_process_that_ray_has_replaced_while_it_was_idle_builds_its_model_for_the_next_call() -> None:
    place = ModelPlace("tests.plugins.SeedEditor", {}, SeedEditor.identity({}), "")
    source = encode_png(Image.new("RGB", (8, 8)))
    (edit,), _ = EditorActor(place).edit([PlacedRequest("invert", 1, "a")], source)
    assert isinstance(edit, PlacedEdit), edit
