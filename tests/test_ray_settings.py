"""What is refused of `runtime.engine: ray` before anything is started; Ray need not be installed for it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from benchmarks.ray_nodes import lives, started, wait_until
from src.cluster.call_queue import CallQueue
from src.cluster.editor_actor import EditorActor, PlacedEdit, PlacedRequest
from src.cluster.placed_model import ModelPlace, PlacedModel
from src.cluster.room import most_beside
from src.cluster.seat import Call
from src.config import Config
from src.data.image import encode_png
from src.errors import ConfigError, ModelError
from src.models.base import BaseModel
from src.pipeline.plan import RunPlan
from src.reasons import reason_of
from tests.plugins import SeedEditor
from tests.test_text_to_image import Painter

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
        ({"judge_timeout": 30}, "judge_timeout needs engine: ray: a thread of this process cannot be ended"),
        ({"engine": "ray", "ray": {"editors": True}}, "true is no number"),
        ({"engine": "ray", "ray": {"judges": False}}, "false is no number"),
        ({"engine": "ray", "ray": {"editors": 10**9}}, "less than or equal to 10000"),
        ({"engine": "ray", "ray": {"judges": 10**9}}, "less than or equal to 10000"),
        ({"engine": "ray", "ray": {"editor_gpus": -1}}, "editor_gpus"),
        ({"engine": "ray", "ray": {"judge_gpus": True}}, "true is no number"),
        ({"engine": "ray", "ray": {"editor_gpus": 1e-9}}, "Ray counts in steps of 0.0001"),
        ({"engine": "ray", "ray": {"address": "head:0"}}, "a port is a number from 1 to 65535"),
        ({"engine": "ray", "ray": {"address": "ray://head:70000"}}, "a port is a number from 1 to 65535"),
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
        ({"env_vars": {"EXTRA": f"Authorization: Bearer {KEY}"}}, "EXTRA"),
        ({"env_vars": {"EXTRA": "Authorization: Bearer abcdefghijk"}}, "EXTRA"),
        ({"env_vars": {"EXTRA": "Bearer abcdefghijk"}}, "EXTRA"),
        ({"env_vars": {"EXTRA": "Basic bWU6cHc="}}, "EXTRA"),
        ({"env_vars": {"EXTRA": "sk-abc123"}}, "EXTRA"),
        ({"container": {"run_options": ["--env=EXTRA=sk-abc123"]}}, "run_options"),
        ({"config": {"headers": {"X-Anything": "abc"}}}, "headers"),
        ({"config": {"deep": {"api_key": "x"}}}, "api_key"),
    ],
)
def test_secrets_have_no_place_in_a_runtime_environment_which_ray_writes_into_its_logs(
    environment: dict[str, Any], name: str, write_benchmark: WriteBenchmark, make_config: MakeConfig
) -> None:
    with pytest.raises(ConfigError, match=rf"{name} holds what looks like a secret") as refused:
        make_config(write_benchmark(1), runtime={"engine": "ray", "ray": {"runtime_env": environment}})
    assert KEY not in str(refused.value)


def test_switches_and_paths_are_no_secrets_whatever_their_names(
    write_benchmark: WriteBenchmark, make_config: MakeConfig
) -> None:
    harmless = {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1", "SSH_AUTH_SOCK": "/run/agent", "MAX_TOKENS": "20"}
    environment = {"env_vars": harmless, "working_dir": "/work", "pip": ["token_utils", "sk-learn"]}
    made = make_config(write_benchmark(1), runtime={"engine": "ray", "ray": {"runtime_env": environment}})
    assert made.runtime.ray.runtime_env == environment


@pytest.mark.parametrize(
    ("amounts", "size", "others", "other", "most"),
    [
        ([4.0], 1.0, 1, 1.0, 3),
        ([4.0], 1.0, 4, 1.0, 0),
        ([4.0], 1.0, 5, 1.0, None),
        ([2.0, 2.0], 1.0, 1, 1.0, 3),
        ([2.0, 3.0], 2.0, 1, 1.0, 2),  # the other goes where it costs no place
        ([3.0, 3.0], 2.0, 2, 2.0, 0),
        ([1.0, 1.0], 1.0, 1, 2.0, None),  # no machine has room for it
        ([1.0], 1 / 3, 1, 1 / 3, 2),
        ([], 1.0, 0, 1.0, 0),
    ],
)
def test_processes_have_the_room_that_others_leave_them_on_single_machines(
    amounts: list[float], size: float, others: int, other: float, most: int | None
) -> None:
    assert most_beside(amounts, size, others, other) == most


def room_checked(runtime: dict[str, Any], data: Path, make: MakeConfig, **sections: Any) -> None:
    ray = {"editor_gpus": 0, "judge_gpus": 0, "judges": 1} | runtime
    RunPlan(make(data, runtime={"engine": "ray", "ray": ray}, **sections)).check_devices()


@pytest.fixture
def four_cpus(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """A cluster of two machines with two CPUs each, which may grow or not."""
    for module in ("connect", "require_ray"):
        monkeypatch.setattr(f"src.pipeline.placement.{module}", lambda *settings: None)
    monkeypatch.setattr("src.pipeline.placement.in_all", lambda resource: [2.0, 2.0] if resource == "CPU" else [])

    def set_growth(grows: bool) -> None:
        monkeypatch.setattr("src.pipeline.placement.may_grow", lambda settings: grows)

    set_growth(False)
    return set_growth


def test_what_can_never_fit_the_cluster_together_is_refused_with_the_numbers(
    four_cpus: Callable[[bool], None], write_benchmark: WriteBenchmark, make_config: MakeConfig
) -> None:
    data = write_benchmark(1)
    together = r"4 for editors take 4 CPUs, and 1 for judges beside them 1 CPU, and the Ray cluster has 4 CPUs"
    with pytest.raises(ModelError, match=rf"{together} on 2 machines\. There is room for 3 editors: set .*two_stage"):
        room_checked({"editors": 4}, data, make_config)
    with pytest.raises(ModelError, match=r"5 processes for judges take 5 CPUs, .* There is room for 4"):
        room_checked({"judges": 5}, data, make_config, evaluation={"schedule": "two_stage"})
    with pytest.raises(ModelError, match=r"1 for editors take 1 CPU, and 4 for judges .* There is room for 0 editors"):
        room_checked({"judges": 4}, data, make_config)
    room_checked({"editors": 3}, data, make_config)
    room_checked({"editors": 4}, data, make_config, evaluation={"schedule": "two_stage"})
    four_cpus(True)
    room_checked({"editors": 40, "judges": 9}, data, make_config)


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


def test_a_process_of_a_cluster_makes_pictures_of_text_alone() -> None:
    place = ModelPlace("tests.test_text_to_image.Painter", {}, Painter.identity({}), "")
    (made,), _ = EditorActor(place).edit([PlacedRequest("a cat", 1, "a")], b"")
    assert isinstance(made, PlacedEdit), made
    assert made.png == encode_png(Painter({}).generate_image("a cat", 1))


def test_a_start_of_a_cluster_that_fails_leaves_no_process() -> None:
    children: list[subprocess.Popen[bytes]] = []

    def start() -> str:
        shell = "sleep 1000 & sleep 1000"
        children.append(subprocess.Popen(["sh", "-c", shell]))
        wait_until(lambda: len(psutil.Process(children[-1].pid).children()) == 2)
        grandchildren.extend(psutil.Process(children[-1].pid).children())
        if len(children) < 3:
            raise RuntimeError("the agents are not there within 15 s")
        return "started"

    grandchildren: list[psutil.Process] = []
    try:
        assert started(start) == "started"
        assert [lives(child.pid) for child in children] == [False, False, True]
        assert [lives(process.pid) for process in grandchildren] == [False] * 4 + [True] * 2
    finally:
        for process in (*grandchildren, *children):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def test_machines_that_are_lost_are_no_attempts_until_a_call_may_be_what_takes_them_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue, call = CallQueue("an editor", "too late"), Call("edit", (), 0, 2)
    lost = True
    monkeypatch.setattr(queue._witnesses, "heard", lambda answer: (call, lost))
    for _ in range(3):
        queue.heard("an answer")
        assert queue.waiting.pop() is call
    assert (call.attempts, call.machines, call.future.done()) == (0, 3, False)
    queue.heard("an answer")
    assert str(call.future.exception()) == "given up, as 4 machines were lost while they were at it"
    assert reason_of(call.future.exception() or SystemExit()) == str(call.future.exception()), "without the class"
    call, lost = Call("edit", (), 0, 2), False
    queue.heard("an answer")
    queue.heard("an answer")
    assert str(call.future.exception()) == "given up after 2 attempts, the last: its process ended"
